//! Builders, a fake clock and the golden walker for the other crates' tests.
