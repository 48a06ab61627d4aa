use http::{HeaderMap, HeaderValue};
use tollgate_auth::{Credential, Outbound, TokenId, UnixSeconds};
use tollgate_snapshot::Backend;

use crate::{AttemptBody, Now, Outgoing, Plan, Ports, Refusal};

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
        credential.lacks(&self.record.head.headers, (ports.credentials(), now))
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
            AttemptBody::Client => &[],
        };
        let call = Outbound { method, host: &authority, path, headers, body };
        let now = UnixSeconds(now.unix_seconds());
        Ok(credential.apply(call, &self.record.head.headers, (ports.credentials(), now))?)
    }
}
