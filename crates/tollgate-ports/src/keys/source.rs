use std::time::Duration;

use http::{HeaderValue, Uri, uri::Scheme};
use tollgate_auth::KeySourceId;
use tollgate_net::{Origin, Protocol, UpstreamTls};

/// Where a key set is fetched, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// Names the source; the same over reloads as long as it is the same issuer's.
    pub id: KeySourceId,
    /// Who is asked; one that does not answer well is followed by the next. At least one.
    pub origins: Vec<Origin>,
    /// The `Host` that they are asked for.
    pub host: HeaderValue,
    /// Path and query.
    pub path: Uri,
    /// How long a set may be used before a newer one is to be there (`cacheDuration`). 300 s.
    pub cache: Duration,
    /// How soon it is tried again after a failure (`failedRefetchDuration`); doubles with every further one. 1 s.
    pub retry: Duration,
    /// How long one fetch may take. 10 s.
    pub timeout: Duration,
}

/// A `uri` that no key set can be fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSource {
    /// Not `http://host…` or `https://host…`
    #[error("the URI of a key set begins with http:// or https:// and names a host")]
    Uri,
}

// === impl KeySource ===

impl KeySource {
    /// A source at `uri`, found by its host name; over https with the system's authorities.
    ///
    /// # Errors
    /// [`BadSource`]
    pub fn at(id: KeySourceId, uri: &str) -> Result<Self, BadSource> {
        let uri: Uri = uri.parse().map_err(|_| BadSource::Uri)?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(_) | None => return Err(BadSource::Uri),
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or(BadSource::Uri)?;
        let tls = secure.then(UpstreamTls::default);
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let origin = Origin::new(authority.host(), port, Protocol::Auto, tls);
        Ok(Self {
            id,
            host: HeaderValue::from_str(&origin.authority()).map_err(|_| BadSource::Uri)?,
            origins: vec![origin],
            path: uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| path.clone().into()),
            cache: Duration::from_secs(300),
            retry: Duration::from_secs(1),
            timeout: Duration::from_secs(10),
        })
    }

    /// Asks these instead of the host of the URI, which stays the `Host` that they are asked for (`backendRefs`).
    #[must_use]
    pub fn through(mut self, origins: Vec<Origin>) -> Self {
        self.origins = origins;
        self
    }
}
