use std::{collections::HashMap, fmt, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use http::{HeaderName, HeaderValue};
use tollgate_types::Secret;

use crate::{Caller, Denial, Identity, Place};

type Hash = [u8; 32];

/// Who may call by a key (SecurityPolicy `apiKeyAuth`).
///
/// Keys are looked up by their SHA-256, so what the time of a look-up tells is nothing about a key.
#[derive(Clone)]
pub struct ApiKeys {
    clients: HashMap<Hash, Arc<str>>,
    places: Vec<Place>,
    forward: Option<HeaderName>,
    sanitize: bool,
}

/// Two clients have the same key. Does not repeat the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("clients {first} and {second} have the same API key")]
pub struct RepeatedKey {
    /// Who came first.
    pub first: Arc<str>,
    /// Who has it as well.
    pub second: Arc<str>,
}

// === impl ApiKeys ===

impl ApiKeys {
    /// `clients` are client ids with their keys, byte for byte; of a repeated id the first stays. `places` are tried
    /// in order, and the first that holds a value decides.
    ///
    /// # Errors
    /// [`RepeatedKey`]
    pub fn new(
        clients: impl IntoIterator<Item = (Arc<str>, Secret)>,
        places: Vec<Place>,
    ) -> Result<Self, RepeatedKey> {
        let mut by_hash: HashMap<Hash, Arc<str>> = HashMap::new();
        let mut ids = std::collections::HashSet::new();
        for (id, key) in clients {
            // An empty key would let in whoever sends none.
            if key.is_empty() || !ids.insert(Arc::clone(&id)) {
                continue;
            }
            if let Some(first) = by_hash.get(&hash(key.expose())) {
                return Err(RepeatedKey { first: Arc::clone(first), second: id });
            }
            by_hash.insert(hash(key.expose()), id);
        }
        Ok(Self { clients: by_hash, places, forward: None, sanitize: false })
    }

    /// Tells the backend the client id in this header (`forwardClientIDHeader`).
    #[must_use]
    pub fn forwarded_as(mut self, name: HeaderName) -> Self {
        self.forward = Some(name);
        self
    }

    /// Keeps the keys from the backend (`sanitize`).
    #[must_use]
    pub fn sanitized(mut self) -> Self {
        self.sanitize = true;
        self
    }

    pub(crate) fn verify(&self, caller: &Caller<'_>, identity: &mut Identity) -> Result<(), Denial> {
        let found = self.places.iter().find_map(|place| place.find(caller).into_iter().next());
        let found = found.ok_or(Denial::ApiKey)?;
        let key = found.as_bytes();
        let key = match key.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest.trim_ascii(),
            _ => key,
        };
        let client = self.clients.get(&hash(key)).ok_or(Denial::ApiKey)?;
        if self.sanitize {
            self.places.iter().for_each(|place| identity.strip(place));
        }
        if let Some(name) = &self.forward {
            identity.replace(name, HeaderValue::from_str(client).ok());
        }
        identity.client_id = Some(Arc::clone(client));
        Ok(())
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, places, forward, sanitize } = self;
        f.debug_struct("ApiKeys")
            .field("clients", &clients.len())
            .field("places", places)
            .field("forward", forward)
            .field("sanitize", sanitize)
            .finish()
    }
}

fn hash(key: &[u8]) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, key).as_ref());
    out
}
