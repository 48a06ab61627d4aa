//! The text that the simulated models write: the same for the same length, one word a token.

use std::{borrow::Cow, ops::Range, sync::Arc};

const WORDS: [&str; 32] = [
    "The", " quick", " brown", " fox", " jumps", " over", " the", " lazy", " dog", " while", " a",
    " patient", " heron", " counts", " silver", " fish", " below", " the", " old", " stone", " bridge",
    " and", " nobody", " in", " the", " village", " asks", " how", " many", " there", " were", ".",
];

/// What a stamped token looks like before it is sent.
pub(crate) const STAMP: &str = "@0000000000000000";

/// A reply's text as the tokens it is made of.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// So many of the words above, over and over.
    Words(u32),
    /// So many stamps.
    Stamps(u32),
    /// Exactly these.
    Pieces(Arc<[Box<str>]>),
}

/// Tokens in a text: one for each four bytes begun. Coarse, but it adds up, and big prompts cost nothing.
pub(crate) const fn count(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

// === impl Text ===

impl Text {
    /// Splits before every space, so that the pieces join to exactly `text`.
    pub(crate) fn split(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut start = 0;
        for (at, _) in text.match_indices(' ').filter(|(at, _)| *at > 0) {
            pieces.push(text[start..at].into());
            start = at;
        }
        if start < text.len() {
            pieces.push(text[start..].into());
        }
        Self::Pieces(pieces.into())
    }

    pub(crate) fn len(&self) -> u32 {
        match self {
            Self::Words(count) | Self::Stamps(count) => *count,
            Self::Pieces(pieces) => u32::try_from(pieces.len()).unwrap_or(u32::MAX),
        }
    }

    pub(crate) fn piece(&self, index: u32) -> &str {
        match self {
            Self::Words(_) => WORDS[index as usize % WORDS.len()],
            Self::Stamps(_) => STAMP,
            Self::Pieces(pieces) => pieces.get(index as usize).map_or("", |piece| piece),
        }
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.piece(index))
    }

    pub(crate) fn joined(&self) -> String {
        self.pieces().collect()
    }

    /// At most so many tokens of it.
    pub(crate) fn truncate(self, most: u32) -> Self {
        match self {
            Self::Words(count) => Self::Words(count.min(most)),
            Self::Stamps(count) => Self::Stamps(count.min(most)),
            Self::Pieces(pieces) => Self::Pieces(pieces.iter().take(most as usize).cloned().collect()),
        }
    }

    /// Cut before the first of `stops` that occurs, and which that was.
    pub(crate) fn stopped(self, stops: &[Cow<'_, str>]) -> (Self, Option<String>) {
        if stops.is_empty() {
            return (self, None);
        }
        let text = self.joined();
        let first = stops
            .iter()
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| text.find(&**stop).map(|at| (at, stop)))
            .min_by_key(|(at, _)| *at);
        match first {
            Some((at, stop)) => (Self::split(&text[..at]), Some(stop.to_string())),
            None => (self, None),
        }
    }
}

/// Appends `text` as the inside of a JSON string.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    let plain: Range<u8> = 0x20..0x80;
    if text.bytes().all(|byte| plain.contains(&byte) && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let quoted = serde_json::Value::from(text).to_string();
    out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
}
