use http::Method;
use smallvec::SmallVec;
use tollgate_snapshot::Guard;

use crate::{
    Answer, Answered, Asking, LocalReply, Now, Ports, Received, Record, Refusal, Refused, entries,
    ports::Check,
};

/// A request whose caller may call. Nothing answers before.
#[derive(Debug)]
pub struct Admitted {
    pub(crate) record: Box<Record>,
}

/// What became of a request at the gate.
#[derive(Debug)]
pub enum Admission {
    /// The caller is who it has to be.
    Admitted(Admitted),
    /// A browser asked whether it may call.
    Answered(Answered),
    /// It cannot be said yet.
    Ask(Asking<Received>),
}

/// Policies that may hold for one request.
type Guards<'a> = SmallVec<[&'a Guard; 2]>;

// === impl Received ===

impl Received {
    /// Finds out who calls, before anything is answered or any body is read.
    ///
    /// For most requests one policy holds, whatever their body says. Where the model decides among several routes
    /// with policies of their own, the caller has to satisfy one of them here, and its route's own in
    /// [`Routed::reserve`](crate::Routed::reserve).
    ///
    /// # Errors
    /// [`Refused`] with 401, 403, what an external service wants, or a 500 that names a broken policy.
    pub fn admit(self, ports: &impl Ports, now: Now) -> Result<Admission, Refused> {
        let Self { mut record } = self;
        let guards: SmallVec<[Guard; 2]> = guards(&record).into_iter().cloned().collect();
        if let Some(reply) = preflight(&mut record, &guards) {
            return Ok(Admission::Answered(Answered { record, reply }));
        }
        let (mut passed, mut denied) = (guards.is_empty(), None);
        for guard in &guards {
            match record.authenticate(guard, ports, now) {
                Check::Passed => passed = true,
                Check::Denied(refusal) => denied = denied.or(Some(refusal)),
                Check::Ask(question) => {
                    return Ok(Admission::Ask(Asking { stage: Self { record }, question }));
                }
            }
        }
        match denied {
            Some(refusal) if !passed => return Err(Refused { record, refusal }),
            _ => {}
        }
        if guards.len() > 1 {
            record.gate.own_headers = Some(Box::new(record.head.headers.clone()));
        }
        for guard in &guards {
            record.introduce(guard);
        }
        Ok(Admission::Admitted(Admitted { record }))
    }
}

/// Answers a preflight by the first policy that speaks of other origins.
fn preflight(record: &mut Record, guards: &[Guard]) -> Option<LocalReply> {
    let access = guards.iter().find_map(|guard| match guard {
        Guard::Access(access) if access.cors.is_some() => Some(access),
        Guard::Access(_) | Guard::Open | Guard::Broken(_) => None,
    })?;
    let headers = access.cors.as_ref()?.preflight(&record.head.method, &record.head.headers);
    match headers {
        Some(headers) => Some(LocalReply::empty(headers)),
        None => {
            record.gate.cors = Some(access.clone());
            None
        }
    }
}

/// Every policy that may hold, as far as the head tells.
fn guards(record: &Record) -> Guards<'_> {
    let Some(listener) = &record.listener else { return Guards::new() };
    let endpoint = record.endpoint.or_else(|| match record.head.method {
        // A preflight asks on behalf of the call that would follow.
        Method::OPTIONS => record.live.snapshot.settings.prefixes.endpoint(record.head.uri.path()),
        _ => None,
    });
    let mut guards = match endpoint {
        None => entries::find(record, None).map(|entry| &entry.rule.guard).into_iter().collect(),
        Some(_) => entries::guards(record),
    };
    if guards.is_empty() {
        guards.push(&listener.guard);
    }
    guards
}

// === impl Record ===

impl Record {
    /// Puts what was verified of the caller into the request's headers, in place of what the client said itself.
    pub(crate) fn introduce(&mut self, guard: &Guard) {
        let Some(identity) = self.gate.first_seen(guard) else { return };
        if let Some(vetted) = self.gate.said(guard) {
            vetted.apply(&mut self.head.headers);
        }
        identity.apply(&mut self.head.headers);
        if identity.edits_query()
            && let Some(query) = self.head.uri.query()
        {
            let kept = identity.query(query);
            crate::path::replace_query(&mut self.head.uri, kept.as_deref());
        }
    }
}

// === impl Asking ===

impl Asking<Received> {
    /// Goes on with what the host found out.
    #[must_use]
    pub fn answer(self, answer: Answer) -> Received {
        let Self { mut stage, question } = self;
        stage.record.learn(question, answer);
        stage
    }

    /// Gives up: what the question needs cannot be had.
    #[must_use]
    pub fn refuse(self, refusal: Refusal) -> Refused {
        Refused { record: self.stage.record, refusal }
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
