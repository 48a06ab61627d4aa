//! Counts of a prompt's tokens between the dialects.

use http::StatusCode;
use tollgate_types::{Tokens, Usage};

use super::{
    event::ProviderError,
    once::{Rewrite, Told},
};
use crate::Fault;

/// Reads one provider's count and writes one client's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    /// The number in a whole success body.
    pub(crate) read: fn(&[u8]) -> Result<u64, Fault>,
    /// A whole error body of the provider; `None` where it has not the provider's shape.
    pub(crate) read_error: fn(&[u8]) -> Option<ProviderError>,
    /// The client's whole body.
    pub(crate) write: fn(u64, &mut Vec<u8>),
    /// The client's whole error body.
    pub(crate) write_error: fn(StatusCode, &ProviderError, &mut Vec<u8>),
}

impl Rewrite for Counter {
    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Told, Fault> {
        let count = (self.read)(body)?;
        (self.write)(count, out);
        Ok(Told { usage: Usage { input: Some(Tokens(count)), ..Usage::default() }, model: None })
    }

    fn read_error(&self, body: &[u8]) -> Option<ProviderError> {
        (self.read_error)(body)
    }

    fn write_error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
        (self.write_error)(status, error, out);
    }
}
