use std::{ops::DerefMut, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use tollgate_auth::{Access, KeyRing, KeySourceId, TokenCache, TokenRing, Vetted};
use tollgate_limit::{Claim, Decision, Store};

use crate::Refusal;

/// What the stages look up in their host. Nothing here waits; what has to be waited for is a [`Question`].
pub trait Ports {
    /// The key sets by which tokens are verified.
    type Keys: KeyRing;
    /// The counters of limits.
    type Limits: Store;

    /// Key sets that were fetched already.
    fn keys(&self) -> &Self::Keys;
    /// Tokens that were verified already; one cache per core.
    fn tokens(&self) -> impl DerefMut<Target = TokenCache>;
    /// The counters.
    fn limits(&self) -> &Self::Limits;
    /// Tokens for providers that were fetched already; a host that fetches none has none.
    fn credentials(&self) -> &impl TokenRing {
        &()
    }
}

/// What a stage cannot go on without; the host finds out and comes back with the [`Answer`].
#[derive(Debug)]
pub enum Question {
    /// Fetch this key set: it has no key for a token, or was never fetched.
    Keys(KeySourceId),
    /// Ask the external authorization service of this policy.
    ExtAuth(Arc<Access>),
    /// Take these from counters that are kept elsewhere.
    Limits(Vec<Claim>),
}

/// What the host found out.
#[derive(Debug)]
pub enum Answer {
    /// The key set was fetched anew, or could not be.
    Keys,
    /// What the service says.
    ExtAuth(Box<ExtAuthVerdict>),
    /// What the counters say.
    Limits(Decision),
}

/// Whether a policy lets the caller in.
pub(crate) enum Check {
    Passed,
    Denied(Refusal),
    Ask(Question),
}

/// What an external authorization service makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtAuthVerdict {
    /// It may pass, with these changes.
    Allowed(Vetted),
    /// It may not, and this is what the client gets.
    Denied {
        /// The status.
        status: StatusCode,
        /// The headers.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
        /// What else the service says, for logs.
        metadata: Map<String, Value>,
    },
    /// No answer: refused, broken or too late.
    Failed,
}

/// A stage that waits for an answer; give it and call the stage again.
#[derive(Debug)]
pub struct Asking<S> {
    pub(crate) stage: S,
    pub(crate) question: Question,
}

// === impl Question ===

impl Question {
    /// The longest body, in bytes, that whoever is asked takes; `None` where it does not ask for the body. A request
    /// with a longer one is refused, whatever else is configured.
    #[must_use]
    pub fn wants_body(&self) -> Option<usize> {
        match self {
            Self::ExtAuth(access) => Some(access.ext_auth.as_ref()?.body?.max_bytes),
            Self::Keys(_) | Self::Limits(_) => None,
        }
    }
}

// === impl Asking ===

impl<S> Asking<S> {
    /// What has to be found out.
    #[must_use]
    pub const fn question(&self) -> &Question {
        &self.question
    }
}
