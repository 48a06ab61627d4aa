use http::HeaderName;
use tollgate_auth::Expression;

use super::{
    error::FormatError,
    operator::Operator,
    piece::{Field, Piece, pieces},
};

/// How a line looks: text or a JSON object with Envoy's command operators in it, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    shape: Shape,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text; the line feed at its end is not part of it
    Text(Vec<Piece>),
    /// The members of a JSON object, in their order. A value that is one operator alone keeps its type.
    Json(Vec<(Box<str>, Vec<Piece>)>),
}

// === impl Format ===

impl Format {
    /// Reads a text format. A line feed at its end is left out: every line gets one.
    ///
    /// # Errors
    /// [`FormatError`] that names the operator.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        Ok(Self { shape: Shape::Text(pieces(text)?) })
    }

    /// Reads a JSON format: names and the text formats of their values.
    ///
    /// # Errors
    /// [`FormatError::Member`] for the first value that is wrong.
    pub fn json<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, FormatError> {
        let member = |(key, text): (&str, &str)| match pieces(text) {
            Ok(pieces) => Ok((Box::from(key), pieces)),
            Err(error) => Err(FormatError::Member { key: key.to_owned(), error: Box::new(error) }),
        };
        let members: Result<_, _> = members.into_iter().map(member).collect();
        Ok(Self { shape: Shape::Json(members?) })
    }

    /// What lines are made of.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Operators that are known and always empty here, for a warning.
    pub fn empty_operators(&self) -> impl Iterator<Item = &'static str> {
        self.fields().filter_map(|field| match field.operator {
            Operator::Empty(name) => Some(name),
            _ => None,
        })
    }

    /// Headers whose values are never logged, which this format asks for, for a warning.
    pub fn hidden_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.fields().flat_map(|field| field.operator.headers()).flat_map(|headers| headers.hidden())
    }

    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.fields().filter_map(|field| match &field.operator {
            Operator::Cel(expression, _) => Some(&**expression),
            _ => None,
        })
    }

    pub(super) fn reply_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.fields()
            .filter_map(|field| match &field.operator {
                Operator::Response(headers) => Some(headers),
                _ => None,
            })
            .flat_map(|headers| headers.named())
    }

    fn fields(&self) -> impl Iterator<Item = &Field> {
        let (text, members) = match &self.shape {
            Shape::Text(pieces) => (pieces.as_slice(), [].as_slice()),
            Shape::Json(members) => ([].as_slice(), members.as_slice()),
        };
        text.iter().chain(members.iter().flat_map(|(_, pieces)| pieces)).filter_map(|piece| match piece {
            Piece::Field(field) => Some(field),
            Piece::Literal(_) => None,
        })
    }
}

impl Default for Format {
    /// Envoy Gateway's own JSON line.
    fn default() -> Self {
        let members = DEFAULT.iter().filter_map(|(key, text)| Some((Box::from(*key), pieces(text).ok()?)));
        Self { shape: Shape::Json(members.collect()) }
    }
}

/// Names and order as Envoy Gateway has them, so that what reads its log reads ours.
pub(super) const DEFAULT: [(&str, &str); 24] = [
    ("start_time", "%START_TIME%"),
    ("method", "%REQ(:METHOD)%"),
    ("x-envoy-origin-path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    ("x-envoy-upstream-service-time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("x-forwarded-for", "%REQ(X-FORWARDED-FOR)%"),
    ("user-agent", "%REQ(USER-AGENT)%"),
    ("x-request-id", "%REQ(X-REQUEST-ID)%"),
    (":authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("route_name", "%ROUTE_NAME%"),
];
