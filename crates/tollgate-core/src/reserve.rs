use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use smallvec::SmallVec;
use tollgate_snapshot::{Action, Guard, RetryScope, Rule};

use crate::{
    Answer, Answered, Asking, Failure, LocalReply, Now, Paces, Ports, Record, Refusal, Refused, Routed,
    headers, ports::Check, redirect, routed::Payload,
};

/// A routed request, paid for in advance where something has to be paid.
#[derive(Debug)]
pub enum Reserved {
    /// Ask a backend.
    Forward(Plan),
    /// The rule answers by itself: a redirect or a fixed reply.
    Answered(Answered),
    /// It cannot be said yet.
    Ask(Asking<Routed>),
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
    /// Choices that are not asked, since their quotas are spent, and what says so.
    pub(crate) spent: Vec<(usize, tollgate_limit::Refused)>,
}

// === impl Routed ===

impl Routed {
    /// Checks what the rule's own policy says of the caller, and takes from the caller's budgets what the request may
    /// cost. Without limits there is nothing to take.
    ///
    /// # Errors
    /// [`Refused`] with 401, 403 or 429, or with a 500 that names what is broken in the rule's configuration.
    pub fn reserve(mut self, ports: &impl Ports, now: Now) -> Result<Reserved, Refused> {
        // Whoever was asked about quotas was let in before.
        let check = if self.record.gate.looked { Check::Passed } else { self.clear(ports, now) };
        match check {
            Check::Passed => {}
            Check::Denied(refusal) => return Err(Refused { record: self.record, refusal }),
            Check::Ask(question) => return Ok(Reserved::Ask(Asking { stage: self, question })),
        }
        if let Some(question) = self.asks_for_quotas(ports, now) {
            return Ok(Reserved::Ask(Asking { stage: self, question }));
        }
        let Self { record, rule, payload } = self;
        if let Some(refusal) = refused_upgrade(&record, &rule) {
            return Err(Refused { record, refusal });
        }
        let reply = match &rule.action {
            Action::Llm(action) => {
                let plan = Plan::new(record, &rule, payload, action.choices.len());
                return plan.leave_spent_quotas(ports, now).map(Reserved::Forward);
            }
            Action::Http(choices) => {
                return Ok(Reserved::Forward(Plan::new(record, &rule, payload, choices.len())));
            }
            Action::Invalid(problem) => {
                let refusal = Refusal::Broken(Arc::clone(problem));
                return Err(Refused { record, refusal });
            }
            Action::Redirect(to) => redirect::reply(to, &record),
            Action::Direct(response) => LocalReply::direct(response),
        };
        Ok(Reserved::Answered(Answered { record, reply }))
    }

    /// Whether the rule's own policies let the caller do this. Where several policies might have held, it is known
    /// only now which one does, and what the others put into the request is taken back.
    fn clear(&mut self, ports: &impl Ports, now: Now) -> Check {
        let Self { record, rule, payload } = self;
        let rule = Arc::clone(rule);
        let check = record.authenticate(&rule.guard, ports, now);
        let Check::Passed = check else { return check };
        if let Some(mut own) = record.gate.own_headers.take() {
            if let Some(model) = record.head.headers.remove(headers::MODEL) {
                own.insert(headers::MODEL, model);
            }
            record.head.headers = *own;
            record.gate.forget_introductions();
        }
        record.introduce(&rule.guard);
        if let Guard::Access(access) = &rule.guard {
            record.gate.cors = access.cors.is_some().then(|| Arc::clone(access));
        }
        if let Err(refusal) = record.authorize(&rule.guard) {
            return Check::Denied(refusal);
        }
        match &rule.limits {
            Some(limits) => record.take(limits, payload, ports, now),
            None => Check::Passed,
        }
    }
}

/// Where the policy names protocols, connections are upgraded to no others.
fn refused_upgrade(record: &Record, rule: &Rule) -> Option<Refusal> {
    let allowed = rule.traffic.upgrades.as_ref()?;
    let protocol = headers::upgrade(&record.head.headers)?.to_str().unwrap_or_default();
    let known = allowed.iter().any(|one| one.eq_ignore_ascii_case(protocol));
    (!known).then(|| Refusal::NoUpgrade(protocol.to_owned()))
}

// === impl Asking ===

impl Asking<Routed> {
    /// The client's body, where it was read for routing.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        match &self.stage.payload {
            Payload::Llm { body, .. } | Payload::Item { body, .. } | Payload::Whole(body) => Some(body),
            // A form goes on while it is read.
            Payload::Http | Payload::Form { .. } | Payload::Unread { .. } => None,
        }
    }

    /// Gives up: what the question needs cannot be had.
    #[must_use]
    pub fn refuse(self, refusal: Refusal) -> Refused {
        Refused { record: self.stage.record, refusal }
    }

    /// Goes on with what the host found out.
    #[must_use]
    pub fn answer(self, answer: Answer) -> Routed {
        let Self { mut stage, question } = self;
        stage.record.learn(question, answer);
        stage
    }

    /// Gives up without a reply: the client went away.
    #[must_use]
    pub fn into_record(self) -> Box<Record> {
        self.stage.record
    }

    /// The facts up to here.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.stage.record
    }
}

// === impl Plan ===

impl Plan {
    /// Bytes of a plain body that may be sent again: Envoy Gateway's `connection.bufferLimit`.
    const REPLAYED: u64 = 32 * 1024;
    /// Bytes of a form that are kept unless that is configured: enough for a picture or minutes of speech.
    const KEPT: usize = 4 * 1024 * 1024;

    fn new(record: Box<Record>, rule: &Arc<Rule>, payload: Payload, choices: usize) -> Self {
        let (asked, rule) = (SmallVec::from_elem(0, choices), Arc::clone(rule));
        Self { record, rule, payload, asked, tried: SmallVec::new(), spent: Vec::new() }
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

    /// How long a body may be, in bytes, that is read before it is sent, so that it can be sent again; `None` where
    /// nobody asked for retries. Longer ones are passed on as they come, and sent once.
    #[must_use]
    pub fn replays(&self) -> Option<u64> {
        let wanted = self.rule.traffic.retry.is_some() || self.rule.retry.scope == RetryScope::AnyBackend;
        (matches!(self.payload, Payload::Http) && wanted)
            .then(|| self.rule.traffic.replayed.unwrap_or(Self::REPLAYED))
    }

    /// How fast the bodies of request and reply may go, where that is limited.
    #[must_use]
    pub fn paces(&self) -> Option<&Paces> {
        self.rule.traffic.bandwidth?;
        self.record.live.paces(&self.rule)
    }

    /// When the whole request has to be done, where its rule says so.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.record.began.instant.checked_add(self.record.limit()?)
    }

    /// How much of a form may be kept while it is sent, in bytes, so that it can be sent again.
    #[must_use]
    pub fn keeps(&self) -> usize {
        self.rule.traffic.replayed.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(Self::KEPT)
    }

    /// True where the client's body was read before routing, and is not to be streamed.
    #[must_use]
    pub fn holds_body(&self) -> bool {
        !matches!(self.payload, Payload::Http | Payload::Form { .. } | Payload::Unread { .. })
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

    /// Gives up because the request's time is up; a backend that was silent until then has failed.
    #[must_use]
    pub fn expire(mut self, now: Now) -> Refused {
        let limit = self.record.limit().unwrap_or_default();
        if let Some(attempt) = self.record.attempts.last_mut()
            && attempt.ended.is_none()
        {
            attempt.ended = Some(now.instant);
            attempt.failure = Some(Failure::Silent(limit));
            if let Some(health) = self.record.live.health_of(&attempt.backend) {
                health.failed(now.unix_ms);
            }
        }
        self.refuse(Refusal::Deadline(limit))
    }
}
