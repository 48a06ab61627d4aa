use tollgate_wire::{Literal, bedrock as wire};

use crate::translate::event::ProviderError;

/// `{"message":…}`; the type is in a header, or in `__type`.
pub(crate) fn body(body: &[u8]) -> Option<ProviderError> {
    let body: wire::ErrorBody<'_> = serde_json::from_slice(body).ok()?;
    let message = body.original.or(body.message)?;
    let kind = body.kind.map(Literal::decode).unwrap_or_default();
    Some(ProviderError {
        kind: kind.rsplit('#').next().unwrap_or_default().to_owned(),
        message: message.decode().into_owned(),
        request_id: None,
    })
}
