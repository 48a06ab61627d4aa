//! The authorities by which Envoy's streams tell where they come from. The extension server writes them into the
//! filters, and the processor reads them: they cost nothing, where an attribute has to be worked out for each request.
//! Streams of configurations that know nothing of them have the name of Envoy's cluster there.

/// A listener's chain.
pub(crate) const ROUTER: &str = "router.tollgate";
/// A listener's chain in which nobody behind the processor changes bodies.
pub(crate) const LAST_ROUTER: &str = "last.router.tollgate";
/// A cluster's chain.
pub(crate) const ATTEMPT: &str = "attempt.tollgate";
