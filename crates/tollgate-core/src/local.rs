use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use tollgate_snapshot::{DirectResponse, ModelEntry};
use tollgate_types::Dialect;

/// A reply that the gateway makes itself.
#[derive(Clone, Debug)]
pub struct LocalReply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers; `content-length` is the host's.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

// === impl LocalReply ===

impl LocalReply {
    /// `/v1/models` in the client's dialect.
    pub(crate) fn models(dialect: Dialect, models: &[ModelEntry]) -> Self {
        let entries: Vec<_> = models
            .iter()
            .map(|model| tollgate_llm::ModelEntry {
                id: model.id.as_str(),
                owned_by: &model.owned_by,
                created: u64::try_from(model.created).unwrap_or_default(),
            })
            .collect();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { status: StatusCode::OK, headers, body: tollgate_llm::models_body(dialect, &entries) }
    }

    pub(crate) fn direct(response: &DirectResponse) -> Self {
        let mut headers = HeaderMap::new();
        response.headers.apply(&mut headers);
        Self { status: response.status, headers, body: response.body.clone() }
    }
}
