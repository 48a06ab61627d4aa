use std::time::{Duration, Instant};

use bytes::Bytes;
use tollgate_balance::{Lease, Outcome};
use tollgate_llm::{Fault, Output};
use tollgate_types::Usage;

use crate::{Failure, Now, Record, ReplyReader, attempt::tell_turn, stow::Stowed};

/// A reply on its way to the client. Dropped by the host it still has to be settled: see [`Exchange::settle`].
#[derive(Debug)]
pub struct Exchange {
    pub(crate) record: Box<Record>,
    /// The headers of its head, while a reply takes long.
    pub(crate) stowed: Option<Stowed>,
    pub(crate) reply: ReplyReader,
    /// Held to the end: a long stream takes a place as long as it lasts.
    pub(crate) lease: Lease,
}

// === impl Exchange ===

impl Exchange {
    pub(crate) fn new(record: Box<Record>, reply: ReplyReader, lease: Lease) -> Self {
        Self { record, stowed: None, reply, lease }
    }

    /// The facts up to here.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The tokens of the reply up to now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        match &self.reply {
            ReplyReader::Llm(reply) => reply.usage(),
            ReplyReader::Http => Usage::default(),
        }
    }

    /// The model that the provider says it serves, as far as it has said so.
    #[must_use]
    pub fn model_served(&self) -> Option<&str> {
        match &self.reply {
            ReplyReader::Llm(reply) => reply.model(),
            ReplyReader::Http => None,
        }
    }

    /// Says that the first piece of the reply's body was there at this moment. Later calls change nothing.
    pub fn first_byte(&mut self, at: Instant) {
        self.record.first_byte.get_or_insert(at);
    }

    /// Takes one chunk of the backend's body, appends what the client gets.
    ///
    /// # Errors
    /// [`Fault`] where the rest cannot be used; then [`Exchange::break_off`].
    pub fn push(&mut self, chunk: Bytes, out: &mut Output) -> Result<(), Fault> {
        let before = out.0.len();
        let result = self.reply.push(chunk, out);
        self.capture_from(out, before);
        result
    }

    /// Reads what the client got of a connection that is a tunnel now.
    pub fn see(&mut self, piece: &[u8]) {
        if let ReplyReader::Llm(reply) = &mut self.reply {
            reply.see(piece);
        }
    }

    /// The backend's body has ended: appends the rest.
    ///
    /// # Errors
    /// [`Fault`] where it ended too early; then [`Exchange::break_off`].
    pub fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        let before = out.0.len();
        let result = self.reply.finish(out);
        self.capture_from(out, before);
        result
    }

    /// Counts bytes that were handed to the client's connection.
    pub fn sent(&mut self, bytes: usize) {
        self.record.bytes_out += bytes as u64;
    }

    /// The deadline passed after the first byte went out: as [`Exchange::break_off`], but no fault of the backend's.
    pub fn expire(&mut self, limit: Duration, out: &mut Output) -> bool {
        self.tell(&format!("upstream request timeout: no complete reply within {limit:?}"), out)
    }

    /// The reply broke after its first byte went out: appends the error event of the client's dialect, if there
    /// is one. Returns false where the client can only be told by breaking its connection.
    pub fn break_off(&mut self, failure: &Failure, out: &mut Output, now: Now) -> bool {
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.failure = Some(failure.clone());
            tell_turn(&attempt.backend, self.lease.report(Outcome::LocalFailure, now.unix_ms), failure);
            if let Some(health) = self.record.live.health_of(&attempt.backend) {
                tell_turn(&attempt.backend, health.failed(now.unix_ms), failure);
            }
        }
        self.tell(&format!("the upstream broke off: {failure}"), out)
    }

    fn tell(&mut self, message: &str, out: &mut Output) -> bool {
        let before = out.0.len();
        if let ReplyReader::Llm(reply) = &mut self.reply {
            reply.break_off(message, out);
        }
        self.capture_from(out, before);
        out.0.len() > before
    }
}
