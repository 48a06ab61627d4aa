use std::sync::{Arc, OnceLock};

/// Something that is learnt while a snapshot serves, and that the next snapshot goes on with.
#[derive(Debug)]
pub(crate) struct Kept<T>(OnceLock<Arc<T>>);

// === impl Kept ===

impl<T: Default> Kept<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(crate) fn get(&self) -> &T {
        self.0.get_or_init(Arc::default)
    }

    /// From here on both have the same; changes nothing where this one is in use already.
    pub(crate) fn go_on_from(&self, before: &Self) {
        let (Ok(()) | Err(_)) = self.0.set(Arc::clone(before.0.get_or_init(Arc::default)));
    }
}
