use tollgate_wire::{Literal, openai as wire};

use crate::translate::event::ProviderError;

/// `{"error":{"message":…,"type":…,"param":…,"code":…}}`
pub(super) fn body(body: &[u8]) -> Option<ProviderError> {
    let body: wire::ErrorBody<'_> = serde_json::from_slice(body).ok()?;
    Some(detail(&body.error))
}

/// The object in it.
pub(super) fn detail(error: &wire::ErrorDetail<'_>) -> ProviderError {
    let owned = |text: Literal<'_>| text.decode().into_owned();
    ProviderError {
        kind: error.kind.map(owned).unwrap_or_default(),
        message: error.message.map_or_else(|| "the provider gave no message".to_owned(), owned),
        request_id: None,
    }
}
