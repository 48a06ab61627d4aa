//! Signs provider calls; verifies callers. Keys and the time are arguments.

mod credential;

pub use self::credential::{Credential, InvalidCredential};
