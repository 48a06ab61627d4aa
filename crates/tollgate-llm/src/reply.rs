use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tollgate_types::Usage;

use crate::Fault;

/// Bytes for the client, in order. Pass-through hands on the buffers it was given; translation appends.
#[derive(Debug, Default)]
pub struct Output(pub Vec<Bytes>);

/// The head of the reply as the client gets it.
#[derive(Debug)]
pub struct Head {
    /// The status; never changed for an error the provider reported itself.
    pub status: StatusCode,
    /// Provider headers, edited: framing headers dropped where the body's length changes, `content-type` fitting.
    pub headers: HeaderMap,
}

/// Reads one provider reply: passes or translates its bytes, and counts its tokens. Chunks may split anywhere.
///
/// Life: [`head`](Self::head) once, [`push`](Self::push) per chunk, then [`finish`](Self::finish) at the end of
/// the body, or [`break_off`](Self::break_off) where it broke. [`usage`](Self::usage) holds at any moment, so a
/// client that left is charged for what it got.
#[derive(Debug)]
pub struct Reply {
    usage: Usage,
}

// === impl Reply ===

impl Reply {
    /// Takes the provider's status and headers; gives the client's.
    pub fn head(&mut self, status: StatusCode, headers: HeaderMap) -> Head {
        Head { status, headers }
    }

    /// Takes one chunk of the provider's body, appends what the client gets.
    ///
    /// # Errors
    /// [`Fault`]. As long as nothing was appended to any `out`, the caller may still try another backend.
    pub fn push(&mut self, chunk: Bytes, out: &mut Output) -> Result<(), Fault> {
        out.0.push(chunk);
        Ok(())
    }

    /// The provider's body ended: appends the rest.
    ///
    /// # Errors
    /// [`Fault::Truncated`] where the end mark is missing, and the others as in [`push`](Self::push).
    pub fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        let _ = out;
        Ok(())
    }

    /// The body broke after the first byte went out: appends the error event of the client's dialect.
    /// Appends nothing where the reply was not a stream; the caller then has to break the connection.
    pub fn break_off(&mut self, message: &str, out: &mut Output) {
        let _ = (message, out);
    }

    /// Tokens counted up to now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// The model the provider says it served.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        None
    }

    /// True where the reply to the client is a stream of events.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        false
    }
}
