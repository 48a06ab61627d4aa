use bytes::Bytes;
use http::StatusCode;
use tollgate_types::Dialect;

/// One model of a list that the gateway answers by itself.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// The name that clients send.
    pub id: &'a str,
    /// Who owns it (OpenAI form only).
    pub owned_by: &'a str,
    /// Unix seconds.
    pub created: i64,
}

/// An error that the gateway makes itself, in a form that the SDKs of every dialect can read.
#[must_use]
pub fn error_body(status: StatusCode, kind: &str, message: &str) -> Bytes {
    let _ = (status, kind, message);
    Bytes::new()
}

/// `/v1/models` in the client's dialect.
#[must_use]
pub fn models_body<'a>(dialect: Dialect, models: impl Iterator<Item = Model<'a>>) -> Bytes {
    let _ = (dialect, models);
    Bytes::new()
}
