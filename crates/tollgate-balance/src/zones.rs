use std::sync::Arc;

use crate::{
    Ask, LocalZone, Zones,
    maglev::{mix, narrow},
};

/// In which zone each endpoint of a cluster is.
#[derive(Debug)]
pub(crate) struct ZoneMap {
    /// The zone of each endpoint, in their order.
    of: Box<[usize]>,
    /// The weight of each zone.
    weights: Box<[u32]>,
    /// The gateway's own zone, where an endpoint is in it.
    local: Option<usize>,
}

/// Where a request is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    Zone(usize),
    Outside(usize),
}

// === impl ZoneMap ===

impl ZoneMap {
    /// `None` where zones do not count.
    pub(crate) fn new(rule: &Zones, zones: &[Option<Arc<str>>]) -> Option<Self> {
        let mut known: Vec<&Option<Arc<str>>> = Vec::new();
        let mut number = |zone| {
            known.iter().position(|one| *one == zone).unwrap_or_else(|| {
                known.push(zone);
                known.len() - 1
            })
        };
        let of = zones.iter().map(&mut number).collect();
        let name = |zone: &Option<Arc<str>>, wanted: &Arc<str>| zone.as_ref() == Some(wanted);
        let (weights, local) = match rule {
            Zones::Ignored => return None,
            Zones::Local(rule) => (vec![1; known.len()], known.iter().position(|one| name(one, &rule.zone))),
            Zones::Weighted(weights) => {
                let weight = |zone: &&Option<Arc<str>>| {
                    weights.iter().find(|(named, _)| name(zone, named)).map_or(1, |(_, weight)| *weight)
                };
                (known.iter().map(weight).collect(), None)
            }
        };
        Some(Self { of, weights: weights.into(), local })
    }

    pub(crate) fn allows(&self, within: Within, at: usize) -> bool {
        match within {
            Within::Zone(zone) => self.of.get(at) == Some(&zone),
            Within::Outside(zone) => self.of.get(at) != Some(&zone),
        }
    }

    /// Where a request goes while these endpoints are open; `None` is anywhere.
    pub(crate) fn choose(&self, rule: &Zones, ask: &Ask<'_>, open: &dyn Fn(usize) -> bool) -> Option<Within> {
        match rule {
            Zones::Ignored => None,
            Zones::Local(rule) => self.near(rule, ask, &self.counts(open)),
            Zones::Weighted(_) => self.weighted(ask, &self.counts(open)),
        }
    }

    /// Open endpoints of each zone.
    fn counts(&self, open: &dyn Fn(usize) -> bool) -> Vec<usize> {
        let mut counts = vec![0; self.weights.len()];
        for (_, zone) in self.of.iter().enumerate().filter(|(at, _)| open(*at)) {
            if let Some(count) = counts.get_mut(*zone) {
                *count += 1;
            }
        }
        counts
    }

    fn near(&self, rule: &LocalZone, ask: &Ask<'_>, counts: &[usize]) -> Option<Within> {
        let own = self.local?;
        let (here, all) = (*counts.get(own)?, counts.iter().sum::<usize>());
        let wanted = narrow(mix(ask.random ^ 1), 100) < rule.percent as usize;
        if (all as u64) < rule.min_endpoints || here == 0 || !wanted {
            return None;
        }
        if rule.force.is_some_and(|least| here >= least as usize) {
            return Some(Within::Zone(own));
        }
        let zones = counts.iter().filter(|count| **count > 0).count();
        // Its share of the endpoints against its share of the requests, which is an even one.
        let stays = here * zones >= all || narrow(mix(ask.random ^ 2), all) < here * zones;
        Some(if stays { Within::Zone(own) } else { Within::Outside(own) })
    }

    fn weighted(&self, ask: &Ask<'_>, counts: &[usize]) -> Option<Within> {
        let weights =
            || counts.iter().zip(&self.weights).map(|(count, weight)| if *count > 0 { *weight } else { 0 });
        let sum: u64 = weights().map(u64::from).sum();
        // What a request hashes to leads it to the same zone each time.
        let random = ask.hash.unwrap_or(ask.random);
        let mut left = narrow(mix(random ^ 3), usize::try_from(sum).ok().filter(|sum| *sum > 0)?) as u64;
        for (zone, weight) in weights().enumerate() {
            if left < u64::from(weight) {
                return Some(Within::Zone(zone));
            }
            left -= u64::from(weight);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EAST: &str = "east";

    fn names(zones: &str) -> Vec<Option<Arc<str>>> {
        zones
            .chars()
            .map(|zone| match zone {
                'e' => Some(EAST.into()),
                'w' => Some("west".into()),
                _ => None,
            })
            .collect()
    }

    /// How many of a thousand requests stay in the east, go elsewhere for good, or anywhere.
    fn spread(rule: &Zones, zones: &str, open: &dyn Fn(usize) -> bool) -> [usize; 3] {
        let zones = names(zones);
        let map = ZoneMap::new(rule, &zones).expect("zones count");
        let mut shares = [0; 3];
        for n in 0..1000_u64 {
            let ask = Ask { random: mix(n), ..Ask::default() };
            let share = match map.choose(rule, &ask, open) {
                None => 2,
                Some(within) => {
                    let inside = (0..zones.len()).find(|at| map.allows(within, *at)).expect("an endpoint");
                    usize::from(zones[inside].as_deref() != Some(EAST))
                }
            };
            shares[share] += 1;
        }
        shares
    }

    fn local(min_endpoints: u64, percent: u32, force: Option<u32>) -> Zones {
        Zones::Local(LocalZone { zone: EAST.into(), min_endpoints, percent, force })
    }

    #[test]
    fn a_zone_with_its_share_of_endpoints_keeps_everything() {
        assert_eq!(spread(&local(6, 100, None), "eeewww", &|_| true), [1000, 0, 0]);
        assert_eq!(spread(&local(7, 100, None), "eeewww", &|_| true), [0, 0, 1000], "too few in all");
        assert_eq!(spread(&local(1, 100, None), "wwww", &|_| true), [0, 0, 1000], "nobody is near");
        let [kept, _, free] = spread(&local(6, 30, None), "eeewww", &|_| true);
        assert!((250..350).contains(&kept) && kept + free == 1000, "{kept}");
    }

    #[test]
    fn a_zone_that_is_short_of_endpoints_passes_the_rest_on_unless_it_is_told_not_to() {
        let [kept, passed, free] = spread(&local(1, 100, None), "ewww", &|_| true);
        assert!((450..550).contains(&kept) && kept + passed == 1000 && free == 0, "{kept}");
        assert_eq!(spread(&local(1, 100, Some(1)), "ewww", &|_| true), [1000, 0, 0]);
        let [kept, ..] = spread(&local(1, 100, Some(2)), "ewww", &|_| true);
        assert!((450..550).contains(&kept), "{kept}");
        assert_eq!(spread(&local(1, 100, Some(1)), "ewww", &|at| at > 0), [0, 0, 1000]);
    }

    #[test]
    fn zones_share_by_their_weights_as_far_as_they_have_anybody() {
        let rule = Zones::Weighted(vec![(EAST.into(), 9)]);
        let [east, others, _] = spread(&rule, "ew", &|_| true);
        assert!((860..940).contains(&east) && east + others == 1000, "{east}");
        assert_eq!(spread(&rule, "ew", &|at| at == 1), [0, 1000, 0]);
        assert_eq!(spread(&Zones::Weighted(vec![(EAST.into(), 0)]), "e", &|_| true), [0, 0, 1000]);
        let map = ZoneMap::new(&rule, &names("ew")).expect("zones count");
        let ask = |random| Ask { random, hash: Some(77), ..Ask::default() };
        let first = map.choose(&rule, &ask(1), &|_| true);
        assert!((2..50).all(|random| map.choose(&rule, &ask(random), &|_| true) == first));
    }
}
