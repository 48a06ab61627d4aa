use tollgate_wire::{Literal, gemini as wire};

use crate::translate::event::ProviderError;

/// `{"error":{"code":…,"message":…,"status":…}}`, or a list with one of them, as streams that fail at once give it.
pub(super) fn body(body: &[u8]) -> Option<ProviderError> {
    let list: wire::Listed<wire::ErrorBody<'_>> = serde_json::from_slice(body).ok()?;
    list.0.first().map(|one| detail(&one.error))
}

/// The object in it.
pub(super) fn detail(error: &wire::ErrorDetail<'_>) -> ProviderError {
    let owned = |text: Literal<'_>| text.decode().into_owned();
    ProviderError {
        kind: error.status.map(owned).unwrap_or_default(),
        message: error.message.map_or_else(|| "the provider gave no message".to_owned(), owned),
        request_id: None,
    }
}
