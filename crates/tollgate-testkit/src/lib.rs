//! Builders, a fake clock and the golden walker for the other crates' tests.

pub mod envoy;
mod golden;
pub mod http;
pub mod limits;
pub mod process;
#[cfg(feature = "processor")]
pub mod processor;
pub mod redis;
pub mod resources;
pub mod socket;
pub mod stack;

pub use self::golden::{Case, cases, folders, notes};
