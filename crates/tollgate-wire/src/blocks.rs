//! Looks at sixteen bytes of text at once. What is near is found as quickly as by looking at each byte, what is far
//! several times sooner.

use std::ops::BitOr;

use wide::u8x16;

const BLOCK: usize = 16;

/// Sixteen bytes of text.
#[derive(Clone, Copy)]
pub(crate) struct Block(u8x16);

/// Which bytes of a block are of a kind.
#[derive(Clone, Copy)]
pub(crate) struct Hits(u8x16);

/// The first byte from `at` on that is of a kind, or else the end.
#[inline]
pub(crate) fn first(bytes: &[u8], at: usize, kind: impl Fn(Block) -> Hits) -> usize {
    // What is near is found without a call.
    if let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        let found = kind(Block::of(block)).bits();
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
    }
    far(bytes, at, kind)
}

#[inline(never)]
fn far(bytes: &[u8], mut at: usize, kind: impl Fn(Block) -> Hits) -> usize {
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        let found = kind(Block::of(block)).bits();
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += BLOCK;
    }
    let rest = bytes.len().saturating_sub(at);
    if rest == 0 {
        return bytes.len();
    }
    let found = match bytes.last_chunk::<BLOCK>() {
        // Seen before, but for the last of them.
        Some(block) => kind(Block::of(block)).bits() >> (BLOCK - rest),
        None => {
            let mut block = [0; BLOCK];
            block[..rest].copy_from_slice(&bytes[at..]);
            kind(Block::of(&block)).bits() & ((1 << rest) - 1)
        }
    };
    if found == 0 { bytes.len() } else { at + found.trailing_zeros() as usize }
}

/// Which of 64 bytes are of a kind, the first one in the lowest bit.
pub(crate) fn bits_of_64(blocks: &[Block; 4], kind: impl Fn(Block) -> Hits) -> u64 {
    blocks.iter().rev().fold(0, |bits, block| bits << BLOCK | u64::from(kind(*block).bits()))
}

// === impl Block ===

impl Block {
    pub(crate) const fn of(bytes: &[u8; BLOCK]) -> Self {
        Self(u8x16::new(*bytes))
    }

    pub(crate) fn four_of(bytes: &[u8; 64]) -> [Self; 4] {
        let mut blocks = [Self(u8x16::ZERO); 4];
        for (block, bytes) in blocks.iter_mut().zip(bytes.as_chunks::<BLOCK>().0) {
            *block = Self::of(bytes);
        }
        blocks
    }

    pub(crate) fn equal(self, byte: u8) -> Hits {
        Hits(self.0.simd_eq(u8x16::splat(byte)))
    }

    pub(crate) fn at_most(self, byte: u8) -> Hits {
        Hits(self.0.min(u8x16::splat(byte)).simd_eq(self.0))
    }

    /// The block with these bits set in each byte.
    pub(crate) fn with(self, bits: u8) -> Self {
        Self(self.0 | u8x16::splat(bits))
    }
}

// === impl Hits ===

impl Hits {
    /// The first byte's in the lowest bit.
    fn bits(self) -> u32 {
        self.0.to_bitmask()
    }
}

impl BitOr for Hits {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_at_every_distance_and_nothing_before_it() {
        let find = |text: &[u8], at| first(text, at, |block| block.equal(b'x') | block.at_most(0x1f));
        for length in 0..70 {
            for hit in [b'x', 0x1f, 0] {
                let mut text: Vec<u8> = (0..length).map(|at| if at % 3 == 0 { 0xff } else { b' ' }).collect();
                assert_eq!(find(&text, 0), length);
                text.push(hit);
                text.extend_from_slice(b"y!w x");
                for at in 0..length {
                    assert_eq!(find(&text, at), length, "{at}");
                }
            }
        }
    }

    #[test]
    fn bits_are_in_the_order_of_the_bytes() {
        let mut text = [b' '; 64];
        (text[0], text[17], text[63]) = (b'[', b'{', b'{');
        let bits = bits_of_64(&Block::four_of(&text), |block| block.with(0x20).equal(b'{'));
        assert_eq!(bits, 1 | 1 << 17 | 1 << 63);
    }
}
