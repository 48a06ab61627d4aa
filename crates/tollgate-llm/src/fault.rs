use tollgate_types::{ApiSchema, Endpoint};

/// The client's request cannot be read: answered with 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// There is no body, or it has no bytes.
    #[error("malformed request: the body is empty; {0} takes a JSON object")]
    Empty(Endpoint),
    /// Not JSON; the offset is in bytes.
    #[error("malformed request: failed to parse JSON for {endpoint}: {reason} at byte {offset}")]
    NotJson {
        /// What was called.
        endpoint: Endpoint,
        /// What was expected there.
        reason: &'static str,
        /// Where, in bytes from the start.
        offset: usize,
    },
    /// JSON, but an array, a string, a number …
    #[error("malformed request: {0} takes a JSON object")]
    NotAnObject(Endpoint),
    /// A form where JSON is taken.
    #[error("malformed request: multipart body not supported for this endpoint")]
    NoForm,
    /// Something else where a form is taken.
    #[error("malformed request: expected multipart/form-data content type for {0}")]
    NotAForm(Endpoint),
    /// A form that cannot be read, or that others may read in another way.
    #[error("malformed request: failed to parse the multipart body: {0}")]
    BadForm(&'static str),
    /// A plain request where a connection is to be upgraded.
    #[error("malformed request: {0} takes a WebSocket handshake")]
    NoHandshake(Endpoint),
    /// No `model` in the query.
    #[error("invalid request: the query parameter model is required")]
    NoModelInQuery,
    /// No `model` field.
    #[error("invalid request body: model field is required")]
    NoModel,
    /// `model` is there, but is no string or is empty.
    #[error("invalid request body: model must be a non-empty string")]
    ModelNotAString,
    /// A field that decides where the request goes occurs twice: parsers differ in which one they believe.
    #[error("invalid request body: {0} must not occur twice")]
    Twice(&'static str),
    /// A field has the wrong type.
    #[error("invalid request body: {field} must be {expected}")]
    WrongType {
        /// The field's name.
        field: &'static str,
        /// What it has to be, for example `a boolean`.
        expected: &'static str,
    },
}

/// A request that was read but that this backend cannot be asked: answered with 422, or 400 for a bad pair.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untranslatable {
    /// No sense can be made of this endpoint with this schema.
    #[error("{endpoint} is not supported by backends of schema {schema}")]
    UnsupportedPair {
        /// What was called.
        endpoint: Endpoint,
        /// What the backend speaks.
        schema: ApiSchema,
    },
    /// A field has a value that the provider cannot take and that must not be dropped silently.
    #[error("invalid request body: {field}: {reason}")]
    Field {
        /// Path of the field in the client's request, for example `messages[2].content[0]`.
        field: String,
        /// What is wrong with it, in the client's terms.
        reason: String,
    },
    /// The body does not have the shape of the client's own API.
    #[error("invalid request body: {0}")]
    Shape(String),
}

/// A reply that cannot be passed on as a success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A success status whose body, or whose first event, is an error. Carries the provider's words.
    #[error("the provider answered with an error inside a success: {0}")]
    ErrorInReply(String),
    /// The bytes are not what the schema promises (HTML, broken JSON, a broken frame).
    #[error("the provider's reply is malformed: {0}")]
    Malformed(String),
    /// The stream ended without its end mark.
    #[error("the provider's reply ended early")]
    Truncated,
    /// A whole reply that has to be translated is larger than we hold; the limit is in bytes.
    #[error("the provider's reply is larger than {0} bytes")]
    TooLarge(usize),
}
