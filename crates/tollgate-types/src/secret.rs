use std::{fmt, sync::Arc};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A credential: zeroed when the last holder drops it, never printed, compared in constant time.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

// === impl Secret ===

impl Secret {
    /// Takes the bytes as they are; trimming is the caller's decision.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes.into())))
    }

    /// The bytes, for the one place that puts them on the wire.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// True where there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_its_bytes() {
        assert_eq!(format!("{:?}", Secret::new("sk-live")), "Secret(..)");
    }
}
