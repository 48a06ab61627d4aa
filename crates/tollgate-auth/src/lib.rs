//! Signs provider calls; verifies callers. Keys and the time are arguments.
//!
//! ```text
//! Caller ─▶ Access::authenticate(keys, cache, now) ─▶ Identity ─▶ Access::authorize ─▶ Identity::apply(headers)
//!             apiKey, basic, jwt: all must pass         │
//!                                                       └ Denial: status, www-authenticate, words
//! Credential::apply(headers)                            what providers want to see of us
//! ```

mod credential;
mod inbound;

pub use self::{
    credential::{Credential, InvalidCredential},
    inbound::{
        Access, Action, ApiKeys, Arrival, Attributes, Authorization, BadHtpasswd, BadKeySet, Basic,
        BodyToAuth, Caller, ClaimToHeader, Claims, Cors, Denial, Expression, ExtAuth, ExtAuthId,
        ExtAuthProtocol, HeaderChange, HeaderRule, HttpPath, Identity, InvalidExpression, Jwt, JwtRule,
        KeyOrigin, KeyRing, KeySet, KeySourceId, Keys, Leniency, OnFailure, Operation, OriginRule, PathRule,
        PathShape, Place, Principal, Provider, RepeatedKey, RequiredClaim, Root, Rule, TokenCache,
        TokenFault, UnixSeconds, Vetted, parse_expression,
    },
};
