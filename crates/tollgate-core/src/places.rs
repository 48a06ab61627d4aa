use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tollgate_balance::hash;
use tollgate_types::BackendId;

/// Ids that are remembered, about; half a megabyte.
const SLOTS: usize = 1 << 16;

/// Which backend gave which id, as far as it is remembered.
///
/// It is a hint and forgets: a newer id may take the place of another, and a restart forgets all. Who is not
/// remembered is found by asking.
#[derive(Debug)]
pub struct Places(Box<[AtomicU64]>);

// === impl Places ===

impl Places {
    /// Notes who gave an id.
    pub fn note(&self, id: &str, backend: &BackendId) {
        let hash = hash(id.as_bytes());
        if let Some(slot) = self.slot(hash) {
            slot.store((hash & !MARK) | mark(backend), Relaxed);
        }
    }

    /// True where this backend gave the id, as far as is known.
    #[must_use]
    pub fn is_from(&self, id: &str, backend: &BackendId) -> bool {
        let hash = hash(id.as_bytes());
        self.slot(hash).is_some_and(|slot| slot.load(Relaxed) == (hash & !MARK) | mark(backend))
    }

    fn slot(&self, hash: u64) -> Option<&AtomicU64> {
        self.0.get(usize::try_from(hash).unwrap_or_default() % SLOTS)
    }
}

impl Default for Places {
    fn default() -> Self {
        Self((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }
}

/// The half of an entry that says who; the other half, with its place, says which id.
const MARK: u64 = 0xffff_ffff;

fn mark(backend: &BackendId) -> u64 {
    hash(backend.as_str().as_bytes()) & MARK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_backends_and_nobody_elses() {
        let places = Places::default();
        let [one, two] = ["default/one", "default/two"].map(BackendId::from);
        places.note("file-1", &one);
        assert!(places.is_from("file-1", &one) && !places.is_from("file-1", &two));
        assert!(!places.is_from("file-2", &one));
        places.note("file-1", &two);
        assert!(places.is_from("file-1", &two) && !places.is_from("file-1", &one));
    }
}
