//! Signs provider calls; verifies callers. Keys and the time are arguments.
//!
//! ```text
//! Caller ─▶ Access::authenticate(keys, cache, now) ─▶ Identity ─▶ Access::authorize ─▶ Identity::apply(headers)
//!             apiKey, basic, jwt: all must pass         │
//!                                                       └ Denial: status, www-authenticate, words
//! Credential::apply(call, client, (tokens, now))        what providers want to see of us
//! ```

mod inbound;
mod upstream;

pub use self::{
    inbound::{
        Access, Action, ApiKeys, Arrival, Attributes, Authorization, BadHtpasswd, BadKeySet, Basic,
        BodyToAuth, Caller, ClaimToHeader, Claims, Cors, Denial, Expression, ExtAuth, ExtAuthId,
        ExtAuthProtocol, HeaderChange, HeaderRule, HttpPath, Identity, InvalidExpression, Jwt, JwtRule,
        KeyOrigin, KeyRing, KeySet, KeySourceId, Keys, Leniency, OnFailure, Operation, OriginRule, PathRule,
        PathShape, Place, Principal, Provider, RepeatedKey, RequiredClaim, Root, Rule, TokenCache,
        TokenFault, UnixSeconds, Vetted, parse_expression,
    },
    upstream::{
        AssumeRole, AwsKeys, BadAnswer, BadKeyFile, BadProfile, Brings, ClientLogin, Credential, Discovery,
        GoogleFile, GoogleSubject, Grant, Granted, InvalidCredential, Outbound, Own, OwnShape, Profile,
        Scope, Signable, Signed, Token, TokenId, TokenRequest, TokenRing, TokenSource, Unsigned, aws_grants,
        azure_grants, google_grants,
    },
};
