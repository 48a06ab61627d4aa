use std::sync::Arc;

use super::*;
use crate::{
    Counter, Mode, Unit,
    counter::{Shape, Value},
};

fn claim(name: &str, amount: u64, hits: u64) -> Claim {
    let shape = Arc::new(Shape::new(vec!["test".into(), "".into()]));
    let values = SmallVec::from_iter([Value::Bytes(name.as_bytes().into())]);
    let limit = Limit { amount, unit: Unit::Minute };
    Claim { counter: Counter::new(&shape, Unit::Minute, values), limit, hits, hold: 0, mode: Mode::Enforced }
}

#[test]
fn a_bucket_empties_and_refills_evenly() {
    let buckets = Buckets::default();
    let take = |ms| buckets.take(&[claim("a", 6, 1)], UnixMillis(ms));
    for _ in 0..6 {
        assert!(take(0).is_admitted());
    }
    let refused = take(0);
    assert_eq!(refused.refused, Some(0));
    assert_eq!(refused.standings[0].reset, 10, "one in ten seconds");
    assert!(!take(9_999).is_admitted());
    assert!(take(10_000).is_admitted());
    assert!(!take(10_000).is_admitted());
}

#[test]
fn an_idle_bucket_refills_to_its_size_and_no_further() {
    let buckets = Buckets::default();
    assert_eq!(buckets.take(&[claim("a", 6, 1)], UnixMillis(0)).standings[0].remaining, 5);
    assert_eq!(buckets.take(&[claim("a", 6, 1)], UnixMillis(9_000_000)).standings[0].remaining, 5);
}

#[test]
fn a_clock_that_goes_back_refills_nothing_and_blocks_nothing_for_long() {
    let buckets = Buckets::default();
    let take = |ms| buckets.take(&[claim("a", 1, 1)], UnixMillis(ms)).is_admitted();
    assert!(take(1_000_000));
    assert!(!take(0));
    assert!(take(60_000), "a minute later by the clock as it is now");
}

#[test]
fn one_empty_bucket_leaves_the_others_alone() {
    let buckets = Buckets::default();
    assert!(!buckets.take(&[claim("a", 5, 1), claim("b", 0, 1)], UnixMillis(0)).is_admitted());
    assert_eq!(buckets.take(&[claim("a", 5, 1)], UnixMillis(0)).standings[0].remaining, 4);
}

#[test]
fn there_are_never_more_buckets_than_room() {
    let buckets = Buckets::new(16);
    for n in 0..1000 {
        assert!(buckets.take(&[claim(&n.to_string(), 5, 1)], UnixMillis(n)).is_admitted());
        assert!(buckets.len() <= 16);
    }
}
