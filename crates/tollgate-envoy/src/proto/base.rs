//! `envoy.config.core.v3`, as far as it is used.

use std::fmt;

use bytes::Bytes;
use prost::{Enumeration, Message};

/// Headers in their order.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderMap {
    /// One for each line.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<HeaderValue>,
}

/// One header. Not printed: it may be a credential.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct HeaderValue {
    /// Lower case.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value as text, which is used where `raw_value` is not.
    #[prost(string, tag = "2")]
    pub value: String,
    /// The value.
    #[prost(bytes = "bytes", tag = "3")]
    pub raw_value: Bytes,
}

/// Changes to headers: removals first.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderMutation {
    /// To set or to append.
    #[prost(message, repeated, tag = "1")]
    pub set_headers: Vec<HeaderValueOption>,
    /// Names to remove.
    #[prost(string, repeated, tag = "2")]
    pub remove_headers: Vec<String>,
}

/// A header to set or to append.
#[derive(Clone, PartialEq, Message)]
pub struct HeaderValueOption {
    /// Which.
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
    /// True to append; what the external processing filter goes by.
    #[prost(message, optional, tag = "2")]
    pub append: Option<BoolValue>,
    /// The same in the newer spelling.
    #[prost(enumeration = "AppendAction", tag = "3")]
    pub append_action: i32,
}

/// `google.protobuf.BoolValue`
#[derive(Clone, PartialEq, Message)]
pub struct BoolValue {
    /// The value.
    #[prost(bool, tag = "1")]
    pub value: bool,
}

/// What becomes of values that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
pub enum AppendAction {
    /// They stay
    Append = 0,
    /// They go
    Overwrite = 2,
}

// === impl HeaderValue ===

impl HeaderValue {
    /// The value, whichever way it was sent.
    pub fn bytes(&self) -> &[u8] {
        if self.raw_value.is_empty() { self.value.as_bytes() } else { &self.raw_value }
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderValue").field("key", &self.key).finish_non_exhaustive()
    }
}
