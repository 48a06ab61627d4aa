//! Builders, a fake clock and the golden walker for the other crates' tests.

mod golden;

pub use self::golden::{Case, cases};
