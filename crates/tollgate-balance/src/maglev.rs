/// A hash that every gateway of a fleet computes alike, over restarts and versions (FNV-1a, then mixed).
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let sum = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    mix(sum)
}

pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Which endpoint each place of the table belongs to (Eisenbud and others, "Maglev", section 3.4): every endpoint
/// takes in turn the next free place of its own permutation, so that shares are even and a change moves little.
pub(crate) fn table(names: &[&str], size: u32) -> Box<[u32]> {
    let size = usize::try_from(size.max(2)).unwrap_or(2);
    let mut places: Vec<Option<u32>> = vec![None; size];
    let mut walks: Vec<(usize, usize)> = names
        .iter()
        .map(|name| {
            let (first, second) = (hash(name.as_bytes()), mix(hash(name.as_bytes()) ^ 0x9e37_79b9_7f4a_7c15));
            (narrow(first, size), narrow(second, size - 1) + 1)
        })
        .collect();
    let mut free = if names.is_empty() { 0 } else { size };
    while free > 0 {
        for (position, (at, step)) in (0_u32..).zip(&mut walks) {
            // A size that is no prime may close a walk early: each takes at most one round before it steps aside.
            let Some(place) = (0..size).find_map(|_| {
                let here = *at;
                *at = (*at + *step) % size;
                places.get(here).is_some_and(Option::is_none).then_some(here)
            }) else {
                *at = (*at + 1) % size;
                continue;
            };
            if let Some(slot) = places.get_mut(place) {
                *slot = Some(position);
            }
            free -= 1;
            if free == 0 {
                break;
            }
        }
    }
    places.into_iter().map(Option::unwrap_or_default).collect()
}

/// A number below `size` from 64 random bits.
pub(crate) fn narrow(random: u64, size: usize) -> usize {
    usize::try_from((u128::from(random) * size as u128) >> 64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_a_lost_endpoint_moves_little_else() {
        let names: Vec<String> = (0..10).map(|n| format!("10.0.0.{n}:80")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let before = table(&all, 65_537);
        let share = |of| before.iter().filter(|&&at| at == of).count();
        assert!((0..10).all(|of| (6_500..=6_600).contains(&share(of))), "{:?}", share(0));
        let after = table(&all[..9], 65_537);
        let moved = before.iter().zip(&after).filter(|(was, is)| **was != 9 && was != is).count();
        assert!(moved < 65_537 / 10, "{moved}");
    }

    #[test]
    fn a_size_that_is_no_prime_is_filled_all_the_same() {
        assert_eq!(table(&["a", "b", "c"], 12).len(), 12);
        assert_eq!(table(&[], 7).len(), 7);
    }
}
