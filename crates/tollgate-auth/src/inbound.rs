//! Verifies callers: what a SecurityPolicy asks of them, compiled. One file per method.

mod caller;
mod place;

mod api_key;
mod basic;
mod jwt;

mod authorization;
mod cors;
mod ext_auth;

mod access;
mod denial;
mod identity;

pub use self::{
    access::Access,
    api_key::{ApiKeys, RepeatedKey},
    authorization::{
        Action, Authorization, HeaderRule, JwtRule, Operation, PathRule, PathShape, Principal, RequiredClaim,
        Rule,
    },
    basic::{BadHtpasswd, Basic},
    caller::{Caller, UnixSeconds},
    cors::{Cors, OriginRule},
    denial::Denial,
    ext_auth::{BodyToAuth, ExtAuth, ExtAuthId, ExtAuthProtocol, HttpPath, OnFailure},
    identity::Identity,
    jwt::{
        BadKeySet, ClaimToHeader, Claims, Jwt, KeyOrigin, KeyRing, KeySet, KeySourceId, Keys, Leniency,
        Provider, TokenCache, TokenFault,
    },
    place::Place,
};
