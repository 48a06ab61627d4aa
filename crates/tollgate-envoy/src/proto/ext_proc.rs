//! `envoy.service.ext_proc.v3`, as far as it is used: field numbers are those of the published API.

use std::collections::HashMap;

use bytes::Bytes;
use prost::{Enumeration, Message, Oneof};

use super::{
    base::{HeaderMap, HeaderMutation},
    value::Struct,
};

/// What Envoy says.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingRequest {
    /// Dynamic metadata that the filter forwards, with every message.
    #[prost(message, optional, tag = "8")]
    pub metadata_context: Option<Metadata>,
    /// By name of the filter: always `envoy.filters.http.ext_proc`. With the first message of each phase only.
    #[prost(map = "string, message", tag = "9")]
    pub attributes: HashMap<String, Struct>,
    /// What of the request or reply is there.
    #[prost(oneof = "Said", tags = "2, 3, 4, 5, 6, 7")]
    pub said: Option<Said>,
}

/// `envoy.config.core.v3.Metadata`
#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    /// By namespace.
    #[prost(map = "string, message", tag = "1")]
    pub filter_metadata: HashMap<String, Struct>,
}

/// What of a request or reply has come.
#[derive(Clone, PartialEq, Oneof)]
pub enum Said {
    /// The head of the request
    #[prost(message, tag = "2")]
    RequestHeaders(HttpHeaders),
    /// The head of the reply
    #[prost(message, tag = "3")]
    ResponseHeaders(HttpHeaders),
    /// A piece of the request's body
    #[prost(message, tag = "4")]
    RequestBody(HttpBody),
    /// A piece of the reply's body
    #[prost(message, tag = "5")]
    ResponseBody(HttpBody),
    /// The trailers of the request
    #[prost(message, tag = "6")]
    RequestTrailers(HttpTrailers),
    /// The trailers of the reply
    #[prost(message, tag = "7")]
    ResponseTrailers(HttpTrailers),
}

/// A head.
#[derive(Clone, PartialEq, Message)]
pub struct HttpHeaders {
    /// Headers with the pseudo headers of HTTP/2, in lower case.
    #[prost(message, optional, tag = "1")]
    pub headers: Option<HeaderMap>,
    /// True where nothing follows.
    #[prost(bool, tag = "3")]
    pub end_of_stream: bool,
}

/// A piece of a body.
#[derive(Clone, PartialEq, Message)]
pub struct HttpBody {
    /// The bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub body: Bytes,
    /// True where nothing follows.
    #[prost(bool, tag = "2")]
    pub end_of_stream: bool,
}

/// Trailers.
#[derive(Clone, PartialEq, Message)]
pub struct HttpTrailers {
    /// As headers.
    #[prost(message, optional, tag = "1")]
    pub trailers: Option<HeaderMap>,
}

/// What we answer.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingResponse {
    /// What becomes of what Envoy said.
    #[prost(oneof = "Answer", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub answer: Option<Answer>,
    /// Merged into the request's dynamic metadata: structures by namespace.
    #[prost(message, optional, tag = "8")]
    pub dynamic_metadata: Option<Struct>,
    /// What Envoy is to send of the rest, where its filter allows that.
    #[prost(message, optional, tag = "9")]
    pub mode_override: Option<ProcessingMode>,
}

/// What Envoy sends of requests and replies.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessingMode {
    /// The head of the reply: 2 is not at all.
    #[prost(int32, tag = "2")]
    pub response_header_mode: i32,
    /// The request's body: 0 is not at all.
    #[prost(int32, tag = "3")]
    pub request_body_mode: i32,
    /// The trailers of the request: 2 is not at all.
    #[prost(int32, tag = "5")]
    pub request_trailer_mode: i32,
    /// The trailers of the reply: 2 is not at all.
    #[prost(int32, tag = "6")]
    pub response_trailer_mode: i32,
}

impl ProcessingMode {
    /// Nothing more.
    pub const NOTHING: Self = Self {
        response_header_mode: 2,
        request_body_mode: 0,
        request_trailer_mode: 2,
        response_trailer_mode: 2,
    };
}

/// What becomes of what Envoy said, one case for each of [`Said`].
#[derive(Clone, PartialEq, Oneof)]
pub enum Answer {
    /// To the head of the request
    #[prost(message, tag = "1")]
    RequestHeaders(Changed),
    /// To the head of the reply
    #[prost(message, tag = "2")]
    ResponseHeaders(Changed),
    /// To the request's body
    #[prost(message, tag = "3")]
    RequestBody(Changed),
    /// To the reply's body
    #[prost(message, tag = "4")]
    ResponseBody(Changed),
    /// To the trailers of the request
    #[prost(message, tag = "5")]
    RequestTrailers(TrailersChanged),
    /// To the trailers of the reply
    #[prost(message, tag = "6")]
    ResponseTrailers(TrailersChanged),
    /// A reply of our own
    #[prost(message, tag = "7")]
    Immediate(ImmediateResponse),
}

/// `HeadersResponse` and `BodyResponse`, which have the same shape.
#[derive(Clone, PartialEq, Message)]
pub struct Changed {
    /// What changes; nothing passes things on as they are.
    #[prost(message, optional, tag = "1")]
    pub response: Option<CommonResponse>,
}

/// `TrailersResponse`
#[derive(Clone, PartialEq, Message)]
pub struct TrailersChanged {
    /// What changes.
    #[prost(message, optional, tag = "1")]
    pub header_mutation: Option<HeaderMutation>,
}

/// Changes to a head or to a piece of a body.
#[derive(Clone, PartialEq, Message)]
pub struct CommonResponse {
    /// What comes next.
    #[prost(enumeration = "ResponseStatus", tag = "1")]
    pub status: i32,
    /// Changes to headers.
    #[prost(message, optional, tag = "2")]
    pub header_mutation: Option<HeaderMutation>,
    /// Changes to the body.
    #[prost(message, optional, tag = "3")]
    pub body_mutation: Option<BodyMutation>,
    /// True to have the route chosen anew.
    #[prost(bool, tag = "5")]
    pub clear_route_cache: bool,
}

/// What comes after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
pub enum ResponseStatus {
    /// The rest of the request or reply
    Continue = 0,
    /// Nothing: the body is the one of this answer
    ContinueAndReplace = 1,
}

/// A change to a body.
#[derive(Clone, PartialEq, Message)]
pub struct BodyMutation {
    /// How.
    #[prost(oneof = "Mutation", tags = "1, 2, 3")]
    pub mutation: Option<Mutation>,
}

/// How a body changes.
#[derive(Clone, PartialEq, Oneof)]
pub enum Mutation {
    /// It is these bytes
    #[prost(bytes = "bytes", tag = "1")]
    Body(Bytes),
    /// It is empty
    #[prost(bool, tag = "2")]
    Clear(bool),
    /// The next piece, where bodies are streamed both ways
    #[prost(message, tag = "3")]
    Streamed(StreamedBodyResponse),
}

/// A piece of a body that we send; how pieces are cut need not be how they came.
#[derive(Clone, PartialEq, Message)]
pub struct StreamedBodyResponse {
    /// The bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub body: Bytes,
    /// True where nothing follows.
    #[prost(bool, tag = "2")]
    pub end_of_stream: bool,
}

/// A reply of our own.
#[derive(Clone, PartialEq, Message)]
pub struct ImmediateResponse {
    /// Its status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// Its headers.
    #[prost(message, optional, tag = "2")]
    pub headers: Option<HeaderMutation>,
    /// Its body.
    #[prost(bytes = "bytes", tag = "3")]
    pub body: Bytes,
    /// What Envoy logs as the reason.
    #[prost(string, tag = "5")]
    pub details: String,
}

/// `envoy.type.v3.HttpStatus`
#[derive(Clone, PartialEq, Message)]
pub struct HttpStatus {
    /// The number.
    #[prost(int32, tag = "1")]
    pub code: i32,
}
