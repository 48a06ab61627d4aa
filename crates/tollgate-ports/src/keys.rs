//! Key sets that are fetched (`remoteJWKS`): one task a source fetches, all cores read without a lock.
//!
//! ```text
//! KeyFetcher::serve(sources) ─▶ a task for each: fetch ─▶ Held ◀─ KeySets::keys          every core, no wait
//!                                     ▲                    └────▶ KeySets::refreshed     waits for the next fetch
//!                                     └─ before the cache time ends, after a failure, or when a key is missed
//! ```

mod fetch;
mod fetcher;
mod sets;
mod source;

pub use self::{
    fetcher::KeyFetcher,
    sets::{KeySets, KeyState},
    source::{BadSource, KeySource},
};
