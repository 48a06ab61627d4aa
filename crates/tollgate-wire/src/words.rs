//! Looks for bytes of a kind in text, eight at a time: what is near is found at once, what is far at the speed of
//! vectors.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
const WORD: usize = 8;
const BLOCK: usize = 32;

/// The first byte from `at` on that `is_hit`, or else the end. `hits` says the same of eight bytes, the first one
/// lowest: a high bit for each hit, made of [`equal`] and [`below`].
pub(crate) fn first(
    bytes: &[u8],
    mut at: usize,
    (hits, is_hit): (impl Fn(u64) -> u64, impl Fn(u8) -> bool),
) -> usize {
    loop {
        // Keys, numbers and escaped prose end within a few words; only then are the wide blocks worth their set-up.
        for _ in 0..BLOCK / WORD {
            let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<WORD>) else {
                return tail(bytes, at, is_hit);
            };
            let found = hits(u64::from_le_bytes(*word)) & HIGHS;
            if found != 0 {
                return at + (found.trailing_zeros() / 8) as usize;
            }
            at += WORD;
        }
        for block in bytes[at..].as_chunks::<BLOCK>().0 {
            // Bytes and no early exit: the compiler makes vector compares of this, and of bools it does not.
            if block.iter().fold(0, |any, byte| any | u8::from(is_hit(*byte))) != 0 {
                break;
            }
            at += BLOCK;
        }
    }
}

fn tail(bytes: &[u8], at: usize, is_hit: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|byte| is_hit(*byte)).map_or(bytes.len(), |offset| at + offset)
}

/// The high bit of each byte that is `byte`. Bits above the first hit may be wrong, the first is exact: a
/// subtraction borrows upwards only, from a byte that is a hit itself.
pub(crate) const fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * byte as u64);
    difference.wrapping_sub(ONES) & !difference
}

/// The high bit of each byte below `bound`, which is 128 at most; exact as [`equal`] is.
pub(crate) const fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * bound as u64) & !word
}

/// The word with these bits set in each byte.
pub(crate) const fn with(word: u64, bits: u8) -> u64 {
    word | (ONES * bits as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_at_every_distance_and_nothing_before_it() {
        for length in 0..120 {
            for hit in [b'x', 0x1f, 0] {
                let mut text: Vec<u8> = (0..length).map(|at| if at % 3 == 0 { 0xff } else { b' ' }).collect();
                let find = |text: &[u8], at| {
                    let hits = |word| equal(word, b'x') | below(word, 0x20);
                    first(text, at, (hits, |byte| byte == b'x' || byte < 0x20))
                };
                assert_eq!(find(&text, 0), length);
                text.push(hit);
                text.extend_from_slice(b"y!w x");
                for at in 0..length {
                    assert_eq!(find(&text, at), length, "{at}");
                }
            }
        }
    }
}
