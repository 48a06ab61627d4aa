use crate::Standing;

/// One backend that could be asked.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Where it stands in the rule.
    pub position: usize,
    /// 0 is asked first.
    pub priority: u32,
    /// Share within its priority; 0 takes none.
    pub weight: u32,
    /// May it be asked?
    pub standing: Standing,
}

/// Picks one: of the lowest priority that has a backend in service, at random by weight.
///
/// A backend whose ejection is over goes first, for one request, so that it can return. Where every backend is
/// ejected they are asked all the same: a gateway that refuses everything helps nobody.
#[must_use]
pub fn pick(candidates: &[Candidate], random: u64) -> Option<usize> {
    let usable = || candidates.iter().filter(|c| c.weight > 0);
    let up = usable().filter(|c| c.standing == Standing::Up).map(|c| c.priority).min();
    let probe = usable().filter(|c| c.standing == Standing::Probe).min_by_key(|c| c.priority);
    match (up, probe) {
        (None, None) => {
            let first = usable().map(|c| c.priority).min()?;
            weighted(usable().filter(move |c| c.priority == first), random)
        }
        (Some(priority), None) => {
            weighted(usable().filter(move |c| c.priority == priority && c.standing == Standing::Up), random)
        }
        (Some(priority), Some(probe)) if probe.priority > priority => {
            weighted(usable().filter(move |c| c.priority == priority && c.standing == Standing::Up), random)
        }
        (_, Some(probe)) => Some(probe.position),
    }
}

fn weighted<'a>(among: impl Iterator<Item = &'a Candidate> + Clone, random: u64) -> Option<usize> {
    let total: u64 = among.clone().map(|c| u64::from(c.weight)).sum();
    // Multiply-shift instead of a remainder: no bias worth naming, no division.
    let mut at = u64::try_from((u128::from(random) * u128::from(total)) >> 64).unwrap_or_default();
    for candidate in among {
        match at.checked_sub(u64::from(candidate.weight)) {
            Some(rest) => at = rest,
            None => return Some(candidate.position),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(position: usize, priority: u32, weight: u32, standing: Standing) -> Candidate {
        Candidate { position, priority, weight, standing }
    }

    #[test]
    fn shares_follow_the_weights() {
        let both = [candidate(0, 0, 1, Standing::Up), candidate(1, 0, 3, Standing::Up)];
        let picks = (0..1000u64).filter(|i| pick(&both, i * (u64::MAX / 1000)) == Some(0)).count();
        assert!((245..=255).contains(&picks), "{picks}");
    }

    #[test]
    fn the_next_priority_waits_until_the_first_is_out() {
        let mut both = [candidate(0, 0, 1, Standing::Up), candidate(1, 1, 1, Standing::Up)];
        assert_eq!(pick(&both, u64::MAX), Some(0));
        both[0].standing = Standing::Ejected(1);
        assert_eq!(pick(&both, 0), Some(1));
        both[0].standing = Standing::Probe;
        assert_eq!(pick(&both, 0), Some(0));
    }

    #[test]
    fn all_ejected_is_as_good_as_none_ejected() {
        let all = [candidate(0, 0, 1, Standing::Ejected(1)), candidate(1, 1, 1, Standing::Ejected(1))];
        assert_eq!(pick(&all, 0), Some(0));
        assert_eq!(pick(&[candidate(0, 0, 0, Standing::Up)], 0), None);
    }
}
