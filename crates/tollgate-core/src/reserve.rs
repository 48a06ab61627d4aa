use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use smallvec::SmallVec;
use tollgate_snapshot::{Action, Rule};

use crate::{Failure, LocalReply, Now, Record, Refusal, Refused, Routed, redirect, route::Payload};

/// A routed request, paid for in advance where something has to be paid.
#[derive(Debug)]
pub enum Reserved {
    /// Ask a backend.
    Forward(Plan),
    /// The rule answers by itself: a redirect or a fixed reply.
    Answered(Answered),
}

/// A request with the reply that the gateway made for it.
#[derive(Debug)]
pub struct Answered {
    /// The facts; settle them with the reply's status.
    pub record: Box<Record>,
    /// What the client gets.
    pub reply: LocalReply,
}

/// Everything that attempts are made from. Each attempt starts again from the client's own request.
#[derive(Debug)]
pub struct Plan {
    pub(crate) record: Box<Record>,
    pub(crate) rule: Arc<Rule>,
    pub(crate) payload: Payload,
    /// How often each choice was asked.
    pub(crate) asked: SmallVec<[u8; 8]>,
    /// Endpoints that were tried: index of the backend, position of the address.
    pub(crate) tried: SmallVec<[(u32, usize); 4]>,
}

// === impl Routed ===

impl Routed {
    /// Takes from the caller's budgets what the request may cost. Without limits there is nothing to take.
    ///
    /// # Errors
    /// [`Refused`] with a 500 that names what is broken in the rule's configuration.
    pub fn reserve(self) -> Result<Reserved, Refused> {
        let Self { record, rule, payload } = self;
        let reply = match &rule.action {
            Action::Llm(action) => return Ok(Plan::forward(record, &rule, payload, action.choices.len())),
            Action::Http(choices) => return Ok(Plan::forward(record, &rule, payload, choices.len())),
            Action::Invalid(problem) => {
                let refusal = Refusal::Broken(Arc::clone(problem));
                return Err(Refused { record, refusal });
            }
            Action::Redirect(to) => redirect::reply(to, &record),
            Action::Direct(response) => LocalReply::direct(response),
        };
        Ok(Reserved::Answered(Answered { record, reply }))
    }
}

// === impl Plan ===

impl Plan {
    fn forward(record: Box<Record>, rule: &Arc<Rule>, payload: Payload, choices: usize) -> Reserved {
        let asked = SmallVec::from_elem(0, choices);
        Reserved::Forward(Self { record, rule: Arc::clone(rule), payload, asked, tried: SmallVec::new() })
    }

    /// The facts up to here.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The rule that is followed.
    #[must_use]
    pub fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// When the whole request has to be done, where its rule says so.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.record.began.instant.checked_add(self.rule.timeouts.request?)
    }

    /// True where the client's body was read before routing, and is not to be streamed.
    #[must_use]
    pub fn holds_body(&self) -> bool {
        matches!(self.payload, Payload::Llm { .. })
    }

    /// Gives up without a reply: the client went away.
    #[must_use]
    pub fn into_record(self) -> Box<Record> {
        self.record
    }

    /// Gives up.
    #[must_use]
    pub fn refuse(self, refusal: Refusal) -> Refused {
        Refused { record: self.record, refusal }
    }

    /// Gives up because `timeouts.request` has passed; a backend that was silent until then has failed.
    #[must_use]
    pub fn expire(mut self, now: Now) -> Refused {
        let limit = self.rule.timeouts.request.unwrap_or(Duration::ZERO);
        if let Some(attempt) = self.record.attempts.last_mut()
            && attempt.ended.is_none()
        {
            attempt.ended = Some(now.instant);
            attempt.failure = Some(Failure::Silent(limit));
            if let Some(health) = self.record.live.health.get(attempt.backend.index as usize) {
                health.failed(now.unix_ms);
            }
        }
        self.refuse(Refusal::Deadline(limit))
    }
}
