//! Tokens for providers: one task a token fetches it, all cores read without a lock.
//!
//! ```text
//! TokenFetcher::serve(sources) ─▶ a task for each: fetch ─▶ Held ◀─ Tokens::token     every core, no wait
//!                                      ▲                    └────▶ Tokens::asked      waits for the first outcome
//!                                      └─ well before the token ends, or after a failure
//! ```

mod asking;
mod aws;
mod clouds;
mod fetch;
mod fetcher;
mod google;
mod tokens;

pub use self::{
    clouds::Clouds,
    fetcher::{TokenClock, TokenFetcher},
    tokens::{TokenState, Tokens},
};
