use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, CONTENT_LENGTH, HOST},
    uri::Scheme,
};
use tokio::{task::spawn_blocking, time::timeout};
use tollgate_auth::{BadAnswer, BadKeyFile, BadProfile, TokenRequest};
use tollgate_net::{BadProxy, Failure, Origin, Payload, Pool, Protocol, Tuning, UpstreamTls, Via};

use crate::answer::{Unread, read};

/// Largest answer of a token endpoint, in bytes.
const MAX_BODY: usize = 1 << 20;

/// How long one answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no new token. Has no secret in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfetched {
    /// Not a URL that can be asked
    #[error("{0} is no http:// or https:// URL")]
    Url(&'static str),
    /// A proxy that cannot be used
    #[error("{0}")]
    Proxy(#[from] BadProxy),
    /// No complete answer
    #[error("{host}: {}", explained(.failure))]
    Failed {
        /// Who was asked.
        host: Box<str>,
        /// What came of it.
        failure: Failure,
    },
    /// Not in time
    #[error("{0} did not answer in time")]
    Slow(Box<str>),
    /// An answer that is longer than any token
    #[error("{0} answered more than 1 MiB")]
    TooLarge(Box<str>),
    /// An answer without a token
    #[error("{host} answered {status}: {answer}")]
    Bad {
        /// Who was asked.
        host: Box<str>,
        /// The status.
        status: StatusCode,
        /// What it says.
        answer: BadAnswer,
    },
    /// A file that cannot be read
    #[error("cannot read {path}: {error}")]
    File {
        /// Which.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// A credentials file of AWS without keys
    #[error("{path}: {error}")]
    Profile {
        /// Which.
        path: String,
        /// What is wrong with it.
        error: BadProfile,
    },
    /// A credentials file of Google that is none
    #[error("{0}")]
    KeyFile(#[from] BadKeyFile),
    /// Variables that say half of what is needed
    #[error("{0}")]
    Variables(&'static str),
    /// Nobody to ask
    #[error("nothing gives credentials here: {0}")]
    Nowhere(&'static str),
}

/// An answer of any status.
#[derive(Debug)]
pub(super) struct Answer {
    host: Box<str>,
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// A failure and its cause, which says more.
fn explained(failure: &Failure) -> String {
    match std::error::Error::source(failure) {
        Some(cause) => format!("{failure}: {cause}"),
        None => failure.to_string(),
    }
}

/// Sends one request to a token endpoint.
pub(super) async fn ask(
    pool: &Pool,
    via: Option<Arc<Via>>,
    request: TokenRequest,
    patience: Duration,
) -> Result<Answer, Unfetched> {
    let TokenRequest { method, url, headers, body } = request;
    let uri: Uri = url.parse().map_err(|_| Unfetched::Url("a token endpoint"))?;
    let (origin, path) = origin(&uri, via).ok_or(Unfetched::Url("a token endpoint"))?;
    let host: Box<str> = origin.host().into();
    let mut request = Request::new(Payload::Whole(Bytes::copy_from_slice(body.expose())));
    *request.method_mut() = method;
    *request.uri_mut() = path;
    if let Ok(authority) = HeaderValue::from_str(&origin.authority()) {
        request.headers_mut().insert(HOST, authority);
    }
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
    request.headers_mut().extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
    if *request.method() != Method::GET && body.is_empty() {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let asking = async {
        let failed = |failure| Unfetched::Failed { host: host.clone(), failure };
        let response = pool.send(&origin, request).await.map_err(failed)?;
        let status = response.status();
        match read(response.into_body(), MAX_BODY).await {
            Ok((body, _)) => Ok(Answer { host: host.clone(), status, body }),
            Err(Unread::TooLarge) => Err(Unfetched::TooLarge(host.clone())),
            Err(Unread::Failed(failure)) => Err(failed(failure)),
        }
    };
    timeout(patience, asking).await.unwrap_or_else(|_| Err(Unfetched::Slow(host.clone())))
}

/// Who a URL leads to, and what to ask for there.
fn origin(uri: &Uri, via: Option<Arc<Via>>) -> Option<(Origin, Uri)> {
    let secure = *uri.scheme()? == Scheme::HTTPS;
    if !secure && *uri.scheme()? != Scheme::HTTP {
        return None;
    }
    let authority = uri.authority().filter(|authority| !authority.host().is_empty())?;
    let tls = secure.then(UpstreamTls::default);
    let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let origin = Origin::new(authority.host(), port, Protocol::Auto, tls);
    let origin = if via.is_some() { origin.tuned(Tuning { via, ..Tuning::default() }) } else { origin };
    let path = uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| path.clone().into());
    Some((origin, path))
}

/// A file, read where nobody waits for the disk.
pub(super) async fn file(path: &str) -> Result<Vec<u8>, Unfetched> {
    let wanted = path.to_owned();
    let found = spawn_blocking(move || std::fs::read(wanted)).await;
    found
        .unwrap_or_else(|_| Err(io::Error::other("the read was given up")))
        .map_err(|error| Unfetched::File { path: path.to_owned(), error })
}

// === impl Answer ===

impl Answer {
    /// What is read from a good answer, or what a bad one says.
    pub(super) fn parse<T>(&self, parse: impl FnOnce(&[u8]) -> Result<T, BadAnswer>) -> Result<T, Unfetched> {
        let bad = |answer| Unfetched::Bad { host: self.host.clone(), status: self.status, answer };
        match parse(&self.body) {
            Ok(_) if !self.status.is_success() => Err(bad(BadAnswer::Garbage)),
            parsed => parsed.map_err(bad),
        }
    }

    /// The answer as one line of text.
    pub(super) fn line(&self) -> Result<&[u8], Unfetched> {
        let line = self.body.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        if self.status.is_success() && !line.is_empty() {
            Ok(line)
        } else {
            let (host, status) = (self.host.clone(), self.status);
            Err(Unfetched::Bad { host, status, answer: BadAnswer::Garbage })
        }
    }
}
