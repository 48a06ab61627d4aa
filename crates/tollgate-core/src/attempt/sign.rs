use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tollgate_auth::{Brings, Credential, Outbound, TokenId, UnixSeconds};
use tollgate_snapshot::Backend;

use crate::{AttemptBody, Now, Outgoing, Plan, Ports, Record, Refusal};

/// The namespace of verified claims, as Envoy names it.
const CLAIMS: &str = "envoy.filters.http.jwt_authn";

/// The namespace of what an external authorization service said.
const VETTED: &str = "envoy.filters.http.ext_authz";

/// Who is asked, with what, and at which of its addresses.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) credential: &'a Credential,
    pub(super) backend: &'a Backend,
    pub(super) position: usize,
}

// === impl Plan ===

impl Plan {
    /// The token that has to be fetched before anybody can be asked; `None` where somebody can be asked now.
    #[must_use]
    pub fn awaits(&self, ports: &impl Ports, now: Now) -> Option<&TokenId> {
        let mut first = None;
        for choice in self.rule.choices().iter().filter(|choice| choice.weight > 0) {
            // What is broken answers at once.
            let token = self.lacks(choice.backend.as_ref().ok()?, ports, now)?;
            first = first.or(Some(token));
        }
        first
    }

    /// The token that this backend cannot be asked without, and that is not there.
    pub(super) fn lacks<'a>(
        &self,
        backend: &'a Backend,
        ports: &impl Ports,
        now: Now,
    ) -> Option<&'a TokenId> {
        let credential = backend.credential.as_ref().filter(|credential| credential.token().is_some())?;
        let now = UnixSeconds(now.unix_seconds());
        credential.lacks(&*self.record, (ports.credentials(), now))
    }

    /// Takes out what the client brought for any backend of the rule: it is for that one, and not as it is.
    pub(super) fn strip_own(&self, headers: &mut HeaderMap) {
        let backends = self.rule.choices().iter().filter_map(|choice| choice.backend.as_ref().ok());
        for own in backends.filter_map(|backend| backend.credential.as_ref()?.own()) {
            for name in own.names() {
                headers.remove(name);
            }
        }
    }

    /// Puts the credential on, over all that was decided before.
    pub(super) fn sign(
        &self,
        asked: Asked<'_>,
        outgoing: &mut Outgoing,
        (ports, now): (&impl Ports, Now),
    ) -> Result<(), Refusal> {
        let Asked { credential, backend, position } = asked;
        let Outgoing { method, path, host, headers, body, .. } = outgoing;
        let mut authority = String::new();
        if credential.signs() {
            // What is signed is what is sent: the name may not be found out later.
            let secure = backend.upstream.tls.is_some();
            let address = backend.upstream.addresses.get(position).ok_or(Refusal::NoEndpoints)?;
            authority = address.authority(secure);
            *host = HeaderValue::from_str(&authority).ok();
        }
        let body = match body {
            AttemptBody::Bytes(bytes) => &**bytes,
            AttemptBody::Client | AttemptBody::Form(_) => &[],
        };
        let call = Outbound { method, host: &authority, path, headers, body };
        let now = UnixSeconds(now.unix_seconds());
        Ok(credential.apply(call, &*self.record, (ports.credentials(), now))?)
    }
}

// === impl Record ===

impl Brings for Record {
    fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Verified claims: all of a provider's by its name, or one of them by `provider.claim`; and what an external
    /// authorization service said, by its own names.
    fn metadata(&self, namespace: &str, key: &str) -> Option<Cow<'_, Value>> {
        if let Some(found) = self.found.as_deref().and_then(|found| found.get(namespace)) {
            let inner = || key.split_once('.').and_then(|(outer, key)| found.get(outer)?.get(key));
            return found.get(key).or_else(inner).map(Cow::Borrowed);
        }
        match namespace {
            CLAIMS => {}
            VETTED => return self.vetted()?.get(key).map(Cow::Borrowed),
            _ => return None,
        }
        let claims = |wanted: &str| self.claims_by_provider().find(|(name, _)| *name == wanted);
        match (claims(key), key.split_once('.')) {
            (Some((_, claims)), _) => Some(Cow::Owned(Value::Object(claims.members().clone()))),
            (None, Some((provider, claim))) => claims(provider)?.1.get(claim).map(Cow::Borrowed),
            (None, None) => None,
        }
    }
}
