//! Verifies callers: what a SecurityPolicy asks of them, compiled. One file per method.

mod caller;
mod place;

mod api_key;
mod basic;
mod jwt;

mod attributes;
mod authorization;
mod cors;
mod expression;
mod ext_auth;

mod access;
mod denial;
mod identity;
mod vetted;

pub use self::{
    access::Access,
    api_key::{ApiKeys, RepeatedKey},
    attributes::Attributes,
    authorization::{
        Action, Authorization, HeaderRule, JwtRule, Operation, PathRule, PathShape, Principal, RequiredClaim,
        Rule,
    },
    basic::{BadHtpasswd, Basic},
    caller::{Arrival, Caller, UnixSeconds},
    cors::{Cors, OriginRule},
    denial::Denial,
    expression::{Expression, InvalidExpression, Root, parse_expression},
    ext_auth::{BodyToAuth, ExtAuth, ExtAuthId, ExtAuthProtocol, HttpPath, OnFailure},
    identity::Identity,
    jwt::{
        BadKeySet, ClaimToHeader, Claims, Jwt, KeyOrigin, KeyRing, KeySet, KeySourceId, Keys, Leniency,
        Provider, TokenCache, TokenFault,
    },
    place::Place,
    vetted::{HeaderChange, Vetted},
};
