use std::sync::Arc;

use smallvec::SmallVec;

use super::*;
use crate::{
    Counter, Limit, Mode,
    counter::{Shape, Value},
};

const HOUR: u64 = 3_600_000;
const NOON: UnixMillis = UnixMillis(1_755_734_400_000);

fn counter(name: &str) -> Counter {
    let shape = Arc::new(Shape::new(vec!["test".into(), "".into()]));
    Counter::new(&shape, Unit::Hour, SmallVec::from_iter([Value::Bytes(name.as_bytes().into())]))
}

fn claim(hits: u64, hold: u64, amount: u64) -> Claim {
    Claim {
        counter: counter("a"),
        limit: Limit { amount, unit: Unit::Hour },
        hits,
        hold,
        mode: Mode::Enforced,
    }
}

fn at(ms: i64) -> UnixMillis {
    UnixMillis(NOON.0.saturating_add_signed(ms))
}

fn used(table: &Table, now: UnixMillis) -> u64 {
    1_000_000 - table.standing(&claim(0, 0, 1_000_000), now).remaining
}

#[test]
fn windows_start_again() {
    let mut table = Table::new(100, false);
    table.take(&claim(7, 0, 10), NOON);
    assert_eq!(used(&table, at(HOUR as i64 - 1)), 7);
    assert_eq!(used(&table, at(HOUR as i64)), 0);
}

#[test]
fn a_budget_is_refused_only_above_its_limit() {
    let mut table = Table::new(100, false);
    table.settle(&claim(0, 0, 10).settle(10), NOON);
    assert!(!table.standing(&claim(0, 5, 10), NOON).over, "exactly at the limit one more passes");
    table.settle(&claim(0, 0, 10).settle(1), NOON);
    assert!(table.standing(&claim(0, 5, 10), NOON).over);
    assert!(table.standing(&claim(1, 0, 11), NOON).over, "11 + 1 > 11");
    assert!(table.standing(&claim(0, 0, 0), NOON).over, "a limit of nothing lets nobody pass");
}

#[test]
fn a_hold_counts_against_others_but_not_against_its_own_request() {
    let mut table = Table::new(100, false);
    assert!(!table.standing(&claim(0, 1_000, 10), NOON).over, "a large estimate does not starve");
    table.take(&claim(0, 1_000, 10), NOON);
    assert!(table.standing(&claim(0, 1, 10), NOON).over);
    table.settle(&claim(0, 1_000, 10).settle(3), NOON);
    assert!(!table.standing(&claim(0, 1, 10), NOON).over);
    assert_eq!(used(&table, NOON), 3);
}

#[test]
fn a_cost_falls_into_the_window_in_which_it_is_known() {
    let mut table = Table::new(100, false);
    table.take(&claim(0, 8, 10), NOON);
    let later = at(HOUR as i64 + 5);
    assert!(table.standing(&claim(3, 0, 10), later).over, "the hold goes along into the next window");
    table.settle(&claim(0, 8, 10).settle(6), later);
    assert_eq!(used(&table, later), 6);
}

#[test]
fn a_clock_that_goes_back_a_little_goes_on_with_the_later_window() {
    let mut table = Table::new(100, false);
    table.take(&claim(4, 0, 10), at(HOUR as i64 + 1));
    table.take(&claim(1, 0, 10), at(HOUR as i64 - 1));
    assert_eq!(used(&table, at(HOUR as i64 + 2)), 5);
}

#[test]
fn a_clock_that_jumps_ahead_and_back_loses_no_charge() {
    let mut table = Table::new(100, false);
    table.take(&claim(4, 0, 10), NOON);
    let ahead = at(50 * HOUR as i64);
    table.take(&claim(2, 0, 10), ahead);
    assert_eq!(used(&table, NOON), 6, "both windows' charges are back in the first");
    table.take(&claim(1, 0, 10), NOON);
    assert_eq!(used(&table, NOON), 7);
    assert_eq!(used(&table, at(HOUR as i64)), 0);
}

#[test]
fn old_counters_go_and_those_in_use_stay() {
    let mut table = Table::new(64, false);
    let held = Claim { counter: counter("held"), ..claim(0, 5, 10) };
    table.take(&held, NOON);
    for n in 0..10_000 {
        table.take(&Claim { counter: counter(&n.to_string()), ..claim(1 + n, 0, 10) }, NOON);
        assert!(table.len() <= 64 + 8 + 1);
    }
    assert!(
        table.standing(&Claim { hold: 0, hits: 6, ..held.clone() }, NOON).over,
        "its hold is known still"
    );
    table.sweep(at(2 * HOUR as i64));
    assert_eq!(table.len(), 1);
}

#[test]
fn changes_are_drained_once_as_absolute_counts() {
    let mut table = Table::new(100, true);
    table.take(&claim(2, 9, 10), NOON);
    table.take(&claim(3, 9, 10), NOON);
    let mut rows = Vec::new();
    table.drain_changes(&mut rows);
    let [row] = rows.as_slice() else { panic!("one row: {rows:?}") };
    assert_eq!(row.committed, 5, "holds are not kept");
    let mut again = Vec::new();
    table.drain_changes(&mut again);
    assert_eq!(again, []);
    let mut other = Table::new(100, true);
    other.restore(row);
    other.restore(row);
    assert_eq!(used(&other, NOON), 5);
}
