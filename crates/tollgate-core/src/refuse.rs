use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use tollgate_auth::{Denial, Unsigned};
use tollgate_llm::{BadRequest, Fault, Untranslatable};
use tollgate_snapshot::{Abort, Problem};
use tollgate_types::ModelId;

use crate::{Failure, HeadFault, LocalReply, Record, limit, local, prelude};

/// Most characters of a client's word that an error repeats.
const QUOTED: usize = 256;

/// A request that gets no backend's answer, and why.
#[derive(Debug)]
pub struct Refused {
    /// The request up to here; settle it.
    pub record: Box<Record>,
    /// Why.
    pub refusal: Refusal,
}

/// Whose fault it is, and what the client is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No listener or no route claims this host and path.
    #[error("no route matches {}", short(.0))]
    NoRoute(String),
    /// The `host` header does not say which host is meant (RFC 9112, 3.2).
    #[error("invalid host header: {0}")]
    BadHost(&'static str),
    /// The listener takes no such head.
    #[error(transparent)]
    BadHead(#[from] HeadFault),
    /// The connection was opened for another listener's name (RFC 9110, 15.5.20).
    #[error("this connection is not meant for host {}; open a new one", short(.0))]
    Misdirected(String),
    /// A policy does not let the caller in; with the challenge that says how to come back.
    #[error("{}", .0.0)]
    Denied(Box<(Denial, Option<HeaderValue>)>),
    /// An external authorization service does not let the caller in, and says so in its own words.
    #[error("denied by the external authorization service")]
    Vetoed(Box<LocalReply>),
    /// The external authorization service did not answer; the status that is configured for that.
    #[error("the external authorization service did not answer")]
    Unvetted(StatusCode),
    /// A limit is reached.
    #[error("limit {} of {} is reached; try again in {} s", .0.rule, limit::words(.0.limit), .0.retry_after)]
    Limited(Box<tollgate_limit::Refused>),
    /// The counters cannot be reached, and nobody is let through without them.
    #[error("the store of the rate limits cannot be reached")]
    Uncounted,
    /// The endpoint takes another method.
    #[error("method not allowed; use {0}")]
    MethodNotAllowed(&'static str),
    /// The body cannot be read as what its path says it is.
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    /// The body is compressed, and the model in it decides where it goes.
    #[error("content-encoding {} is not taken for request bodies; send the body as it is", short(.0))]
    Encoded(String),
    /// No route serves this model.
    #[error("model {} is not configured in the gateway; GET /v1/models lists what is", short(.0.as_str()))]
    NoModel(ModelId),
    /// The body is larger than we hold; the limit is in bytes.
    #[error("the request body is larger than the limit of {0} bytes")]
    TooLarge(usize),
    /// The body did not arrive in time.
    #[error("the request body did not arrive within {0:?}")]
    SlowBody(Duration),
    /// The client's limit for a whole request passed while its body was streamed.
    #[error("the request did not arrive in time")]
    LateBody,
    /// The client broke off while sending its body.
    #[error("the request body ended early")]
    BrokenBody,
    /// The backend cannot be asked this.
    #[error(transparent)]
    Untranslatable(#[from] Untranslatable),
    /// Configuration that is broken fails closed and names itself.
    #[error("the configuration of this route is broken: {0}")]
    Broken(Arc<Problem>),
    /// The provider would not know us, or not take us for who pays.
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    /// It fails on purpose.
    #[error("fault filter abort")]
    Injected(Abort),
    /// Too many requests before it failed.
    #[error("turned away, since too many requests before it failed")]
    Shed,
    /// The policy lets no connection be upgraded to this protocol.
    #[error("connections are not upgraded to {} here", short(.0))]
    NoUpgrade(String),
    /// Nobody to ask.
    #[error("no healthy upstream")]
    NoEndpoints,
    /// Everybody who could be asked failed; carries the last failure.
    #[error("upstream connect error or disconnect/reset before headers. reset reason: {0}")]
    Upstream(Failure),
    /// `timeouts.request` passed.
    #[error("upstream request timeout: no complete reply within {0:?}")]
    Deadline(Duration),
}

// === impl Refused ===

impl Refused {
    /// What the client gets.
    #[must_use]
    pub fn reply(&self) -> LocalReply {
        if let Refusal::Vetoed(reply) = &self.refusal {
            return LocalReply::clone(reply);
        }
        if let Refusal::Injected(abort) = &self.refusal {
            return prelude::aborted(*abort, self.refusal.to_string());
        }
        let status = self.refusal.status();
        let message = self.refusal.to_string();
        let mut headers = HeaderMap::new();
        let body = if self.record.endpoint.is_some() || accepts_json(&self.record.head.headers) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            local::error_body(status, self.refusal.kind(), &message)
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            Bytes::from(message)
        };
        match &self.refusal {
            Refusal::MethodNotAllowed(method) => {
                headers.insert(ALLOW, HeaderValue::from_static(method));
            }
            Refusal::Denied(denied) => {
                if let Some(challenge) = &denied.1 {
                    headers.insert(WWW_AUTHENTICATE, challenge.clone());
                }
            }
            Refusal::Limited(limited) => {
                headers.insert(RETRY_AFTER, limited.retry_after.into());
            }
            Refusal::NoEndpoints | Refusal::Unsigned(Unsigned::NotFetched(_)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Refusal::BadHead(fault) => headers.extend(fault.header()),
            _ => {}
        }
        LocalReply { status, headers, body }
    }
}

/// What a client sent, as far as it is worth repeating: it may be as large as a request.
fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// A client that names JSON among what it accepts; `*/*` alone says nothing.
fn accepts_json(headers: &HeaderMap) -> bool {
    [ACCEPT, CONTENT_TYPE].iter().any(|name| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("json"))
    })
}

// === impl Refusal ===

impl Refusal {
    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute(_) | Self::NoModel(_) => StatusCode::NOT_FOUND,
            Self::Denied(denied) => denied.0.status(),
            Self::Vetoed(reply) => reply.status,
            Self::Unvetted(status) => *status,
            Self::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Uncounted => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BadHead(fault) => fault.status(),
            Self::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadHost(_) | Self::BadRequest(_) | Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::Encoded(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody(_) | Self::LateBody => StatusCode::REQUEST_TIMEOUT,
            Self::Untranslatable(Untranslatable::UnsupportedPair { .. }) => StatusCode::BAD_REQUEST,
            Self::Untranslatable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unsigned(Unsigned::Missing) => StatusCode::UNAUTHORIZED,
            Self::Unsigned(Unsigned::Partial) => StatusCode::BAD_REQUEST,
            Self::Unsigned(Unsigned::NotFetched(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unsigned(Unsigned::Unusable) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Injected(abort) => prelude::abort_status(*abort),
            Self::NoEndpoints | Self::Shed => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoUpgrade(_) => StatusCode::FORBIDDEN,
            Self::Deadline(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Upstream(failure) => match failure {
                Failure::Silent(_) | Failure::Stalled(_) => StatusCode::GATEWAY_TIMEOUT,
                Failure::Protocol(_)
                | Failure::ResetMidway
                | Failure::Reply(
                    Fault::ErrorInReply(_) | Fault::Malformed(_) | Fault::Truncated | Fault::TooLarge(_),
                ) => StatusCode::BAD_GATEWAY,
                Failure::Dns(_)
                | Failure::Connect(_)
                | Failure::ConnectTimeout
                | Failure::Tls(_)
                | Failure::Reset
                | Failure::Refused
                | Failure::Overflow => StatusCode::SERVICE_UNAVAILABLE,
            },
        }
    }

    /// `error.type` of the JSON reply; also a stable word for logs and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoRoute(_) | Self::NoModel(_) => "NotFound",
            Self::Denied(denied) => denied.0.kind(),
            Self::Vetoed(_) => "Forbidden",
            Self::Unvetted(_) => "AuthorizationUnavailable",
            Self::Limited(_) => "RateLimited",
            Self::Uncounted => "RateLimitUnavailable",
            Self::BadHead(fault) => fault.kind(),
            Self::Misdirected(_) => "Misdirected",
            Self::MethodNotAllowed(_) => "MethodNotAllowed",
            Self::BadHost(_) | Self::BadRequest(_) | Self::BrokenBody => "BadRequest",
            Self::Encoded(_) => "UnsupportedMediaType",
            Self::TooLarge(_) => "PayloadTooLarge",
            Self::SlowBody(_) | Self::LateBody => "RequestTimeout",
            Self::Untranslatable(Untranslatable::UnsupportedPair { .. }) => "UnsupportedPair",
            Self::Untranslatable(_) => "UnprocessableEntity",
            Self::Broken(_) => "ConfigurationError",
            Self::Unsigned(Unsigned::Missing) => "Unauthorized",
            Self::Unsigned(Unsigned::Partial) => "BadRequest",
            Self::Unsigned(Unsigned::NotFetched(_)) => "CredentialUnavailable",
            Self::Unsigned(Unsigned::Unusable) => "ConfigurationError",
            Self::Injected(_) => "FaultInjected",
            Self::NoEndpoints => "NoHealthyUpstream",
            Self::Shed => "Overloaded",
            Self::NoUpgrade(_) => "UpgradeNotAllowed",
            Self::Upstream(_) => "UpstreamError",
            Self::Deadline(_) => "UpstreamTimeout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_credential_is_missing_decides_about_the_status() {
        for (unsigned, status, kind) in [
            (Unsigned::Missing, 401, "Unauthorized"),
            (Unsigned::Partial, 400, "BadRequest"),
            (Unsigned::NotFetched(tollgate_auth::TokenId("a".into())), 503, "CredentialUnavailable"),
            (Unsigned::Unusable, 500, "ConfigurationError"),
        ] {
            let refusal = Refusal::from(unsigned);
            assert_eq!((refusal.status().as_u16(), refusal.kind()), (status, kind));
        }
    }

    #[test]
    fn an_error_repeats_256_characters_of_what_the_client_sent() {
        for letter in ["x", "é", "😀"] {
            let said = Refusal::NoModel(letter.repeat(100_000).as_str().into()).to_string();
            assert!(said.contains(&format!("model {}… is not", letter.repeat(256))), "{}", said.len());
            let said = Refusal::NoRoute(letter.repeat(60_000)).to_string();
            assert_eq!(said, format!("no route matches {}…", letter.repeat(256)));
            assert_eq!(short(&letter.repeat(256)), letter.repeat(256));
        }
    }
}
