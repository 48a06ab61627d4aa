//! Replies that are one document and nothing else: embeddings, counts, rankings.

use http::{HeaderMap, StatusCode};
use tollgate_types::Usage;

use super::{
    event::ProviderError,
    pair::{complete, raw_error},
    reader::Reader,
};
use crate::{Counts, Fault, Tally};

/// What a document said of itself.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) usage: Usage,
    /// The model that the provider named.
    pub(crate) model: Option<String>,
}

/// Rewrites one kind of document.
pub(crate) trait Rewrite: Send + std::fmt::Debug {
    /// The headers of the reply, before its body.
    fn head(&mut self, _headers: &HeaderMap) {}
    /// A whole success body, appended in the client's dialect.
    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Told, Fault>;
    /// A whole error body of the provider; `None` where it has not the provider's shape.
    fn read_error(&self, body: &[u8]) -> Option<ProviderError>;
    /// The whole body of an error in the client's dialect.
    fn write_error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>);
}

/// Reads such a reply.
#[derive(Debug)]
pub(crate) struct Once {
    rewrite: Box<dyn Rewrite>,
    told: Told,
}

// === impl Once ===

impl Once {
    pub(crate) fn new(rewrite: Box<dyn Rewrite>) -> Self {
        Self { rewrite, told: Told::default() }
    }
}

impl Reader for Once {
    fn head(&mut self, headers: &HeaderMap) {
        self.rewrite.head(headers);
    }

    fn whole(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.told = self.rewrite.whole(body, out)?;
        Ok(())
    }

    fn event(&mut self, _name: Option<&str>, _data: &[u8], _out: &mut Vec<u8>) -> Result<(), Fault> {
        Err(Fault::Malformed("a stream where one document was asked for".to_owned()))
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> Result<(), Fault> {
        Err(Fault::Truncated)
    }

    fn error(&mut self, status: StatusCode, headers: &HeaderMap, body: &[u8], out: &mut Vec<u8>) {
        let mut error = self.rewrite.read_error(body).unwrap_or_else(|| raw_error(status, body));
        complete(&mut error, headers);
        self.rewrite.write_error(status, &error, out);
    }

    fn break_off(&mut self, _message: &str, _out: &mut Vec<u8>) {}

    fn usage(&self) -> Usage {
        self.told.usage
    }

    fn tally(&self) -> Tally {
        Tally { pieces: 0, counts: Counts::Final }
    }

    fn model(&self) -> Option<&str> {
        self.told.model.as_deref()
    }
}
