//! `envoy.service.ext_proc.v3`, as far as a stand-in needs it: field numbers are those of the published API.

use std::collections::HashMap;

use bytes::Bytes;
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(oneof = "Said", tags = "2, 3, 4, 5, 6, 7")]
    pub(super) said: Option<Said>,
    /// In the first message only.
    #[prost(message, optional, tag = "11")]
    pub(super) modes: Option<Modes>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Said {
    #[prost(message, tag = "2")]
    RequestHeaders(Headers),
    #[prost(message, tag = "3")]
    ResponseHeaders(Headers),
    #[prost(message, tag = "4")]
    RequestBody(Body),
    #[prost(message, tag = "5")]
    ResponseBody(Body),
    #[prost(message, tag = "6")]
    RequestTrailers(Nothing),
    #[prost(message, tag = "7")]
    ResponseTrailers(Nothing),
}

/// `ProtocolConfiguration`
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Modes {
    #[prost(int32, tag = "1")]
    pub(super) request: i32,
    #[prost(int32, tag = "2")]
    pub(super) response: i32,
}

/// `HttpHeaders`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Headers {
    #[prost(message, optional, tag = "1")]
    pub(super) all: Option<HeaderMap>,
    #[prost(bool, tag = "3")]
    pub(super) end: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HeaderMap {
    #[prost(message, repeated, tag = "1")]
    pub(super) headers: Vec<Header>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Body {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) bytes: Bytes,
    #[prost(bool, tag = "2")]
    pub(super) end: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Nothing {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(oneof = "Answer", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub(super) answer: Option<Answer>,
    #[prost(message, optional, tag = "8")]
    pub(super) metadata: Option<Struct>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Answer {
    #[prost(message, tag = "1")]
    RequestHeaders(Changed),
    #[prost(message, tag = "2")]
    ResponseHeaders(Changed),
    #[prost(message, tag = "3")]
    RequestBody(Changed),
    #[prost(message, tag = "4")]
    ResponseBody(Changed),
    #[prost(message, tag = "5")]
    RequestTrailers(Nothing),
    #[prost(message, tag = "6")]
    ResponseTrailers(Nothing),
    #[prost(message, tag = "7")]
    Immediate(Immediate),
}

/// `HeadersResponse` and `BodyResponse`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Changed {
    #[prost(message, optional, tag = "1")]
    pub(super) common: Option<Common>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Common {
    #[prost(message, optional, tag = "2")]
    pub(super) headers: Option<HeaderMutation>,
    #[prost(message, optional, tag = "3")]
    pub(super) body: Option<BodyMutation>,
    #[prost(bool, tag = "5")]
    pub(super) clear_route_cache: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HeaderMutation {
    #[prost(message, repeated, tag = "1")]
    pub(super) set: Vec<SetHeader>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SetHeader {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<Header>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Header {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) value: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct BodyMutation {
    #[prost(message, optional, tag = "3")]
    pub(super) streamed: Option<Body>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Immediate {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<Status>,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) body: Bytes,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Struct {
    #[prost(map = "string, message", tag = "1")]
    pub(super) fields: HashMap<String, Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(oneof = "Kind", tags = "3, 5")]
    pub(super) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Kind {
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(message, tag = "5")]
    Struct(Struct),
}
