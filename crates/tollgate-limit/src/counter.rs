use std::{
    fmt::{self, Write},
    hash::Hasher,
    net::IpAddr,
    sync::Arc,
};

use http::HeaderValue;
use siphasher::sip128::{Hasher128, SipHasher13};
use smallvec::SmallVec;

use crate::Unit;

/// Names the counter a request is counted on: the fixed text of its rule, and the request's own values in it.
///
/// Two counters are the same one exactly where their [`Self::id`] is; the text is made when a store needs it.
#[derive(Clone)]
pub struct Counter {
    id: u128,
    shape: Arc<Shape>,
    values: SmallVec<[Value; 1]>,
}

/// The fixed text around the values, at least one piece; `pieces.len() - 1` values go between.
#[derive(Debug)]
pub(crate) struct Shape {
    pieces: Vec<Box<str>>,
    seed: u64,
}

/// What a request brings into the name of a counter.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Header(HeaderValue),
    Bytes(Box<[u8]>),
    Address(IpAddr),
}

// === impl Counter ===

impl Counter {
    pub(crate) fn new(shape: &Arc<Shape>, unit: Unit, values: SmallVec<[Value; 1]>) -> Self {
        // Keyed by the rule's own text, so values of one rule cannot be chosen to meet those of another.
        let mut hasher = SipHasher13::new_with_keys(shape.seed, u64::from(unit.code()));
        for value in &values {
            value.hash(&mut hasher);
        }
        let id = hasher.finish128().as_u128();
        Self { id, shape: Arc::clone(shape), values }
    }

    /// Stands for the name and the unit in embedded stores. Stable over processes, versions and machines.
    #[must_use]
    pub const fn id(&self) -> u128 {
        self.id
    }

    /// The key of one window in Redis, in the format of envoyproxy/ratelimit; `window` is its first unix second.
    #[must_use]
    pub fn key(&self, window: u64) -> String {
        let mut text = String::with_capacity(160);
        self.write_name(&mut text);
        // Writing to a string cannot fail.
        let _ = write!(text, "_{window}");
        text
    }

    /// The name without a window.
    #[must_use]
    pub fn name(&self) -> String {
        let mut text = String::with_capacity(150);
        self.write_name(&mut text);
        text
    }

    fn write_name(&self, text: &mut String) {
        let mut values = self.values.iter();
        for piece in &self.shape.pieces {
            text.push_str(piece);
            if let Some(value) = values.next() {
                value.write(text);
            }
        }
    }
}

impl fmt::Debug for Counter {
    /// Without values: they may be somebody's key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter").field("id", &self.id).field("shape", &self.shape.pieces).finish()
    }
}

// === impl Shape ===

impl Shape {
    pub(crate) fn new(pieces: Vec<Box<str>>) -> Self {
        let mut hasher = SipHasher13::new_with_keys(0x746f_6c6c, 0x6761_7465);
        for piece in &pieces {
            hasher.write_u64(piece.len() as u64);
            hasher.write(piece.as_bytes());
        }
        Self { pieces, seed: hasher.finish() }
    }

    /// Stands for the text.
    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }
}

// === impl Value ===

impl Value {
    fn hash(&self, hasher: &mut SipHasher13) {
        let mut bytes = |bytes: &[u8]| {
            hasher.write_u64(bytes.len() as u64);
            hasher.write(bytes);
        };
        match self {
            Self::Header(value) => bytes(value.as_bytes()),
            Self::Bytes(value) => bytes(value),
            Self::Address(IpAddr::V4(address)) => bytes(&address.octets()),
            Self::Address(IpAddr::V6(address)) => bytes(&address.octets()),
        }
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Header(value) => text.push_str(&String::from_utf8_lossy(value.as_bytes())),
            Self::Bytes(value) => text.push_str(&String::from_utf8_lossy(value)),
            Self::Address(address) => {
                let _ = write!(text, "{address}");
            }
        }
    }
}
