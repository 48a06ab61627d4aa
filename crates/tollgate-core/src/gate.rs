use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::ORIGIN};
use tollgate_auth::{Access, Caller, Claims, Denial, Identity, KeySourceId, OnFailure, UnixSeconds};
use tollgate_limit::Decision;
use tollgate_snapshot::{AccessLogSettings, Guard};

use crate::{
    Answer, ExtAuthVerdict, LocalReply, Now, Ports, Question, Record, Refusal,
    limit::{Left, Taken},
    quota::Held,
};

/// What is known of the caller so far, under each policy that may hold for the request. Most requests pass with all
/// of it empty, so everything is kept elsewhere: what is here is moved and dropped with each record.
#[derive(Debug, Default)]
pub struct Gate {
    passes: Vec<Pass>,
    /// Key sets that were fetched anew for this request: once is enough.
    refreshed: Vec<KeySourceId>,
    /// What external services said, by their policy.
    vetted: Vec<(Arc<Access>, Result<(), Refusal>)>,
    /// The policy whose `cors` holds for the reply.
    pub(crate) cors: Option<Arc<Access>>,
    /// Headers of the reply that the listener's log shows.
    reply_headers: Vec<(HeaderName, HeaderValue)>,
    /// The client's headers before anything verified was put into them, while several policies may still hold.
    pub(crate) own_headers: Option<Box<HeaderMap>>,
    /// What counters elsewhere said.
    pub(crate) decision: Option<Box<Decision>>,
    /// What they were asked for.
    pub(crate) asked: Option<Box<Taken>>,
    /// What was taken from counters.
    pub(crate) taken: Option<Box<Taken>>,
    /// What is held of the quota of the backend that is asked.
    pub(crate) held: Option<Box<Held>>,
    /// Counters elsewhere were asked about quotas.
    pub(crate) looked: bool,
    /// What is left, for `x-ratelimit-*`.
    pub(crate) left: Left,
}

/// The caller under one policy.
#[derive(Debug)]
struct Pass {
    access: Arc<Access>,
    verdict: Result<Arc<Identity>, Refusal>,
}

/// Whether a policy lets the caller in.
pub(crate) enum Check {
    Passed,
    Denied(Refusal),
    Ask(Question),
}

// === impl Gate ===

impl Gate {
    fn pass(&self, access: &Arc<Access>) -> Option<&Pass> {
        self.passes.iter().find(|pass| Arc::ptr_eq(&pass.access, access))
    }

    /// Who the caller is under this guard, where that was found out.
    pub(crate) fn identity(&self, guard: &Guard) -> Option<&Arc<Identity>> {
        match guard {
            Guard::Access(access) => self.pass(access)?.verdict.as_ref().ok(),
            Guard::Open | Guard::Broken(_) => None,
        }
    }
}

// === impl Record ===

impl Record {
    /// What credentials are looked for in.
    #[must_use]
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            method: &self.head.method,
            secure: self.head.secure,
            host: &self.host,
            path: self.head.uri.path(),
            query: self.head.uri.query(),
            headers: &self.head.headers,
            client_ip: self.client_ip,
        }
    }

    /// Finds out who calls, under one guard. Asks each question at most once.
    pub(crate) fn authenticate(&mut self, guard: &Guard, ports: &impl Ports, now: Now) -> Check {
        let access = match guard {
            Guard::Open => return Check::Passed,
            Guard::Broken(problem) => return Check::Denied(Refusal::Broken(Arc::clone(problem))),
            Guard::Access(access) => access,
        };
        if let Some(pass) = self.gate.pass(access) {
            return match &pass.verdict {
                Ok(_) => Check::Passed,
                Err(refusal) => Check::Denied(refusal.clone()),
            };
        }
        match self.vetted(access) {
            Some(Ok(())) => {}
            Some(Err(refusal)) => return Check::Denied(refusal),
            None => return Check::Ask(Question::ExtAuth(Arc::clone(access))),
        }
        let caller = self.caller();
        let verdict = {
            let mut tokens = ports.tokens();
            access.authenticate(&caller, ports.keys(), &mut tokens, UnixSeconds(now.unix_seconds()))
        };
        let verdict = match verdict {
            Ok(identity) => Ok(Arc::new(identity)),
            Err(denial) => match denial.refresh() {
                Some(source) if !self.gate.refreshed.contains(source) => {
                    let source = source.clone();
                    self.gate.refreshed.push(source.clone());
                    return Check::Ask(Question::Keys(source));
                }
                _ => Err(Refusal::denied(denial, &caller)),
            },
        };
        let check = match &verdict {
            Ok(_) => Check::Passed,
            Err(refusal) => Check::Denied(refusal.clone()),
        };
        self.gate.passes.push(Pass { access: Arc::clone(access), verdict });
        check
    }

    /// What the external service of a policy said; `None` where it has to be asked.
    fn vetted(&self, access: &Arc<Access>) -> Option<Result<(), Refusal>> {
        if access.ext_auth.is_none() {
            return Some(Ok(()));
        }
        let said = self.gate.vetted.iter().find(|(policy, _)| Arc::ptr_eq(policy, access));
        said.map(|(_, verdict)| verdict.clone())
    }

    /// Takes the answer to a question, so that the stage that asked it gets further.
    pub(crate) fn learn(&mut self, question: Question, answer: Answer) {
        match (question, answer) {
            (Question::ExtAuth(access), Answer::ExtAuth(verdict)) => {
                let verdict = self.heed(&access, *verdict);
                self.gate.vetted.push((access, verdict));
            }
            (Question::Limits(_), Answer::Limits(decision)) => self.gate.decision = Some(Box::new(decision)),
            // Fetched or not: the next try will tell. Any other answer is to another question.
            _ => {}
        }
    }

    fn heed(&mut self, access: &Access, verdict: ExtAuthVerdict) -> Result<(), Refusal> {
        match verdict {
            ExtAuthVerdict::Allowed(headers) => {
                self.head.headers = headers;
                Ok(())
            }
            ExtAuthVerdict::Denied { status, headers, body } => {
                Err(Refusal::Vetoed(Box::new(LocalReply { status, headers, body })))
            }
            ExtAuthVerdict::TooLarge(limit) => Err(Refusal::TooLarge(limit)),
            ExtAuthVerdict::Failed => match access.ext_auth.as_ref().map(|service| service.on_failure) {
                Some(OnFailure::Pass) | None => Ok(()),
                Some(OnFailure::Refuse(status)) => Err(Refusal::Unvetted(status)),
            },
        }
    }

    /// Whether the caller, who is known by now, may do this.
    pub(crate) fn authorize(&self, guard: &Guard) -> Result<(), Refusal> {
        let (Guard::Access(access), Some(identity)) = (guard, self.gate.identity(guard)) else {
            return Ok(());
        };
        let caller = self.caller();
        access.authorize(&caller, identity).map_err(|denial| Refusal::denied(denial, &caller))
    }

    /// Whether the caller was found to be one whom this guard lets in.
    pub(crate) fn admits(&self, guard: &Guard) -> Result<(), Refusal> {
        match guard {
            Guard::Open => Ok(()),
            Guard::Broken(problem) => Err(Refusal::Broken(Arc::clone(problem))),
            Guard::Access(access) => match self.gate.pass(access).map(|pass| &pass.verdict) {
                Some(Ok(_)) => self.authorize(guard),
                Some(Err(refusal)) => Err(refusal.clone()),
                None => Err(Refusal::Unvetted(StatusCode::FORBIDDEN)),
            },
        }
    }

    /// Verified claims, by the name of the provider whose token carried them.
    pub fn claims_by_provider(&self) -> impl Iterator<Item = (&str, &Claims)> {
        let identities = self.gate.passes.iter().filter_map(|pass| pass.verdict.as_ref().ok());
        identities.flat_map(|identity| &identity.claims).map(|(provider, claims)| (&**provider, &**claims))
    }

    /// A header of the reply as the client got it; kept only where the listener's log shows it.
    #[must_use]
    pub fn reply_header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.gate.reply_headers.iter().find(|(kept, _)| kept == name).map(|(_, value)| value)
    }

    /// The log settings that hold for the request: its listener's, or those of its port's first one where no listener
    /// claims its host.
    #[must_use]
    pub fn access_log(&self) -> Option<&Arc<AccessLogSettings>> {
        let listener = self.listener.as_ref().or_else(|| {
            let port = self.live.snapshot.port(self.head.port)?;
            port.listeners.first()
        });
        listener?.access_log.as_ref()
    }

    /// Puts onto a reply what policies want there: what browsers have to see, and what is left of limits. Then the
    /// reply's head is done, and what the log shows of it is kept.
    pub(crate) fn decorate(&mut self, reply: &mut HeaderMap) {
        if let Some(cors) = self.gate.cors.as_ref().and_then(|access| access.cors.as_ref()) {
            cors.decorate(self.head.headers.get(ORIGIN), reply);
        }
        self.gate.left.tell(reply);
        let kept: Vec<_> = match self.access_log() {
            Some(settings) => settings
                .reply_headers()
                .iter()
                .filter_map(|name| Some((name.clone(), reply.get(name)?.clone())))
                .collect(),
            None => return,
        };
        self.gate.reply_headers = kept;
    }
}

// === impl Refusal ===

impl Refusal {
    fn denied(denial: Denial, caller: &Caller<'_>) -> Self {
        let challenge = denial.www_authenticate(caller);
        Self::Denied(Box::new((denial, challenge)))
    }
}

#[cfg(test)]
mod tests;
