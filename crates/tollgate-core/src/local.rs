use std::collections::HashSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};
use tollgate_snapshot::{DirectResponse, ModelEntry};
use tollgate_types::Dialect;

use crate::Record;

/// A reply that the gateway makes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers; `content-length` is the host's.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A request with the reply that the gateway made for it.
#[derive(Debug)]
pub struct Answered {
    /// The facts; settle them with the reply's status.
    pub record: Box<Record>,
    /// What the client gets.
    pub reply: LocalReply,
}

// === impl LocalReply ===

impl LocalReply {
    /// `/v1/models` in the client's dialect.
    pub(crate) fn models<'a>(dialect: Dialect, models: impl IntoIterator<Item = &'a ModelEntry>) -> Self {
        let mut seen = HashSet::new();
        let models = models.into_iter().filter(|model| seen.insert(&model.id));
        Self::json(tollgate_llm::models_body(dialect, models.map(told)))
    }

    /// `/v1/models/{model}` in the client's dialect.
    pub(crate) fn model(dialect: Dialect, model: &ModelEntry) -> Self {
        Self::json(tollgate_llm::model_body(dialect, &told(model)))
    }

    fn json(body: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { status: StatusCode::OK, headers, body }
    }

    /// 200, and no body.
    pub(crate) const fn empty(headers: HeaderMap) -> Self {
        Self { status: StatusCode::OK, headers, body: Bytes::new() }
    }

    pub(crate) fn direct(response: &DirectResponse) -> Self {
        let mut headers = HeaderMap::new();
        response.headers.apply(&mut headers);
        Self { status: response.status, headers, body: response.body.clone() }
    }
}

fn told(model: &ModelEntry) -> tollgate_llm::Model<'_> {
    let ModelEntry { id, owned_by, created, .. } = model;
    tollgate_llm::Model { id: id.as_str(), owned_by, created: *created }
}

/// The error object of this gateway, which the SDKs of every dialect can read.
pub(crate) fn error_body(status: StatusCode, kind: &str, message: &str) -> Bytes {
    tollgate_llm::error_body(status, kind, message)
}
