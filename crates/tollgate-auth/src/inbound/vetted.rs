use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// What an external service has to say of a request, beside yes or no.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Vetted {
    /// Changes of the request that goes on, in order.
    pub request: Vec<(HeaderName, HeaderChange)>,
    /// Changes of the reply that the client gets, in order.
    pub reply: Vec<(HeaderName, HeaderChange)>,
    /// Its dynamic metadata, for rules, limits and logs.
    pub metadata: Map<String, Value>,
}

/// What happens to a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderChange {
    /// This value, instead of all there are
    Set(HeaderValue),
    /// This value, beside those there are
    Append(HeaderValue),
    /// This value, where there is none
    Add(HeaderValue),
    /// This value, instead of those there are, where there are some
    Overwrite(HeaderValue),
    /// None
    Remove,
}

// === impl Vetted ===

impl Vetted {
    /// Changes the request.
    pub fn apply(&self, headers: &mut HeaderMap) {
        apply(&self.request, headers);
    }

    /// Changes the reply.
    pub fn apply_to_reply(&self, headers: &mut HeaderMap) {
        apply(&self.reply, headers);
    }
}

impl fmt::Debug for Vetted {
    /// Names only: the headers may hold credentials for backends.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |changes: &[(HeaderName, HeaderChange)]| -> Vec<_> {
            changes.iter().map(|(name, _)| name.clone()).collect()
        };
        f.debug_struct("Vetted")
            .field("request", &names(&self.request))
            .field("reply", &names(&self.reply))
            .field("metadata", &self.metadata.len())
            .finish()
    }
}

fn apply(changes: &[(HeaderName, HeaderChange)], headers: &mut HeaderMap) {
    for (name, change) in changes {
        match change {
            HeaderChange::Set(value) => {
                headers.insert(name, value.clone());
            }
            HeaderChange::Append(value) => {
                headers.append(name, value.clone());
            }
            HeaderChange::Add(value) => {
                headers.entry(name).or_insert_with(|| value.clone());
            }
            HeaderChange::Overwrite(value) if headers.contains_key(name) => {
                headers.insert(name, value.clone());
            }
            HeaderChange::Overwrite(_) => {}
            HeaderChange::Remove => {
                headers.remove(name);
            }
        }
    }
}
