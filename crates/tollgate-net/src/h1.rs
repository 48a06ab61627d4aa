//! HTTP/1.1 towards upstreams, as bytes: what goes out, and what comes back. No socket waits in here but in
//! [`Wire::poll`]; framing is that of RFC 9112.

mod body;
mod head;
mod read;
mod wire;

pub use self::read::{ReadReply, read_reply};
pub(crate) use self::{
    body::{Decoder, Framing},
    head::{Names, parse},
    wire::{Fault, Wire},
};

/// Why bytes of an upstream are no HTTP/1 response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);
