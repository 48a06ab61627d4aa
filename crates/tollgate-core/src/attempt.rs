use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, COOKIE, HOST, RETRY_AFTER, SET_COOKIE, TE, UPGRADE},
};
use smallvec::SmallVec;
use tollgate_auth::Unsigned;
use tollgate_balance::{
    Ask, Candidate, Health, Lease, Outcome, Retrying, Standing, Turn, Unpicked, hash, pick,
};
use tollgate_llm::{Call, Fault, Head, Output, Reply, prepare};
use tollgate_snapshot::{
    Backend, Came, Choice, Filter, ForwardedHost, HostRewrite, ReplySource, RetryScope, Service,
};

use self::sign::Asked;
use crate::{
    AttemptRecord, Exchange, Failure, LocalReply, Now, Plan, Ports, Record, Refusal, client, headers,
    prelude, route::Payload, sticky,
};

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
        self.record.attempts.push(AttemptRecord {
            backend: Arc::clone(&backend),
            address: None,
            path: None,
            began: now.instant,
            ended: None,
            status: None,
            failure: None,
        });
        self.tried.push((backend.index, lease.position));
        let per_try = rule.traffic.retry.as_ref().and_then(|retry| retry.per_try);
        let idle = rule.timeouts.stream_idle.or(self.record.client.timeouts.stream_idle());
        let patience = Patience { head: per_try.or(rule.timeouts.attempt), idle };
        Ok(Attempt { backend, outgoing, patience, reply, choice: position, lease, random })
    }

    /// An endpoint of this backend that was not tried yet, if there is any.
    fn lease(&mut self, backend: &Backend, now: Now, random: u64) -> Result<Lease, Unpicked> {
        let hash = self.record.sticks_to(&backend.traffic, random);
        let record = &self.record;
        let cluster = record.live.clusters.get(backend.index as usize).ok_or(Unpicked::NoneFit)?;
        let tried = self.tried.iter().filter(|(index, _)| *index == backend.index);
        let avoid: SmallVec<[usize; 4]> = tried.map(|(_, position)| *position).collect();
        let wanted = sticky::endpoints_in(&backend.traffic, &record.head.headers);
        cluster.pick(&Ask { now: now.unix_ms, random, hash, avoid: &avoid, wanted: &wanted })
    }

    /// Nobody of this choice can be asked: others may.
    fn pass_over(&mut self, position: usize, unpicked: Unpicked, now: Now) -> Result<(), Refusal> {
        let refusal = match unpicked {
            Unpicked::NoneFit => Refusal::NoEndpoints,
            Unpicked::Overflow => Refusal::Upstream(Failure::Overflow),
        };
        // A plain rule that is full stays full, as with Envoy; a prompt is better served by another provider.
        if unpicked == Unpicked::Overflow && self.rule.service == Service::Http {
            return Err(refusal);
        }
        self.leave(position, refusal, now)
    }

    /// Leaves a choice that cannot be asked to others, unless there are none.
    fn leave(&mut self, position: usize, refusal: Refusal, now: Now) -> Result<(), Refusal> {
        self.asked[position] = self.asked[position].saturating_add(1);
        let others = self.candidates(now.unix_ms);
        if others.iter().any(|c| self.asked[c.position] == 0 && c.weight > 0) { Ok(()) } else { Err(refusal) }
    }

    /// The position of the choice to ask now: one that was not asked yet, if there is any.
    fn pick(&mut self, unix_ms: u64, random: u64) -> Option<usize> {
        if let [only] = self.rule.choices() {
            let candidate = self.candidate(0, only, unix_ms)?;
            return (candidate.weight > 0).then_some(candidate.position);
        }
        // What leads to one endpoint has to lead to its backend first.
        let stuck = self.record.sticks_to(&self.rule.traffic, random);
        let random = stuck.map_or(random, |stuck| hash(&stuck.to_le_bytes()));
        let mut candidates = self.candidates(unix_ms);
        let per_priority = self.rule.traffic.retry.as_ref().and_then(|retry| retry.per_priority);
        if let Some(most) = per_priority {
            self.leave_spent(&mut candidates, most);
        }
        let first = candidates.iter().map(|c| c.priority).min();
        let fresh: SmallVec<[Candidate; 8]> = candidates
            .iter()
            .filter(|c| self.asked[c.position] == 0 && (per_priority.is_none() || Some(c.priority) == first))
            .copied()
            .collect();
        pick(&fresh, random).or_else(|| pick(&candidates, random))
    }

    /// Leaves priorities behind that were asked this often, unless no other is left.
    fn leave_spent(&self, candidates: &mut SmallVec<[Candidate; 8]>, most: u32) {
        let asked = |priority| -> u32 {
            let choices = self.rule.choices().iter().zip(&self.asked);
            choices
                .filter(|(choice, _)| choice.priority == priority)
                .map(|(_, asked)| u32::from(*asked))
                .sum()
        };
        if candidates.iter().any(|c| asked(c.priority) < most) {
            candidates.retain(|c| asked(c.priority) < most);
        }
    }

    pub(crate) fn candidates(&self, unix_ms: u64) -> SmallVec<[Candidate; 8]> {
        let choices = self.rule.choices().iter().enumerate();
        choices.filter_map(|(position, choice)| self.candidate(position, choice, unix_ms)).collect()
    }

    fn candidate(&self, position: usize, choice: &Choice, unix_ms: u64) -> Option<Candidate> {
        if self.is_spent(position) {
            return None;
        }
        let live = &self.record.live;
        let standing = match &choice.backend {
            Ok(backend) if backend.upstream.addresses.is_empty() => return None,
            Ok(backend) => live.standing(backend, unix_ms),
            // A broken choice takes its share of first attempts, as Gateway API wants it, and no second one.
            Err(_) if !self.record.attempts.is_empty() => return None,
            Err(_) => Standing::Up,
        };
        Some(Candidate { position, priority: choice.priority, weight: choice.weight, standing })
    }

    /// Makes the request for one backend: translated, filtered, mutated, and signed last.
    fn compose(
        &mut self,
        choice: &Choice,
        backend: &Backend,
        now: Now,
    ) -> Result<(Outgoing, ReplyReader), Refusal> {
        let record = &mut self.record;
        let mut headers = headers::for_upstream(&record.head.headers);
        let (mut outgoing, reply) = match (&self.payload, &backend.target) {
            (Payload::Llm { endpoint, inspected, body }, Some(target)) => {
                // What a client says to this gateway's host is not for the provider behind it.
                headers.remove(COOKIE);
                let query = match (record.head.uri.query(), &backend.credential) {
                    (Some(query), Some(_)) => headers::without_keys(query).map(Cow::Owned),
                    (query, _) => query.map(Cow::Borrowed),
                };
                let beta = headers::joined(&record.head.headers, "anthropic-beta");
                let (prepared, reply) = prepare(&Call {
                    endpoint: *endpoint,
                    body,
                    inspected,
                    target,
                    model_override: choice.model_override.as_ref(),
                    mutations: &[&choice.body],
                    query: query.as_deref(),
                    beta: beta.as_deref(),
                    now: now.unix_seconds(),
                })?;
                for name in &prepared.remove {
                    headers.remove(name);
                }
                headers.extend(prepared.set.into_iter().map(|(name, value)| (Some(name), value)));
                for (name, value) in prepared.default {
                    headers.entry(name).or_insert(value);
                }
                record.model_sent = Some(prepared.model);
                let outgoing = Outgoing {
                    method: Method::POST,
                    path: prepared.path,
                    host: None,
                    headers,
                    body: AttemptBody::Bytes(prepared.body),
                    upgrade: None,
                };
                (outgoing, ReplyReader::Llm(Box::new(reply)))
            }
            (Payload::Llm { body, .. }, None) => {
                let mut outgoing = plain(record, headers);
                outgoing.body = AttemptBody::Bytes(body.clone());
                (outgoing, ReplyReader::Http)
            }
            (Payload::Http, _) => (plain(record, headers), ReplyReader::Http),
            (Payload::Whole(body), _) => {
                let mut outgoing = plain(record, headers);
                outgoing.body = AttemptBody::Bytes(body.clone());
                (outgoing, ReplyReader::Http)
            }
        };
        if !self.rule.traffic.compression.is_empty() && matches!(reply, ReplyReader::Http) {
            // The reply is to come as it is, so that it can be compressed as the client wants it.
            outgoing.headers.remove(ACCEPT_ENCODING);
        }
        self.finish(choice, &mut outgoing);
        Ok((outgoing, reply))
    }

    /// What the rule wants of the request for this backend; the credential comes after it.
    fn finish(&self, choice: &Choice, outgoing: &mut Outgoing) {
        let record = &self.record;
        for filter in self.rule.filters.iter().chain(&choice.filters) {
            apply(filter, outgoing);
        }
        choice.headers.apply(&mut outgoing.headers);
        // A hop that reports no span must not put one into the chain.
        if record.endpoint.is_some() && record.live.sampler.is_some() {
            record.trace.inject(&mut outgoing.headers);
        }
        self.strip_own(&mut outgoing.headers);
    }

    /// An answer's head has come: pass it on, or ask somebody else?
    pub fn answered(&mut self, attempt: &mut Attempt, head: Head, now: Now) -> Verdict {
        let Head { status, mut headers } = head;
        if let Some(record) = self.record.attempts.last_mut() {
            record.ended = Some(now.instant);
            record.status = Some(status);
        }
        let pause = retry_after(status, &headers);
        if let Some(pause) = pause {
            self.with_health(attempt, &status, |health| health.rests(now.unix_ms, pause));
        } else if status.is_server_error() {
            self.with_health(attempt, &status, |health| health.failed(now.unix_ms));
        }
        let outcome = Outcome::of_status(status.as_u16());
        if outcome != Outcome::Good {
            tell_turn(&attempt.backend, attempt.lease.report(outcome, now.unix_ms), &status);
        }
        let came = Came::Answered { status: status.as_u16(), grpc: grpc_status(&headers) };
        if let Some(again) = self.again(attempt, came, now) {
            return Verdict::Again(again);
        }
        if !self.rule.traffic.overrides.is_empty()
            && let Some(reply) = prelude::replaced(&self.record, ReplySource::Backend, (status, &headers))
        {
            return Verdict::Replace(Box::new(reply));
        }
        if status != StatusCode::SWITCHING_PROTOCOLS {
            headers::from_upstream(&mut headers);
        }
        let mut head = match &mut attempt.reply {
            ReplyReader::Llm(reply) => reply.head(status, headers),
            ReplyReader::Http => Head { status, headers },
        };
        let choice = self.rule.choices().get(attempt.choice);
        for filter in self.rule.filters.iter().chain(choice.iter().flat_map(|choice| &choice.filters)) {
            if let Filter::ResponseHeaders(edit) = filter {
                edit.apply(&mut head.headers);
            }
        }
        self.record.decorate(&mut head.headers);
        if let Some(issued) = &self.record.issued {
            head.headers.append(SET_COOKIE, issued.header.clone());
        }
        self.record.capture_encoding(&head.headers);
        Verdict::Accept(head)
    }

    /// The attempt came to nothing: may another one be made?
    ///
    /// # Errors
    /// [`Refusal`] where it was the last one.
    pub fn failed(&mut self, attempt: &Attempt, failure: Failure, now: Now) -> Result<Again, Refusal> {
        self.with_health(attempt, &failure, |health| health.failed(now.unix_ms));
        if failure != Failure::Overflow {
            attempt.broken(&failure, now);
        }
        // What one backend says at too great length, the next one will too, and holding it costs memory.
        let too_large = matches!(failure, Failure::Reply(Fault::TooLarge(_)));
        let again = if too_large { None } else { self.again(attempt, failure.came(), now) };
        if let Some(record) = self.record.attempts.last_mut() {
            record.ended = record.ended.or(Some(now.instant));
            record.failure = Some(failure.clone());
        }
        again.ok_or(Refusal::Upstream(failure))
    }

    /// Commits to this attempt: from here on the client gets its bytes.
    #[must_use]
    pub fn accept(self, attempt: Attempt, status: StatusCode, now: Now) -> Exchange {
        self.credit(&attempt, now);
        let Self { mut record, .. } = self;
        record.status = Some(status);
        // A stream may last for minutes; the prompt is not needed any more.
        Exchange::new(record, attempt.reply, attempt.lease)
    }

    /// Counts a good answer in favour of whoever gave it.
    pub(crate) fn credit(&self, attempt: &Attempt, now: Now) {
        let answered = self.record.attempts.last().and_then(|record| record.status);
        if answered.is_some_and(|status| !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS)
        {
            // Not before: a success whose body turns out to be an error is no success.
            self.with_health(attempt, &"a good answer", Health::succeeded);
        }
        if answered.is_some_and(|status| !status.is_server_error()) {
            attempt.lease.report(Outcome::Good, now.unix_ms);
        }
    }

    fn with_health(
        &self,
        attempt: &Attempt,
        why: &dyn fmt::Display,
        change: impl FnOnce(&Health) -> Option<Turn>,
    ) {
        if let Some(health) = self.record.live.health_of(&attempt.backend) {
            tell_turn(&attempt.backend, change(health), why);
        }
    }

    /// The right to make another attempt, and after which pause.
    fn again(&self, attempt: &Attempt, came: Came, now: Now) -> Option<Again> {
        let made = self.record.attempts.len();
        let policy = self.rule.traffic.retry.as_ref();
        let wanted = match policy {
            Some(policy) => made <= policy.retries as usize && policy.wants(came),
            None => self.may_retry(attempt, came, now),
        };
        let in_time = self.deadline().is_none_or(|deadline| now.instant < deadline);
        let told = policy.is_some() || attempt.outgoing.method.is_idempotent();
        let repeatable = match (&attempt.outgoing.body, came) {
            (AttemptBody::Bytes(_), Came::Answered { .. } | Came::Broken)
                if matches!(self.payload, Payload::Whole(_)) =>
            {
                told
            }
            // The client's stream is gone once it was sent; and a plain request may have had an effect, unless
            // somebody said that it may be repeated.
            (AttemptBody::Client, Came::NotSent | Came::Overflow) | (AttemptBody::Bytes(_), _) => true,
            // It had no effect, but the stream may have begun.
            (AttemptBody::Client, Came::Refused) => !has_body(&self.record.head.headers),
            (AttemptBody::Client, Came::Answered { .. } | Came::Broken) => {
                told && !has_body(&self.record.head.headers)
            }
        };
        if !(wanted && in_time && repeatable) {
            return None;
        }
        let pause = match policy {
            Some(policy) => policy.pause(u32::try_from(made).unwrap_or(u32::MAX), attempt.random),
            None => self.backoff(attempt, now),
        };
        let cluster = self.record.live.clusters.get(attempt.backend.index as usize)?;
        Some(Again { pause, retrying: Some(cluster.retry()?) })
    }

    fn may_retry(&self, attempt: &Attempt, came: Came, now: Now) -> bool {
        let retry = &self.rule.retry;
        let counts = match came {
            Came::Answered { status, .. } => retry.statuses.binary_search(&status).is_ok(),
            Came::NotSent | Came::Refused | Came::Broken => true,
            // A plain rule that is full stays full, as with Envoy; a prompt is better served by another provider.
            Came::Overflow => self.rule.service == Service::Llm,
        };
        if !counts || self.record.attempts.len() >= retry.attempts as usize {
            return false;
        }
        let others = self.candidates(now.unix_ms).iter().any(|c| {
            self.asked[c.position] == 0 && c.weight > 0 && !matches!(c.standing, Standing::Ejected(_))
        });
        let same = match (came, retry.scope) {
            (_, RetryScope::AnyBackend) => true,
            (Came::Answered { .. } | Came::Overflow, RetryScope::OtherBackends) => false,
            (Came::NotSent | Came::Refused | Came::Broken, RetryScope::OtherBackends) => {
                self.asked[attempt.choice] < 2
            }
        };
        others || same
    }

    /// No pause before somebody else is asked; a growing one before the same backend is asked again.
    fn backoff(&self, attempt: &Attempt, now: Now) -> Duration {
        let others = self.candidates(now.unix_ms).iter().any(|c| self.asked[c.position] == 0 && c.weight > 0);
        match (others, self.asked[attempt.choice]) {
            (true, _) | (_, 0) => Duration::ZERO,
            (false, times) => {
                self.rule.retry.backoff.saturating_mul(1 << (times - 1).min(6)).min(Duration::from_secs(1))
            }
        }
    }
}

/// Says that a backend is left alone from now on, or asked again.
pub(crate) fn tell_turn(backend: &Backend, turn: Option<Turn>, why: &dyn fmt::Display) {
    match turn {
        Some(Turn::Ejected(pause)) => {
            tracing::warn!(backend = %backend.id, ?pause, reason = %why, "backend taken out of service");
        }
        Some(Turn::Returned) => tracing::info!(backend = %backend.id, "backend back in service"),
        None => {}
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

/// `grpc-status`, where the head of the reply has it already.
fn grpc_status(headers: &HeaderMap) -> Option<u8> {
    // Most replies are not of gRPC, and a known name is found sooner.
    headers.get(CONTENT_TYPE).filter(|kind| kind.as_bytes().starts_with(b"application/grpc"))?;
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

pub(crate) fn plain(record: &Record, mut headers: HeaderMap) -> Outgoing {
    let head = &record.head;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let upgrade = headers::upgrade(&head.headers).cloned();
    if let Some(protocol) = &upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol.clone());
    }
    if headers::takes_trailers(&head.headers) {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    client::tell_upstream(record, &mut headers);
    // Without the user that an authority may name; it wins over the header (RFC 9112, 3.2.2).
    let authority = head.uri.authority().and_then(|authority| {
        let host = authority.as_str().rsplit('@').next()?;
        HeaderValue::from_str(host).ok()
    });
    Outgoing {
        method: head.method.clone(),
        path,
        host: authority.or_else(|| head.headers.get(HOST).cloned()),
        headers,
        body: AttemptBody::Client,
        upgrade,
    }
}

fn apply(filter: &Filter, outgoing: &mut Outgoing) {
    match filter {
        Filter::RequestHeaders(edit) => edit.apply(&mut outgoing.headers),
        Filter::DefaultHeader(name, value) => {
            outgoing.headers.entry(name).or_insert_with(|| value.clone());
        }
        Filter::Rewrite(rewrite) => {
            if let (Some(_), ForwardedHost::Append, Some(host)) =
                (&rewrite.host, rewrite.forwarded, &outgoing.host)
            {
                outgoing.headers.append(headers::FORWARDED_HOST, host.clone());
            }
            match &rewrite.host {
                Some(HostRewrite::To(host)) => outgoing.host = Some(host.clone()),
                Some(HostRewrite::FromHeader(name)) => {
                    outgoing.host = outgoing.headers.get(name).cloned().or(outgoing.host.take());
                }
                Some(HostRewrite::Backend) => outgoing.host = None,
                None => {}
            }
            if let Some(rewrite) = &rewrite.path {
                let (path, query) = match outgoing.path.split_once('?') {
                    Some((path, query)) => (path, Some(query)),
                    None => (outgoing.path.as_str(), None),
                };
                let path = rewrite.apply(path);
                outgoing.path = query.map_or(path.clone(), |query| format!("{path}?{query}"));
            }
        }
        // Replies are edited when they come; copies are sent by the host.
        Filter::ResponseHeaders(_) | Filter::Mirror(_) => {}
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(http::header::TRANSFER_ENCODING)
        || headers.get(http::header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// How long an overloaded backend wants to be left alone: `retry-after` in seconds, with 429 and 503.
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
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
    /// From its start to the head of its reply, or to its failure.
    #[must_use]
    pub fn duration(&self, until: Instant) -> Duration {
        self.ended.unwrap_or(until).saturating_duration_since(self.began)
    }
}

mod sign;

#[cfg(test)]
mod tests;
