//! What requests have to ask others, made real: limit stores, key sets, tokens for providers, external authorization.

mod answer;
mod clock;
mod credentials;
mod ext_auth;
mod keys;
pub mod limits;
mod random;

pub use self::{
    clock::Clock,
    credentials::{Clouds, TokenClock, TokenFetcher, TokenState, Tokens},
    ext_auth::{ExtAuthClient, ExtAuthDenial, ExtAuthRequest, ExtAuthTarget, ExtAuthVerdict},
    keys::{BadSource, KeyFetcher, KeySets, KeySource, KeyState},
    random::Random,
};
