use std::{collections::HashMap, fmt, sync::Arc};

use aws_lc_rs::digest::{Context, SHA256};

use crate::{Claims, KeySet};

/// SHA-256 over a key set and a token: the claim "these keys signed this token", which no policy changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

/// Tokens whose signatures were verified, one cache per core.
///
/// Only that is remembered which stays true: the signature. Issuer, audience and times are looked at with every
/// request. New keys of an issuer make new fingerprints, so a key that was taken back stops working at once.
///
/// Two halves: the new one is filled, and when it is full the old one is forgotten and they change places. A token
/// that is used moves to the new half. So the room is bounded and nothing has to be searched for.
pub struct TokenCache {
    new: Half,
    old: Half,
    /// For each half.
    max_tokens: usize,
    /// For each half; counts tokens as they came, of which their claims are about three quarters.
    max_bytes: usize,
}

#[derive(Default)]
struct Half {
    entries: HashMap<Fingerprint, Entry, foldhash::fast::FixedState>,
    bytes: usize,
}

struct Entry {
    claims: Arc<Claims>,
    bytes: usize,
}

// === impl Fingerprint ===

impl Fingerprint {
    pub(crate) fn new(keys: &KeySet, token: &str) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(keys.digest());
        hash.update(token.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(hash.finish().as_ref());
        Self(out)
    }
}

// === impl TokenCache ===

impl TokenCache {
    /// Holds at most this many tokens of at most this many bytes together.
    #[must_use]
    pub fn new(max_tokens: usize, max_bytes: usize) -> Self {
        Self {
            new: Half::default(),
            old: Half::default(),
            max_tokens: max_tokens / 2,
            max_bytes: max_bytes / 2,
        }
    }

    /// How many it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.new.entries.len() + self.old.entries.len()
    }

    /// True where it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&mut self, fingerprint: &Fingerprint) -> Option<Arc<Claims>> {
        if let Some(entry) = self.new.entries.get(fingerprint) {
            return Some(Arc::clone(&entry.claims));
        }
        let entry = self.old.entries.remove(fingerprint)?;
        self.old.bytes = self.old.bytes.saturating_sub(entry.bytes);
        let claims = Arc::clone(&entry.claims);
        self.insert(*fingerprint, entry);
        Some(claims)
    }

    pub(crate) fn put(&mut self, fingerprint: Fingerprint, bytes: usize, claims: &Arc<Claims>) {
        self.insert(fingerprint, Entry { claims: Arc::clone(claims), bytes });
    }

    fn insert(&mut self, fingerprint: Fingerprint, entry: Entry) {
        if entry.bytes > self.max_bytes || self.max_tokens == 0 {
            return;
        }
        let full = self.new.entries.len() >= self.max_tokens
            || self.new.bytes.saturating_add(entry.bytes) > self.max_bytes;
        if full {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.bytes += entry.bytes;
        if let Some(before) = self.new.entries.insert(fingerprint, entry) {
            self.new.bytes = self.new.bytes.saturating_sub(before.bytes);
        }
    }
}

impl Default for TokenCache {
    /// 4096 tokens, 8 MiB.
    fn default() -> Self {
        Self::new(4096, 8 << 20)
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCache({} tokens)", self.len())
    }
}
