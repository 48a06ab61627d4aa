use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::ORIGIN};
use serde_json::{Map, Value};
use tollgate_auth::{
    Access, Arrival, Caller, Claims, Denial, ExtAuth, Identity, KeySourceId, OnFailure, UnixSeconds, Vetted,
};
use tollgate_limit::Decision;
use tollgate_snapshot::{AccessLogSettings, Guard};

use crate::{
    Answer, ExtAuthVerdict, LocalReply, Now, Ports, Question, Record, Refusal,
    limit::{Left, Taken},
    ports::Check,
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
    vouched: Vec<Vouched>,
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
    /// True where the request's headers say who it is already.
    introduced: bool,
}

/// What the external service of a policy says.
#[derive(Debug)]
struct Vouched {
    access: Arc<Access>,
    verdict: Result<(), Refusal>,
    said: Vetted,
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

    /// Who the caller is under this guard, once.
    pub(crate) fn first_seen(&mut self, guard: &Guard) -> Option<Arc<Identity>> {
        let Guard::Access(access) = guard else { return None };
        let pass = self.passes.iter_mut().find(|pass| Arc::ptr_eq(&pass.access, access))?;
        let identity = pass.verdict.as_ref().ok()?;
        (!std::mem::replace(&mut pass.introduced, true)).then(|| Arc::clone(identity))
    }

    /// The request's headers are the client's own again.
    pub(crate) fn forget_introductions(&mut self) {
        self.passes.iter_mut().for_each(|pass| pass.introduced = false);
    }

    fn vouched(&self, access: &Arc<Access>) -> Option<&Vouched> {
        self.vouched.iter().find(|vouched| Arc::ptr_eq(&vouched.access, access))
    }

    /// What the guard's external service says of the request.
    pub(crate) fn said(&self, guard: &Guard) -> Option<&Vetted> {
        match guard {
            Guard::Access(access) => Some(&self.vouched(access)?.said),
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
            arrival: Arrival {
                peer: self.head.peer,
                port: self.head.port,
                version: self.head.version,
                server_name: self.head.server_name.as_deref(),
                certificate: self.head.certificate.as_deref(),
                id: &self.request_id,
                unix_ms: self.began.unix_ms,
                vetted: None,
            },
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
        let changed = match (&access.ext_auth, self.gate.vouched(access)) {
            (None, _) => None,
            (Some(_), None) => return Check::Ask(Question::ExtAuth(Arc::clone(access))),
            (Some(_), Some(Vouched { verdict: Err(refusal), .. })) => return Check::Denied(refusal.clone()),
            (Some(_), Some(Vouched { said, .. })) => self.changed(said),
        };
        let caller = self.caller();
        let caller = Caller { headers: changed.as_ref().unwrap_or(caller.headers), ..caller };
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
        self.gate.passes.push(Pass { access: Arc::clone(access), verdict, introduced: false });
        check
    }

    /// The request's headers as the external service wants them, where it wants others: they are what credentials are
    /// looked for in.
    fn changed(&self, said: &Vetted) -> Option<HeaderMap> {
        if said.request.is_empty() {
            return None;
        }
        let mut headers = self.head.headers.clone();
        said.apply(&mut headers);
        Some(headers)
    }

    /// Takes the answer to a question, so that the stage that asked it gets further.
    pub(crate) fn learn(&mut self, question: Question, answer: Answer) {
        match (question, answer) {
            (Question::ExtAuth(access), Answer::ExtAuth(verdict)) => {
                self.gate.vouched.push(heed(access, *verdict));
            }
            (Question::Limits(_), Answer::Limits(decision)) => self.gate.decision = Some(Box::new(decision)),
            // Fetched or not: the next try will tell. Any other answer is to another question.
            _ => {}
        }
    }

    /// Whether the caller, who is known by now, may do this.
    pub(crate) fn authorize(&self, guard: &Guard) -> Result<(), Refusal> {
        let (Guard::Access(access), Some(identity)) = (guard, self.gate.identity(guard)) else {
            return Ok(());
        };
        let caller = self.caller();
        let said = self.gate.said(guard);
        // While several policies may hold, the request's headers say what all of them have verified.
        let own = self.gate.own_headers.as_ref().map(|own| {
            let mut headers = HeaderMap::clone(own);
            said.iter().for_each(|said| said.apply(&mut headers));
            headers
        });
        let caller = Caller {
            headers: own.as_ref().unwrap_or(caller.headers),
            arrival: Arrival { vetted: said.map(|said| &said.metadata), ..caller.arrival },
            ..caller
        };
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

    /// What an external service says of the request: that of its rule's policy, or else the first that was asked.
    fn said(&self) -> Option<&Vetted> {
        match &self.rule {
            Some(rule) => self.gate.said(&rule.guard),
            None => self.gate.vouched.first().map(|vouched| &vouched.said),
        }
    }

    /// The dynamic metadata that the external authorization service gave the request.
    #[must_use]
    pub fn vetted(&self) -> Option<&Map<String, Value>> {
        self.said().map(|said| &said.metadata).filter(|metadata| !metadata.is_empty())
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
        if let Some(said) = self.said() {
            said.apply_to_reply(reply);
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

fn heed(access: Arc<Access>, verdict: ExtAuthVerdict) -> Vouched {
    let (verdict, said) = match verdict {
        ExtAuthVerdict::Allowed(vetted) => (Ok(()), vetted),
        ExtAuthVerdict::Denied { status, headers, body, metadata } => {
            let refusal = Refusal::Vetoed(Box::new(LocalReply { status, headers, body }));
            (Err(refusal), Vetted { metadata, ..Vetted::default() })
        }
        ExtAuthVerdict::Failed => {
            let verdict = match access.ext_auth.as_ref().map(|service| service.on_failure) {
                Some(OnFailure::Pass) | None => Ok(()),
                Some(OnFailure::Refuse(status)) => Err(Refusal::Unvetted(status)),
            };
            (verdict, access.ext_auth.as_ref().map(ExtAuth::unsaid).unwrap_or_default())
        }
    };
    Vouched { access, verdict, said }
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
