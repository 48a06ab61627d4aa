use tollgate_wire::{Literal, anthropic as wire};

use crate::{Fault, translate::event::ProviderError};

/// `{"type":"error","error":{"type":…,"message":…},"request_id":…}`
pub(crate) fn body(body: &[u8]) -> Option<ProviderError> {
    let body: wire::ErrorBody<'_> = serde_json::from_slice(body).ok()?;
    let request_id = body.request_id.filter(|id| !id.is_empty()).map(owned);
    Some(ProviderError { request_id, ..detail(&body.error) })
}

/// `{"type":…,"message":…}`
pub(super) fn detail(error: &wire::ErrorDetail<'_>) -> ProviderError {
    ProviderError {
        kind: error.kind.map(owned).unwrap_or_default(),
        message: error.message.map_or_else(|| "the provider gave no message".to_owned(), owned),
        request_id: None,
    }
}

/// An error where a success was due.
pub(super) fn in_reply(error: Option<&wire::ErrorDetail<'_>>) -> Fault {
    Fault::ErrorInReply(
        error.map_or_else(|| "the provider gave no message".to_owned(), |error| detail(error).message),
    )
}

fn owned(text: Literal<'_>) -> String {
    text.decode().into_owned()
}
