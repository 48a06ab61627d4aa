use std::{ops::DerefMut, sync::Arc};

use tollgate_auth::{Access, ExtAuthVerdict, KeyRing, KeySourceId, TokenCache};
use tollgate_limit::{Claim, Decision, Store};

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

/// A stage that waits for an answer; give it and call the stage again.
#[derive(Debug)]
pub struct Asking<S> {
    pub(crate) stage: S,
    pub(crate) question: Question,
}
