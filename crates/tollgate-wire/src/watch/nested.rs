//! How text nests, 64 bytes at a time.

use super::{Place, Quote};
use crate::blocks::{Block, bits_of_64};

const WIDTH: usize = 64;

/// What 64 bytes hold, one bit a byte, the first in the lowest.
struct Marks {
    quotes: u64,
    slashes: u64,
    opening: u64,
    closing: u64,
}

/// Where reading is.
struct Reading {
    /// Brackets open.
    depth: usize,
    /// All bits where the next byte is inside of a string, else none.
    within: u64,
    /// The lowest bit where the next byte is behind a backslash.
    escaped: u64,
}

/// Reads on from `place`, which is inside of brackets, to the end of the outermost or of the chunk; true where it
/// has ended.
pub(super) fn read(place: Place, chunk: &[u8], at: &mut usize) -> (Place, bool) {
    let mut reading = Reading::of(place);
    while let Some(rest) = chunk.get(*at..).filter(|rest| !rest.is_empty()) {
        let text = &rest[..rest.len().min(WIDTH)];
        if let Some(end) = reading.take(text) {
            *at += end + 1;
            return (Place::Plain { depth: 0 }, true);
        }
        *at += text.len();
    }
    (reading.place(), false)
}

// === impl Marks ===

impl Marks {
    fn of(text: &[u8]) -> Self {
        if let Some(text) = text.first_chunk::<WIDTH>() {
            return Self::of_all(text);
        }
        let mut padded = [b' '; WIDTH];
        padded[..text.len()].copy_from_slice(text);
        Self::of_all(&padded)
    }

    fn of_all(text: &[u8; WIDTH]) -> Self {
        let blocks = Block::four_of(text);
        Self {
            quotes: bits_of_64(&blocks, |block| block.equal(b'"')),
            slashes: bits_of_64(&blocks, |block| block.equal(b'\\')),
            // `[` and `{`, `]` and `}` differ in one bit.
            opening: bits_of_64(&blocks, |block| block.with(0x20).equal(b'{')),
            closing: bits_of_64(&blocks, |block| block.with(0x20).equal(b'}')),
        }
    }
}

// === impl Reading ===

impl Reading {
    const fn of(place: Place) -> Self {
        match place {
            Place::Plain { depth } => Self { depth, within: 0, escaped: 0 },
            Place::Text { depth, quote: Quote::Open } => Self { depth, within: u64::MAX, escaped: 0 },
            Place::Text { depth, quote: Quote::Escaping } => Self { depth, within: u64::MAX, escaped: 1 },
        }
    }

    const fn place(&self) -> Place {
        let Self { depth, within, escaped } = *self;
        match (within, escaped) {
            (0, _) => Place::Plain { depth },
            (_, 0) => Place::Text { depth, quote: Quote::Open },
            (_, _) => Place::Text { depth, quote: Quote::Escaping },
        }
    }

    /// Reads up to 64 bytes; where the outermost bracket closes, if it does.
    fn take(&mut self, text: &[u8]) -> Option<usize> {
        let (before, last) = (self.escaped, text.len() - 1);
        let marks = Marks::of(text);
        let quotes = marks.quotes & !self.escape(marks.slashes, last);
        // One bit for each byte behind an odd number of quotes.
        let mut within = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            within ^= within << shift;
        }
        within ^= self.within;
        if marks.slashes & !within != 0 {
            self.escaped = before;
            return self.take_by_byte(text);
        }
        self.within = 0_u64.wrapping_sub(within >> last & 1);
        let (opening, closing) = (marks.opening & !within, marks.closing & !within);
        let closed = closing.count_ones() as usize;
        if closed < self.depth {
            self.depth = self.depth + opening.count_ones() as usize - closed;
            return None;
        }
        let mut brackets = opening | closing;
        while brackets != 0 {
            let bit = brackets & brackets.wrapping_neg();
            brackets ^= bit;
            match (bit & closing, self.depth) {
                (0, depth) => self.depth = depth + 1,
                (_, 0 | 1) => return Some(bit.trailing_zeros() as usize),
                (_, depth) => self.depth = depth - 1,
            }
        }
        None
    }

    /// The bytes behind a backslash that is not behind one itself, as if all of them were in strings.
    fn escape(&mut self, slashes: u64, last: usize) -> u64 {
        let mut escaped = self.escaped;
        let mut slashes = slashes & !escaped;
        self.escaped = 0;
        while slashes != 0 {
            let bit = slashes & slashes.wrapping_neg();
            if bit.trailing_zeros() as usize == last {
                self.escaped = 1;
            }
            escaped |= bit << 1;
            slashes &= !(bit | bit << 1);
        }
        escaped
    }

    /// As [`take`](Self::take), also where a backslash is outside of strings: that is no JSON, and escapes nothing.
    fn take_by_byte(&mut self, text: &[u8]) -> Option<usize> {
        for (at, byte) in text.iter().enumerate() {
            match (self.within, self.escaped, byte) {
                (0, _, b'"') => self.within = u64::MAX,
                (0, _, b'{' | b'[') => self.depth += 1,
                (0, _, b'}' | b']') if self.depth <= 1 => return Some(at),
                (0, _, b'}' | b']') => self.depth -= 1,
                (0, ..) => {}
                (_, 1, _) => self.escaped = 0,
                (_, _, b'\\') => self.escaped = 1,
                (_, _, b'"') => self.within = 0,
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place() -> impl Strategy<Value = Place> {
        let quote = prop_oneof![Just(Quote::Open), Just(Quote::Escaping)];
        let plain = (1_usize..4).prop_map(|depth| Place::Plain { depth });
        let text = (1_usize..4, quote).prop_map(|(depth, quote)| Place::Text { depth, quote });
        prop_oneof![plain, text]
    }

    proptest! {
        #[test]
        fn blocks_are_read_as_bytes_are(place in place(), text in "[\\[\\]{}\"\\\\ab]{0,9}([\"\\\\a]{0,80}|[\\[\\]{}\"]{0,150})") {
            let mut slow = Reading::of(place);
            let wanted = match slow.take_by_byte(text.as_bytes()) {
                Some(end) => (Place::Plain { depth: 0 }, true, end + 1),
                None => (slow.place(), false, text.len()),
            };
            let mut at = 0;
            let (place, complete) = read(place, text.as_bytes(), &mut at);
            prop_assert_eq!((place, complete, at), wanted);
        }
    }
}
