//! Asks a service whether a caller may call (`extAuth`): over HTTP, or over gRPC as Envoy does.

use std::{
    fmt,
    net::SocketAddr,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use serde_json::{Map, Value};
use tokio::time::timeout_at;
use tollgate_auth::{Caller, ExtAuth, ExtAuthProtocol, Vetted};
use tollgate_net::{Failure, Origin, Payload, Pool, Safety, UpstreamBody};

mod edits;
mod grpc;
mod http_service;
mod json;
mod messages;

#[cfg(test)]
mod tests;

/// Says that the body in the question is all of it, as Envoy does.
const PARTIAL: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");

/// Largest answer, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Asks services over the connections of one core.
#[derive(Clone, Debug)]
pub struct ExtAuthClient {
    pool: Pool,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtAuthTarget {
    /// Asked in order until one can be reached. For gRPC they speak HTTP/2.
    pub origins: Vec<Origin>,
    /// The `Host` that they are asked for: `name.namespace:port` of the first backend.
    pub authority: HeaderValue,
}

/// What is asked.
pub struct ExtAuthRequest<'a> {
    /// The policy's settings.
    pub settings: &'a ExtAuth,
    /// Who is asked.
    pub target: &'a ExtAuthTarget,
    /// Who calls, and what.
    pub caller: Caller<'a>,
    /// The body, where the settings want it and it is no longer than they allow.
    pub body: Option<Bytes>,
    /// The client's end of the connection.
    pub client: SocketAddr,
    /// Our end of it.
    pub local: SocketAddr,
    /// The HTTP version that the client speaks.
    pub version: Version,
    /// Names the request in both logs (`x-request-id`).
    pub id: &'a str,
    /// When it came.
    pub received: SystemTime,
}

/// What a service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtAuthVerdict {
    /// Go on, with these changes
    Allowed(Vetted),
    /// Answer this
    Denied(ExtAuthDenial),
    /// It said nothing of use: the settings say what follows
    Failed,
}

/// A service's own answer for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtAuthDenial {
    /// Its status.
    pub status: StatusCode,
    /// Its headers; those of the connection are gone.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Its dynamic metadata, for logs.
    pub metadata: Map<String, Value>,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("it has no endpoint")]
    NoOrigin,
    #[error("{0}")]
    Failed(#[from] Failure),
    #[error("no answer in time")]
    Slow,
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer is too large")]
    TooLarge,
    #[error("its answer is not gRPC: {0}")]
    Garbage(&'static str),
    #[error("it answered with gRPC status {0}")]
    Grpc(u32),
    #[error("the question cannot be put")]
    Unaskable,
}

// === impl ExtAuthClient ===

impl ExtAuthClient {
    /// Asks over this pool; has to be used on its `LocalSet`.
    #[must_use]
    pub const fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Asks, and waits as long as the settings say but not beyond `deadline`.
    pub async fn check(&self, request: &ExtAuthRequest<'_>, deadline: Instant) -> ExtAuthVerdict {
        let patience = Instant::now().checked_add(request.settings.timeout);
        let until = patience.map_or(deadline, |patience| patience.min(deadline));
        let answer = Box::pin(self.ask(request));
        match timeout_at(until.into(), answer).await.unwrap_or(Err(Unanswered::Slow)) {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::warn!(service = %request.settings.id, %error, "external authorization failed");
                ExtAuthVerdict::Failed
            }
        }
    }

    async fn ask(&self, request: &ExtAuthRequest<'_>) -> Result<ExtAuthVerdict, Unanswered> {
        match &request.settings.protocol {
            ExtAuthProtocol::Grpc => {
                let question = grpc::question(request)?;
                let answer = self.send(request.target, &question).await?;
                grpc::verdict(answer).await
            }
            ExtAuthProtocol::Http { path, to_backend } => {
                let question = http_service::question(request, path)?;
                let answer = self.send(request.target, &question).await?;
                http_service::verdict(answer, to_backend).await
            }
        }
    }

    /// Asks the origins in order, for as long as none of them can have understood.
    async fn send(
        &self,
        target: &ExtAuthTarget,
        question: &Request<Bytes>,
    ) -> Result<Response<UpstreamBody>, Unanswered> {
        let mut outcome = Err(Unanswered::NoOrigin);
        for origin in &target.origins {
            let mut request = Request::new(Payload::Whole(question.body().clone()));
            request.method_mut().clone_from(question.method());
            request.uri_mut().clone_from(question.uri());
            request.headers_mut().clone_from(question.headers());
            match self.pool.send(origin, request).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => {
                    let over = failure.safety() != Safety::Safe;
                    outcome = Err(failure.into());
                    if over {
                        break;
                    }
                }
            }
        }
        outcome
    }
}

impl fmt::Debug for ExtAuthRequest<'_> {
    /// Without the body and the headers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtAuthRequest({} asked about {:?})", self.settings.id, self.caller)
    }
}
