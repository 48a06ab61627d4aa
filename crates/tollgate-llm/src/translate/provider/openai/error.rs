use tollgate_wire::{Literal, openai as wire};

use crate::translate::event::ProviderError;

/// `{"error":{"message":…,"type":…,"param":…,"code":…}}`, or the inner object alone, as older vLLM writes it.
pub(super) fn body(body: &[u8]) -> Option<ProviderError> {
    if let Ok(body) = serde_json::from_slice::<wire::ErrorBody<'_>>(body) {
        return Some(detail(&body.error));
    }
    let bare: wire::ErrorDetail<'_> = serde_json::from_slice(body).ok()?;
    bare.message.is_some().then(|| detail(&bare))
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
