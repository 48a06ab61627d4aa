//! What requests have to ask others, made real: limit stores, key sets, external authorization.

mod answer;
mod ext_auth;
mod keys;
pub mod limits;

pub use self::{
    ext_auth::{ExtAuthClient, ExtAuthDenial, ExtAuthRequest, ExtAuthTarget, ExtAuthVerdict},
    keys::{BadSource, KeyFetcher, KeySets, KeySource, KeyState},
};
