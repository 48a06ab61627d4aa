use bytes::Bytes;
use http::{
    Request, StatusCode,
    header::{ACCEPT, HOST},
};
use tokio::time::timeout;
use tollgate_auth::{BadKeySet, KeyOrigin, KeySet};
use tollgate_net::{Failure, Origin, Payload, Pool};

use super::KeySource;
use crate::answer::{Unread, read};

/// Largest key set, in bytes.
const MAX_BODY: usize = 1 << 20;

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfetched {
    /// Nobody to ask
    #[error("it has no endpoint")]
    NoOrigin,
    /// No complete answer
    #[error("{0}")]
    Failed(#[from] Failure),
    /// Not in time
    #[error("no answer in time")]
    Slow,
    /// An answer that is none
    #[error("it answered {0}")]
    Status(StatusCode),
    /// Too long
    #[error("its answer is larger than 1 MiB")]
    TooLarge,
    /// Not keys
    #[error(transparent)]
    Garbage(#[from] BadKeySet),
}

/// Asks the origins in order, beginning with the `first`, until one gives keys. All of them together have the
/// source's timeout.
pub(super) async fn fetch(pool: &Pool, source: &KeySource, first: usize) -> Result<KeySet, Unfetched> {
    let (before, from) = source.origins.split_at(first % source.origins.len().max(1));
    let each = async {
        let mut outcome = Err(Unfetched::NoOrigin);
        for origin in from.iter().chain(before) {
            outcome = ask(pool, source, origin).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    };
    timeout(source.timeout, each).await.unwrap_or(Err(Unfetched::Slow))
}

async fn ask(pool: &Pool, source: &KeySource, origin: &Origin) -> Result<KeySet, Unfetched> {
    let mut request = Request::new(Payload::empty());
    *request.uri_mut() = source.path.clone();
    request.headers_mut().insert(HOST, source.host.clone());
    request.headers_mut().insert(ACCEPT, http::HeaderValue::from_static("application/json"));
    let response = pool.send(origin, request).await?;
    if response.status() != StatusCode::OK {
        return Err(Unfetched::Status(response.status()));
    }
    let body: Bytes = match read(response.into_body(), MAX_BODY).await {
        Ok((body, _)) => body,
        Err(Unread::TooLarge) => return Err(Unfetched::TooLarge),
        Err(Unread::Failed(failure)) => return Err(failure.into()),
    };
    Ok(KeySet::parse(&body, KeyOrigin::Remote)?)
}
