use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
};

/// Fast random numbers for one core (splitmix64), seeded by the system: for ids and shares, never for keys.
#[derive(Debug)]
pub struct Random(Cell<u64>);

// === impl Random ===

impl Random {
    /// Numbers that no other core draws.
    #[must_use]
    pub fn new(core: usize) -> Self {
        Self(Cell::new(RandomState::new().hash_one(core)))
    }

    /// The next 64 bits.
    pub fn word(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// As many words of 64 bits as are wanted.
    pub fn words<const N: usize>(&self) -> [u64; N] {
        std::array::from_fn(|_| self.word())
    }
}
