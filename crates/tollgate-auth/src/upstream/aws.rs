//! What Amazon wants to see of us: keys, where they are written, and requests that are signed with them.

mod host;
mod keys;
mod profile;
mod sign;

pub(crate) use self::{
    host::region_of,
    sign::{SECURITY_TOKEN, SIGNED_HEADERS},
};
pub use self::{
    keys::AwsKeys,
    profile::{BadProfile, Profile},
    sign::{Scope, Signable, Signed},
};
