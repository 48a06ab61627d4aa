use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use tollgate_auth::Unsigned;
use tollgate_balance::{Lease, Outcome, Retrying};
use tollgate_llm::{Fault, Head, Output, Reply};
use tollgate_snapshot::Backend;

use self::sign::Asked;
use crate::{AttemptRecord, LocalReply, Now, Plan, Ports, Refusal};

mod again;
mod answer;
mod chosen;
mod compose;
mod pick;
mod sign;

pub use self::chosen::Chosen;
pub(crate) use self::{answer::tell_turn, compose::plain};

/// One request to one backend, ready to send, with the reader of its reply.
#[derive(Debug)]
pub struct Attempt {
    /// Who is asked.
    pub backend: Arc<Backend>,
    /// What to send.
    pub outgoing: Outgoing,
    /// How long to wait for what.
    pub patience: Patience,
    /// Reads the reply.
    pub reply: ReplyReader,
    /// Set by the host where a part of the client's body is gone, so that it cannot be sent again.
    pub spent: bool,
    choice: usize,
    lease: Lease,
    random: u64,
}

/// Another attempt may be made.
#[derive(Debug)]
pub struct Again {
    /// Not before this time has passed.
    pub pause: Duration,
    /// To be held until that attempt has been answered: retries under way are counted.
    pub retrying: Option<Retrying>,
}

/// What to send. The host adds `content-length` and, where `host` is `None`, the endpoint's own name.
#[derive(Debug)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The `host` header, or `None` for the name of the endpoint that is asked.
    pub host: Option<HeaderValue>,
    /// Every other header.
    pub headers: HeaderMap,
    /// The body.
    pub body: AttemptBody,
    /// The protocol to upgrade to, on plain routes.
    pub upgrade: Option<HeaderValue>,
}

/// Where the body of an attempt comes from.
#[derive(Debug)]
pub enum AttemptBody {
    /// Here it is.
    Bytes(Bytes),
    /// The client's own, streamed.
    Client,
    /// These pieces, then what the host has not yet read of the client's own.
    Form(Vec<Bytes>),
}

/// How long to wait. `None` is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the head of the reply, from the start of the attempt.
    pub head: Option<Duration>,
    /// Between two pieces of a streamed reply, the first included.
    pub idle: Option<Duration>,
}

/// How the reply is read.
#[derive(Debug)]
pub enum ReplyReader {
    /// By the provider's dialect.
    Llm(Box<Reply>),
    /// Not at all: passed through.
    Http,
}

/// What to do with an answer.
#[derive(Debug)]
pub enum Verdict {
    /// Pass it on.
    Accept(Head),
    /// Drop it; the client gets this in its place: [`Plan::replace`].
    Replace(Box<LocalReply>),
    /// Drop it and make the next attempt.
    Again(Again),
}

// === impl Plan ===

impl Plan {
    /// Picks a backend and makes the request for it. Has to be followed by [`Plan::answered`] or [`Plan::failed`].
    ///
    /// # Errors
    /// [`Refusal`] where nobody can be asked, or where this backend cannot be asked this.
    pub fn next_attempt(&mut self, ports: &impl Ports, now: Now, random: u64) -> Result<Attempt, Refusal> {
        let rule = Arc::clone(&self.rule);
        if rule.traffic.admission.is_some() && self.record.attempts.is_empty() {
            let admission = self.record.live.admission(&rule);
            if admission.is_some_and(|admission| admission.rejects(now.unix_ms, random)) {
                return Err(Refusal::Shed);
            }
        }
        let (position, choice, backend, lease) = loop {
            let position = self.pick(now.unix_ms, random).ok_or_else(|| self.nobody())?;
            let choice = rule.choices().get(position).ok_or(Refusal::NoEndpoints)?;
            let backend = choice.backend.clone().map_err(Refusal::Broken)?;
            if let Some(token) = self.lacks(&backend, ports, now) {
                let refusal = Refusal::Unsigned(Unsigned::NotFetched(token.clone()));
                self.leave(position, refusal, now)?;
                continue;
            }
            match self.lease(&backend, now, random) {
                Ok(lease) if self.hold_quota(position, choice, ports, now)? => {
                    break (position, choice, backend, lease);
                }
                Ok(_) => {}
                Err(unpicked) => self.pass_over(position, unpicked, now)?,
            }
        };
        let (mut outgoing, reply) = self.compose(choice, &backend, now)?;
        if let Some(credential) = &backend.credential {
            let asked = Asked { credential, backend: &backend, position: lease.position };
            self.sign(asked, &mut outgoing, (ports, now))?;
        }
        // What a translator leaves for the credential to complete is complete without one.
        if matches!(reply, ReplyReader::Llm(_)) && !outgoing.path.starts_with('/') {
            outgoing.path.insert(0, '/');
        }
        self.asked[position] = self.asked[position].saturating_add(1);
        if let Some(health) = self.record.live.health_of(&backend) {
            health.asked(now.unix_ms);
        }
        self.record.attempts.push(AttemptRecord::new(Arc::clone(&backend), now.instant));
        self.tried.push((backend.index, lease.position));
        let per_try = rule.traffic.retry.as_ref().and_then(|retry| retry.per_try);
        let idle = rule.timeouts.stream_idle.or(self.record.client.timeouts.stream_idle());
        let patience = Patience { head: per_try.or(rule.timeouts.attempt), idle };
        Ok(Attempt { backend, outgoing, patience, reply, spent: false, choice: position, lease, random })
    }
}

// === impl Attempt ===

impl Attempt {
    /// Where the endpoint stands in [`Upstream::addresses`](tollgate_snapshot::Upstream::addresses).
    #[must_use]
    pub const fn endpoint(&self) -> usize {
        self.lease.position
    }

    /// No usable reply came: counted against the endpoint.
    pub fn broken(&self, why: &dyn fmt::Display, now: Now) {
        tell_turn(&self.backend, self.lease.report(Outcome::LocalFailure, now.unix_ms), why);
    }
}

// === impl ReplyReader ===

impl ReplyReader {
    /// Takes one chunk of the backend's body, appends what the client gets.
    ///
    /// # Errors
    /// [`Fault`] where the reply cannot be used.
    pub fn push(&mut self, chunk: Bytes, out: &mut Output) -> Result<(), Fault> {
        match self {
            Self::Llm(reply) => reply.push(chunk, out),
            Self::Http => {
                out.0.push(chunk);
                Ok(())
            }
        }
    }

    /// The backend's body has ended.
    ///
    /// # Errors
    /// [`Fault`] where it ended too early.
    pub fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        match self {
            Self::Llm(reply) => reply.finish(out),
            Self::Http => Ok(()),
        }
    }
}

// === impl AttemptRecord ===

impl AttemptRecord {
    pub(crate) const fn new(backend: Arc<Backend>, began: Instant) -> Self {
        Self { backend, address: None, path: None, began, ended: None, status: None, failure: None }
    }

    /// From its start to the head of its reply, or to its failure.
    #[must_use]
    pub fn duration(&self, until: Instant) -> Duration {
        self.ended.unwrap_or(until).saturating_duration_since(self.began)
    }
}
