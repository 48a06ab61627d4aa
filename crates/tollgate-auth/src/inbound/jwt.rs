//! Tokens: JWS in compact form (RFC 7515) with claims (RFC 7519), verified by keys of a JWKS (RFC 7517).

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use crate::{Caller, Denial, Identity, Place, UnixSeconds, inbound::place::MAX_CREDENTIALS};

mod algorithm;
mod cache;
mod claims;
mod fault;
mod keys;
mod token;

use self::{cache::Fingerprint, token::Token};
pub use self::{
    cache::TokenCache,
    claims::Claims,
    fault::TokenFault,
    keys::{BadKeySet, KeyOrigin, KeyRing, KeySet, KeySourceId, Keys},
};

/// Longest token that is read, in bytes.
const MAX_TOKEN: usize = 64 * 1024;

/// How far the clocks of issuers may be off, as Envoy has it.
const SKEW_SECONDS: u64 = 60;

/// Tokens that are asked for (SecurityPolicy `jwt`).
#[derive(Clone, Debug)]
pub struct Jwt {
    /// Whose tokens; one of them will do.
    pub providers: Vec<Provider>,
    /// What follows where there is none.
    pub leniency: Leniency,
}

/// What happens to requests without a good token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leniency {
    /// 401
    #[default]
    Required,
    /// None is fine, a bad one is not (`optional`).
    Optional,
    /// Whatever it is, the request passes, as nobody (`failOpen`).
    FailOpen,
}

/// Somebody whose tokens are believed.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name in the policy.
    pub name: Arc<str>,
    /// What `iss` must be; none: unchecked.
    pub issuer: Option<Box<str>>,
    /// `aud` must have one of these; empty: unchecked.
    pub audiences: Vec<Box<str>>,
    /// Its keys.
    pub keys: Keys,
    /// Where tokens stand; every token found in any of them must be good.
    pub places: Vec<Place>,
    /// What backends are told.
    pub claims_to_headers: Vec<ClaimToHeader>,
    /// True where the route may depend on those headers.
    pub recompute_route: bool,
}

/// A claim that backends get as a header.
#[derive(Clone, Debug)]
pub struct ClaimToHeader {
    /// Of what the client sends under this name nothing is left.
    pub header: HeaderName,
    /// Which; dots lead into objects.
    pub claim: Box<str>,
}

/// What verification needs beside the token.
pub(crate) struct Tools<'a, R> {
    pub(crate) keys: &'a R,
    pub(crate) cache: &'a mut TokenCache,
    pub(crate) now: UnixSeconds,
}

// === impl Jwt ===

impl Jwt {
    pub(crate) fn verify(
        &self,
        caller: &Caller<'_>,
        mut tools: Tools<'_, impl KeyRing>,
        identity: &mut Identity,
    ) -> Result<(), Denial> {
        for edit in self.providers.iter().flat_map(|provider| &provider.claims_to_headers) {
            identity.replace(&edit.header, None);
        }
        let mut worst = TokenFault::Missing;
        for provider in &self.providers {
            match provider.verify(caller, &mut tools) {
                Ok(claims) => {
                    provider.tell(&claims, identity);
                    identity.claims.push((Arc::clone(&provider.name), claims));
                    return Ok(());
                }
                // What a provider says that knows the token tells more than what the others say.
                Err(fault) if fault.rank() > worst.rank() => worst = fault,
                Err(_) => {}
            }
        }
        match (self.leniency, worst) {
            (Leniency::FailOpen, _) | (Leniency::Optional, TokenFault::Missing) => Ok(()),
            (Leniency::Required | Leniency::Optional, fault) => Err(Denial::Token(fault)),
        }
    }
}

// === impl Provider ===

impl Provider {
    /// Where tokens are looked for unless a policy says otherwise.
    #[must_use]
    pub fn usual_places() -> Vec<Place> {
        vec![
            Place::Header { name: http::header::AUTHORIZATION, prefix: "Bearer ".into() },
            Place::Param("access_token".into()),
        ]
    }

    /// Gives the claims of the first token. Others must be good as well: a backend may read another one than we do.
    fn verify(
        &self,
        caller: &Caller<'_>,
        tools: &mut Tools<'_, impl KeyRing>,
    ) -> Result<Arc<Claims>, TokenFault> {
        let mut first = None;
        let mut seen: SmallVec<[_; 2]> = SmallVec::new();
        for place in &self.places {
            for token in place.find(caller) {
                if seen.contains(&token) {
                    continue;
                }
                if seen.len() >= MAX_CREDENTIALS {
                    return Err(TokenFault::TooMany);
                }
                let claims = self.claims(&token, tools)?;
                first.get_or_insert(claims);
                seen.push(token);
            }
        }
        first.ok_or(TokenFault::Missing)
    }

    fn claims(&self, text: &str, tools: &mut Tools<'_, impl KeyRing>) -> Result<Arc<Claims>, TokenFault> {
        if text.len() > MAX_TOKEN {
            return Err(TokenFault::TooLarge);
        }
        let keys = match &self.keys {
            Keys::Local(keys) => Some(Arc::clone(keys)),
            Keys::Remote(source) => tools.keys.keys(source),
        };
        let fingerprint = keys.as_ref().map(|keys| Fingerprint::new(keys, text));
        if let Some(claims) = fingerprint.as_ref().and_then(|print| tools.cache.get(print)) {
            self.accepts(&claims, tools.now)?;
            self.is_for_us(&claims)?;
            return Ok(claims);
        }
        let token = Token::parse(text)?;
        self.accepts(&token.claims, tools.now)?;
        let (Some(keys), Some(fingerprint)) = (keys, fingerprint) else {
            return Err(self.keys.missing());
        };
        keys.verify(&token, self.keys.source())?;
        let claims = Arc::new(token.claims);
        tools.cache.put(fingerprint, text.len(), &claims);
        self.is_for_us(&claims)?;
        Ok(claims)
    }

    /// Whose token it is, and whether its time is now.
    fn accepts(&self, claims: &Claims, now: UnixSeconds) -> Result<(), TokenFault> {
        if self.issuer.as_deref().is_some_and(|issuer| claims.issuer() != Some(issuer)) {
            return Err(TokenFault::Issuer);
        }
        if claims.expires().is_some_and(|end| now.0 > end.0.saturating_add(SKEW_SECONDS)) {
            return Err(TokenFault::Expired);
        }
        if claims.begins().is_some_and(|start| now.0.saturating_add(SKEW_SECONDS) < start.0) {
            return Err(TokenFault::NotYetValid);
        }
        Ok(())
    }

    fn is_for_us(&self, claims: &Claims) -> Result<(), TokenFault> {
        let ours = |audience: &str| self.audiences.iter().any(|ours| **ours == *audience);
        if self.audiences.is_empty() || claims.audiences().any(ours) {
            Ok(())
        } else {
            Err(TokenFault::Audience)
        }
    }

    fn tell(&self, claims: &Claims, identity: &mut Identity) {
        identity.recompute_route |= self.recompute_route;
        for ClaimToHeader { header, claim } in &self.claims_to_headers {
            let text = claims.text(claim).filter(|text| !text.chars().any(char::is_control));
            let value = text.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok());
            if value.is_some() {
                identity.replace(header, value);
            }
        }
    }
}
