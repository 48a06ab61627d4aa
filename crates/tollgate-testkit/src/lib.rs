//! Builders, a fake clock and the golden walker for the other crates' tests.

mod golden;
pub mod resources;

pub use self::golden::{Case, cases};
