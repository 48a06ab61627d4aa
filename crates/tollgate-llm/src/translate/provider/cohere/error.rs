use serde::Deserialize;
use tollgate_wire::Literal;

use crate::translate::event::ProviderError;

/// `{"message":…}`, with an id in some replies.
pub(crate) fn body(body: &[u8]) -> Option<ProviderError> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        message: Literal<'a>,
        id: Option<Literal<'a>>,
    }
    let body: Body<'_> = serde_json::from_slice(body).ok()?;
    let owned = |text: Literal<'_>| text.decode().into_owned();
    Some(ProviderError { kind: String::new(), message: owned(body.message), request_id: body.id.map(owned) })
}
