//! What requests have to ask others, made real: limit stores, key sets, external authorization.

mod answer;
mod keys;

pub use self::keys::{BadSource, KeyFetcher, KeySets, KeySource, KeyState};
