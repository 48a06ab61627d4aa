use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header::COOKIE};
use smallvec::SmallVec;

use crate::{Claims, Place, inbound::place};

/// Who a caller is, as far as it was verified, and what that changes in the request.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Verified claims by the name of the provider.
    pub claims: SmallVec<[(Arc<str>, Arc<Claims>); 1]>,
    /// The client whose API key it is.
    pub client_id: Option<Arc<str>>,
    /// The user of basic authentication.
    pub user: Option<Arc<str>>,
    /// True where headers were set of which the route may depend (`recomputeRoute`).
    pub recompute_route: bool,
    /// Headers that say who it is: set, or (`None`) removed whatever the client sent.
    edits: SmallVec<[(HeaderName, Option<HeaderValue>); 4]>,
    params: Vec<Box<str>>,
    cookies: Vec<Box<str>>,
}

// === impl Identity ===

impl Identity {
    /// The claims that this provider's token carried.
    #[must_use]
    pub fn claims_of(&self, provider: &str) -> Option<&Claims> {
        self.claims.iter().find(|(name, _)| &**name == provider).map(|(_, claims)| &**claims)
    }

    /// Makes the headers say who the caller is: what the client itself said about that is gone, and so are the keys
    /// that are not to be forwarded.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.edits {
            match value {
                Some(value) => {
                    headers.insert(name, value.clone());
                }
                None => {
                    headers.remove(name);
                }
            }
        }
        if !self.cookies.is_empty() && headers.contains_key(COOKIE) {
            place::remove_cookies(headers, &self.cookies);
        }
    }

    /// True where [`Identity::query`] has to be asked for what is forwarded.
    #[must_use]
    pub fn edits_query(&self) -> bool {
        !self.params.is_empty()
    }

    /// The query without the keys that are not to be forwarded; `None` where nothing is left of it.
    #[must_use]
    pub fn query(&self, query: &str) -> Option<String> {
        place::without_params(query, &self.params)
    }

    /// The values of a header as a backend would see them: after [`Identity::apply`].
    pub(crate) fn seen<'a>(
        &'a self,
        headers: &'a HeaderMap,
        name: &HeaderName,
    ) -> impl Iterator<Item = &'a HeaderValue> {
        let edit =
            self.edits.iter().rev().find(|(edited, _)| edited == name).map(|(_, value)| value.as_ref());
        let own = edit.is_none().then(|| headers.get_all(name).iter());
        edit.flatten().into_iter().chain(own.into_iter().flatten())
    }

    /// Sets a header, or removes what the client sent under this name.
    pub(crate) fn replace(&mut self, name: &HeaderName, value: Option<HeaderValue>) {
        match self.edits.iter_mut().find(|(edited, _)| edited == name) {
            Some((_, edit)) => *edit = value,
            None => self.edits.push((name.clone(), value)),
        }
    }

    pub(crate) fn strip(&mut self, place: &Place) {
        match place {
            Place::Header { name, .. } => self.replace(name, None),
            Place::Cookie(name) => self.cookies.push(name.clone()),
            Place::Param(name) => self.params.push(name.clone()),
        }
    }
}
