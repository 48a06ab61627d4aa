use tollgate_types::ObjectRef;

use crate::{
    ApiKeys, Authorization, Basic, Caller, Cors, Denial, ExtAuth, Identity, Jwt, KeyRing, TokenCache,
    UnixSeconds, inbound::jwt::Tools,
};

/// What is asked of the callers of some routes: a SecurityPolicy, compiled. Every method that is there must pass.
#[derive(Clone, Debug)]
pub struct Access {
    /// The policy, for those who ask why.
    pub source: ObjectRef,
    /// Which pages may call. Answers preflights before anybody is asked for credentials.
    pub cors: Option<Cors>,
    /// A service that is asked, before all other methods.
    pub ext_auth: Option<ExtAuth>,
    /// API keys.
    pub api_keys: Option<ApiKeys>,
    /// Names and passwords.
    pub basic: Option<Basic>,
    /// Tokens.
    pub jwt: Option<Jwt>,
    /// Who of those who are known may do what.
    pub authorization: Option<Authorization>,
}

// === impl Access ===

impl Access {
    /// Asks nothing yet.
    #[must_use]
    pub const fn new(source: ObjectRef) -> Self {
        Self {
            source,
            cors: None,
            ext_auth: None,
            api_keys: None,
            basic: None,
            jwt: None,
            authorization: None,
        }
    }

    /// Finds out who calls: API key, password, token, in this order.
    ///
    /// # Errors
    /// What to answer. Where [`Denial::refresh`] names a key set, fetch it anew and ask once more.
    pub fn authenticate(
        &self,
        caller: &Caller<'_>,
        keys: &impl KeyRing,
        cache: &mut TokenCache,
        now: UnixSeconds,
    ) -> Result<Identity, Denial> {
        let mut identity = Identity::default();
        if let Some(api_keys) = &self.api_keys {
            api_keys.verify(caller, &mut identity)?;
        }
        if let Some(basic) = &self.basic {
            basic.verify(caller, &mut identity)?;
        }
        if let Some(jwt) = &self.jwt {
            jwt.verify(caller, Tools { keys, cache, now }, &mut identity)?;
        }
        Ok(identity)
    }

    /// Whether the one who calls may do this.
    ///
    /// # Errors
    /// [`Denial::Forbidden`]
    pub fn authorize(&self, caller: &Caller<'_>, identity: &Identity) -> Result<(), Denial> {
        self.authorization.as_ref().map_or(Ok(()), |authorization| authorization.check(caller, identity))
    }
}
