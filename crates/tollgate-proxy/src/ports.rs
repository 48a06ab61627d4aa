use std::{
    cell::RefMut,
    net::{Ipv4Addr, SocketAddr},
    ops::DerefMut,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use tokio::time::sleep;
use tollgate_auth::{Access, KeyRing as _, TokenCache, TokenId, TokenRing};
use tollgate_core::{Answer, ExtAuthVerdict, Ports, Question, Record};
use tollgate_limit::{Store, UnixMillis};
use tollgate_ports::{ExtAuthDenial, ExtAuthRequest, ExtAuthVerdict as Said, KeySets, limits::Limits};

use crate::{served::Served, worker::Worker};

/// How long a request may wait for a key set to be fetched anew.
const KEYS: Duration = Duration::from_secs(5);

/// How long a request may wait for the first token of a provider.
const TOKEN: Duration = Duration::from_secs(5);

/// Less than any fetch takes.
const AT_ONCE: Duration = Duration::from_micros(100);
/// How soon to look again where there is nothing to wait for.
const AGAIN: Duration = Duration::from_millis(10);

impl Ports for Worker {
    type Keys = KeySets;
    type Limits = Limits;

    fn keys(&self) -> &KeySets {
        &self.shared.keys
    }

    fn tokens(&self) -> impl DerefMut<Target = TokenCache> {
        RefMut::map(self.tokens.borrow_mut(), |tokens| tokens)
    }

    fn limits(&self) -> &Limits {
        &self.options().limits
    }

    fn credentials(&self) -> &impl TokenRing {
        &self.shared.credentials
    }
}

/// Waits for a token that was never asked for before, where nobody can be asked without it. One that could not be had
/// is not waited for again.
pub(crate) async fn await_token(worker: &Worker, token: &TokenId, limit: Option<Instant>) {
    let deadline = worker.now().instant + TOKEN;
    let deadline = limit.map_or(deadline, |limit| limit.min(deadline));
    worker.shared.credentials.asked(token, deadline).await;
}

/// Finds out what a stage wants to know; `body` is there where [`Question::wants_body`] says so.
pub(crate) async fn answer(
    worker: &Worker,
    served: &Served,
    (record, body): (&Record, Option<Bytes>),
    question: &Question,
) -> Answer {
    match question {
        Question::Keys(source) => {
            let deadline = worker.now().instant + KEYS;
            // Where there never were keys, a server that comes up in time is worth the wait; a key that is missing is
            // looked for once.
            loop {
                let asked = Instant::now();
                let good = worker.shared.keys.refreshed(source, deadline).await;
                let there = worker.shared.keys.keys(source).is_some();
                if good || there || Instant::now() >= deadline {
                    break;
                }
                // Told at once: too many wait already, or the core that fetches has not heard of this source yet.
                if asked.elapsed() < AT_ONCE {
                    sleep(AGAIN).await;
                }
            }
            Answer::Keys
        }
        Question::ExtAuth(access) => {
            Answer::ExtAuth(Box::new(ask(worker, served, (record, body), access).await))
        }
        Question::Limits(claims) => {
            Answer::Limits(worker.options().limits.reserve(claims, UnixMillis(worker.now().unix_ms)).await)
        }
    }
}

async fn ask(
    worker: &Worker,
    served: &Served,
    (record, body): (&Record, Option<Bytes>),
    access: &Arc<Access>,
) -> ExtAuthVerdict {
    let Some(settings) = &access.ext_auth else { return ExtAuthVerdict::Failed };
    let Some(target) = served.authorizer(&settings.id) else { return ExtAuthVerdict::Failed };
    let request = ExtAuthRequest {
        settings,
        target,
        caller: record.caller(),
        body,
        client: record.head.peer,
        local: SocketAddr::from((Ipv4Addr::UNSPECIFIED, record.head.port)),
        version: record.head.version,
        id: &record.request_id,
        received: SystemTime::UNIX_EPOCH + Duration::from_millis(record.began.unix_ms),
    };
    let deadline = worker.now().instant + settings.timeout;
    match worker.authorizers.check(&request, deadline).await {
        Said::Allowed(vetted) => ExtAuthVerdict::Allowed(vetted),
        Said::Denied(ExtAuthDenial { status, headers, body, metadata }) => {
            ExtAuthVerdict::Denied { status, headers, body, metadata }
        }
        Said::Failed => ExtAuthVerdict::Failed,
    }
}
