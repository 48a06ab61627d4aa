use std::{sync::Arc, time::Duration};

use http::Uri;
use tollgate_auth::{ExtAuthId, KeySourceId};

use crate::Upstream;

/// A key set that is fetched in the background, for policies that verify tokens by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// By this name providers ask for its keys; the same over reloads for the same place.
    pub id: KeySourceId,
    /// Path and host of the request.
    pub uri: Uri,
    /// Who is asked.
    pub upstream: Arc<Upstream>,
    /// How long a fetched set is good; it is fetched anew before that. 300 s unless configured.
    pub cache: Duration,
    /// First pause after a fetch that failed; grows with each further one. 1 s unless configured.
    pub retry: Duration,
    /// How long one fetch may take.
    pub timeout: Duration,
}

/// A service that is asked whether callers may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorizer {
    /// By this name policies ask for it.
    pub id: ExtAuthId,
    /// What it is called in the `host` header.
    pub authority: Arc<str>,
    /// Where it is.
    pub upstream: Arc<Upstream>,
}
