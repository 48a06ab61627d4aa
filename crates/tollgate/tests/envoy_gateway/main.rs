//! The real Envoy Gateway with our extension server, and the real Envoy with our external processor. What is not
//! installed (`cargo xtask envoy`) is skipped, and says so.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod as_written;
mod budgets;
mod faults;
mod hang;
mod hooks;
mod pickers;
mod pools;
mod setting;
mod silent;
mod twins;

/// Reads the programs for a test, or leaves it with the reason.
macro_rules! installed {
    ($version:expr) => {
        match tollgate_testkit::stack::programs($version) {
            Ok(envoy) => envoy,
            Err(missing) => return eprintln!("skipped: {missing}"),
        }
    };
}
pub(crate) use installed;
