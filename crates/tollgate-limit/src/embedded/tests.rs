use std::{
    collections::HashMap,
    sync::{Arc, Barrier},
    thread,
};

use proptest::prelude::*;

use super::*;
use crate::{
    Counter, Limit, Mode,
    counter::{Shape, Value},
};

const NOON: UnixMillis = UnixMillis(1_755_734_400_000);

fn claim(name: u8, amount: u64, hits: u64, hold: u64) -> Claim {
    let shape = Arc::new(Shape::new(vec!["test".into(), "".into()]));
    let counter = Counter::new(&shape, Unit::Hour, SmallVec::from_iter([Value::Bytes([name].into())]));
    Claim { counter, limit: Limit { amount, unit: Unit::Hour }, hits, hold, mode: Mode::Enforced }
}

fn committed(store: &Embedded) -> HashMap<u128, u64> {
    let mut rows = Vec::new();
    store.rows(&mut rows);
    rows.into_iter().filter(|row| row.committed > 0).map(|row| (row.id, row.committed)).collect()
}

#[test]
fn a_refused_request_is_charged_nowhere() {
    let store = Embedded::new(1000);
    let decision = store.decide(&[claim(1, 10, 1, 5), claim(2, 0, 1, 5), claim(3, 10, 1, 5)], NOON);
    assert_eq!(decision.refused, Some(1));
    assert!(store.is_empty());
    assert!(store.decide(&[claim(1, 10, 10, 5), claim(3, 10, 10, 5)], NOON).is_admitted());
}

#[test]
fn shadow_claims_are_counted_and_refuse_nobody() {
    let store = Embedded::new(1000);
    let shadow = Claim { mode: Mode::Shadow, ..claim(1, 1, 1, 0) };
    for _ in 0..3 {
        assert!(store.decide(std::slice::from_ref(&shadow), NOON).is_admitted());
    }
    assert_eq!(committed(&store)[&shadow.counter.id()], 3);
}

#[test]
fn restored_counters_go_on_and_old_ones_do_not_come_back() {
    let store = Embedded::restored(1000, [], NOON);
    assert!(store.decide(&[claim(1, 10, 7, 0)], NOON).is_admitted());
    let mut rows = Vec::new();
    store.drain_changes(&mut rows);
    let soon = Embedded::restored(1000, rows.clone(), NOON);
    assert!(!soon.decide(&[claim(1, 10, 4, 0)], NOON).is_admitted());
    assert!(Embedded::restored(1000, rows, UnixMillis(NOON.0 + 3_600_000)).is_empty());
}

/// What a budget lets through when many ask at once: estimates stand in for costs that are not known yet.
#[test]
fn two_hundred_at_once_exceed_a_budget_by_their_estimates_error_and_one_request() {
    const AMOUNT: u64 = 10_000;
    const COST: u64 = 300;
    // The larger the estimate, the smaller the overshoot.
    for (estimate, most) in [(300, AMOUNT + COST), (150, 2 * (AMOUNT + COST)), (600, AMOUNT + COST)] {
        let store = Embedded::new(1000);
        let start = Barrier::new(200);
        let admitted: u64 = thread::scope(|scope| {
            let request = || {
                start.wait();
                u64::from(store.decide(&[claim(1, AMOUNT, 0, estimate)], NOON).is_admitted())
            };
            let threads: Vec<_> = (0..200).map(|_| scope.spawn(request)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no request panics")).sum()
        });
        assert_eq!(admitted, AMOUNT / estimate + 1, "exactly, whatever the threads do");
        for _ in 0..admitted {
            store.settle(&[claim(1, AMOUNT, 0, estimate).settle(COST)], NOON);
        }
        let total: u64 = committed(&store).values().sum();
        assert!(total <= most, "estimate {estimate}: {total} of {AMOUNT}");
    }
}

#[test]
fn exactly_the_limit_passes_over_all_threads() {
    let store = Embedded::new(1000);
    let claims = [claim(1, 3000, 1, 0), claim(2, 9000, 1, 0)];
    let requests = || (0..1000).filter(|_| store.decide(&claims, NOON).is_admitted()).count();
    let admitted: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(requests)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no request panics")).sum()
    });
    assert_eq!(admitted, 3000);
    assert_eq!(committed(&store)[&claim(2, 0, 0, 0).counter.id()], 3000);
}

#[derive(Clone, Debug)]
enum Step {
    Reserve {
        names: Vec<u8>,
        hits: u64,
        hold: u64,
    },
    /// Settles the nth request in flight.
    Settle {
        nth: usize,
        cost: u64,
    },
    Sweep,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::collection::btree_set(0_u8..6, 1..4), 0_u64..4, 0_u64..60)
            .prop_map(|(names, hits, hold)| Step::Reserve { names: names.into_iter().collect(), hits, hold }),
        4 => (0_usize..8, 0_u64..80).prop_map(|(nth, cost)| Step::Settle { nth, cost }),
        1 => Just(Step::Sweep),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    /// Within one window, whatever comes in whatever order, each admitted hit and each cost is counted once.
    #[test]
    fn nothing_is_lost_and_nothing_charged_twice(steps in prop::collection::vec(step(), 1..80)) {
        let mut store = Embedded::restored(100_000, [], NOON);
        let mut kept: HashMap<u128, Row> = HashMap::new();
        let mut flying: Vec<Vec<Claim>> = Vec::new();
        let mut wanted: HashMap<u128, u64> = HashMap::new();
        for step in steps {
            match step {
                Step::Reserve { names, hits, hold } => {
                    let claims: Vec<_> = names.into_iter().map(|name| claim(name, 100, hits, hold)).collect();
                    if store.decide(&claims, NOON).is_admitted() {
                        for claim in &claims {
                            *wanted.entry(claim.counter.id()).or_default() += hits;
                        }
                        flying.push(claims);
                    }
                }
                Step::Settle { nth, cost } if nth < flying.len() => {
                    let settlements: Vec<_> =
                        flying.swap_remove(nth).into_iter().map(|claim| claim.settle(cost)).collect();
                    for settlement in &settlements {
                        *wanted.entry(settlement.counter.id()).or_default() += cost;
                    }
                    store.settle(&settlements, NOON);
                }
                Step::Settle { .. } => {}
                Step::Sweep => store.sweep(NOON),
                Step::Restart => {
                    let mut rows = Vec::new();
                    store.drain_changes(&mut rows);
                    kept.extend(rows.into_iter().map(|row| (row.id, row)));
                    store = Embedded::restored(100_000, kept.values().copied(), NOON);
                }
            }
        }
        wanted.retain(|_, count| *count > 0);
        prop_assert_eq!(committed(&store), wanted);
    }

    /// The clock may do what it likes: nothing panics, and holds always come free.
    #[test]
    fn any_clock_leaves_no_hold_behind(times in prop::collection::vec(any::<u64>(), 2..40)) {
        let store = Embedded::new(1000);
        for pair in times.windows(2) {
            let claims = [claim(1, u64::MAX, 1, 50)];
            if store.decide(&claims, UnixMillis(pair[0])).is_admitted() {
                store.settle(&claims.map(|claim| claim.settle(1)), UnixMillis(pair[1]));
            }
        }
        store.sweep(UnixMillis(u64::MAX));
        let free = store.decide(&[claim(1, u64::MAX, 1, 0)], UnixMillis(u64::MAX));
        prop_assert!(free.is_admitted());
    }
}
