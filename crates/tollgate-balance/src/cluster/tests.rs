use std::time::Duration;

use super::*;
use crate::{Budget, Limits, LocalZone, Outlier, Zones, hash};

const T0: u64 = 1_700_000_000_000;

fn cluster(count: usize, policy: Balancing) -> Arc<Cluster> {
    Arc::new(Cluster::new(policy, &names(count), None))
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("10.0.0.{n}:80")).collect()
}

fn at(now: u64, n: u64) -> Ask<'static> {
    Ask { now, random: mix(n), ..Ask::default() }
}

fn position(cluster: &Arc<Cluster>, ask: &Ask<'_>) -> usize {
    cluster.pick(ask).expect("somebody is fit").position
}

fn with(algorithm: Algorithm) -> Balancing {
    Balancing { algorithm, ..Balancing::default() }
}

#[test]
fn round_robin_goes_round_and_leaves_out_what_was_tried() {
    let three = cluster(3, Balancing::default());
    let picks: Vec<_> = (0..6).map(|n| position(&three, &at(T0, n))).collect();
    assert_eq!(picks, [0, 1, 2, 0, 1, 2]);
    let tried = Ask { avoid: &[0, 1], ..at(T0, 7) };
    assert!((0..5).all(|_| position(&three, &tried) == 2));
    let all = Ask { avoid: &[0, 1, 2], ..at(T0, 7) };
    assert!(three.pick(&all).is_ok(), "rather again than not at all");
}

#[test]
fn of_two_the_one_with_fewer_requests_is_taken() {
    let two = cluster(2, with(Algorithm::LeastRequest));
    let held: Vec<_> = (0..10).map(|n| two.pick(&at(T0, n)).expect("fit")).collect();
    assert_eq!(held.iter().filter(|lease| lease.position == 0).count(), 5);
    drop(held);
    assert!(two.endpoints().iter().all(|one| one.in_flight() == 0));
}

#[test]
fn the_same_hash_stays_where_it_is_and_moves_only_when_its_endpoint_is_out() {
    let ten = cluster(10, with(Algorithm::Maglev { table_size: 1009 }));
    let ask = |n| Ask { hash: Some(hash(b"alice")), ..at(T0, n) };
    let home = position(&ten, &ask(0));
    assert!((0..50).all(|n| position(&ten, &ask(n)) == home));
    ten.endpoints()[home].checked(false, T0);
    let away = position(&ten, &ask(1));
    assert_ne!(away, home);
    assert!((0..50).all(|n| position(&ten, &ask(n)) == away));
}

#[test]
fn below_the_panic_threshold_everybody_is_asked_and_without_one_nobody_is() {
    let four = cluster(4, Balancing::default());
    for one in &four.endpoints()[..2] {
        one.checked(false, T0);
    }
    assert!((0..8).all(|n| position(&four, &at(T0, n)) >= 2));
    four.endpoints()[2].checked(false, T0);
    assert!((0..8).any(|n| position(&four, &at(T0, n)) < 2));
    let strict = cluster(1, Balancing { panic_percent: 0, ..Balancing::default() });
    strict.endpoints()[0].checked(false, T0);
    assert_eq!(strict.pick(&at(T0, 0)).err(), Some(Unpicked::NoneFit));
}

#[test]
fn requests_over_the_limit_overflow_until_one_is_over() {
    let limits = Limits { requests: Some(2), ..Limits::default() };
    let one = cluster(1, Balancing { limits, ..Balancing::default() });
    let held = [one.pick(&at(T0, 0)), one.pick(&at(T0, 1))];
    assert!(held.iter().all(Result::is_ok));
    assert_eq!(one.pick(&at(T0, 2)).err(), Some(Unpicked::Overflow));
    drop(held);
    assert!(one.pick(&at(T0, 3)).is_ok());
    assert_eq!(one.overflows(), 1);
}

#[test]
fn a_full_endpoint_is_passed_over_and_all_full_overflow() {
    let limits = Limits { per_endpoint: Some(1), ..Limits::default() };
    let two = cluster(2, Balancing { limits, ..Balancing::default() });
    let held: Vec<_> = (0..2).map(|n| two.pick(&at(T0, n)).expect("room")).collect();
    assert_ne!(held[0].position, held[1].position);
    assert_eq!(two.pick(&at(T0, 2)).err(), Some(Unpicked::Overflow));
}

#[test]
fn a_retry_budget_follows_the_requests_under_way() {
    let limits = Limits { budget: Some(Budget { percent: 20, least: 1 }), ..Limits::default() };
    let one = cluster(1, Balancing { limits, ..Balancing::default() });
    let first = one.retry().expect("the least");
    assert!(one.retry().is_none());
    let _busy: Vec<_> = (0..10).map(|n| one.pick(&at(T0, n)).expect("fit")).collect();
    let second = one.retry().expect("a fifth of ten");
    assert!(one.retry().is_none());
    drop((first, second));
    assert!(one.retry().is_some());
}

#[test]
fn errors_in_a_row_eject_for_longer_each_time_and_no_more_than_the_share() {
    let outlier = Outlier { server_errors: 2, max_percent: 50, ..Outlier::default() };
    let two = cluster(2, Balancing { outlier: Some(outlier), ..Balancing::default() });
    let fail = |position, now| {
        let lease = Lease { position, cluster: Some(Arc::clone(&two)) };
        lease.report(Outcome::ServerError, now).or_else(|| lease.report(Outcome::ServerError, now))
    };
    assert_eq!(fail(0, T0), Some(Turn::Ejected(Duration::from_secs(30))));
    assert_eq!(fail(1, T0), None, "half of them are out already");
    assert!((0..8).all(|n| position(&two, &at(T0 + 1, n)) == 1));
    assert!(two.endpoints()[0].is_fit(T0 + 30_000));
    assert_eq!(fail(0, T0 + 30_000), Some(Turn::Ejected(Duration::from_secs(60))));
}

#[test]
fn a_share_of_failures_ejects_once_its_interval_is_over() {
    let outlier =
        Outlier { server_errors: 0, failure_percent: Some(50), max_percent: 100, ..Outlier::default() };
    let two = cluster(2, Balancing { outlier: Some(outlier), ..Balancing::default() });
    let lease = Lease { position: 0, cluster: Some(Arc::clone(&two)) };
    for n in 0..60 {
        let outcome = if n % 3 == 0 { Outcome::Good } else { Outcome::LocalFailure };
        assert_eq!(lease.report(outcome, T0), None);
    }
    assert!(lease.report(Outcome::Good, T0 + 3_000).is_some());
}

#[test]
fn a_new_endpoint_grows_into_its_share() {
    let policy = Balancing { slow_start: Some(Duration::from_secs(100)), ..Balancing::default() };
    let before = cluster(1, policy.clone());
    let two = Arc::new(Cluster::new(policy, &names(2), Some(&before)));
    let share = |now| (0..1000).filter(|&n| position(&two, &at(now, n)) == 1).count();
    assert!(share(T0) < 150, "{}", share(T0));
    assert!(share(T0 + 100_000) > 450);
}

#[test]
fn endpoints_keep_their_state_over_a_reload() {
    let before = cluster(2, Balancing::default());
    before.endpoints()[1].checked(false, T0);
    let after = Cluster::new(Balancing::default(), &names(3), Some(&before));
    let fit: Vec<_> = after.endpoints().iter().map(|one| one.is_fit(T0)).collect();
    assert_eq!(fit, [true, false, true]);
}

#[test]
fn an_endpoint_that_a_request_names_is_asked_while_it_is_fit() {
    let three = cluster(3, Balancing::default());
    let wanted = ["10.9.9.9:80", "10.0.0.2:80", "10.0.0.1:80"];
    let ask = Ask { wanted: &wanted, ..at(T0, 1) };
    assert!((0..4).all(|_| position(&three, &ask) == 2));
    assert_eq!(position(&three, &Ask { avoid: &[2], ..ask }), 1);
    three.endpoints()[2].checked(false, T0);
    assert_eq!(position(&three, &ask), 1);
    assert!(three.pick(&Ask { wanted: &["10.9.9.9:80"], ..ask }).is_ok());
}

#[test]
fn endpoints_of_the_own_zone_go_first_until_none_of_them_is_fit() {
    let zone: Arc<str> = "east".into();
    let local = LocalZone { zone: Arc::clone(&zone), min_endpoints: 1, percent: 100, force: Some(1) };
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastRequest, Algorithm::Random] {
        let policy = Balancing { zones: Zones::Local(local.clone()), ..with(algorithm) };
        let zones = [None, Some(Arc::clone(&zone)), None, Some(Arc::clone(&zone))];
        let four = Arc::new(Cluster::new(policy, &names(4), None).in_zones(&zones));
        let picks: Vec<_> = (0..40).map(|n| position(&four, &at(T0, n))).collect();
        assert!(picks.iter().all(|at| at % 2 == 1) && picks.contains(&1) && picks.contains(&3), "{picks:?}");
        four.endpoints()[1].checked(false, T0);
        four.endpoints()[3].checked(false, T0);
        assert!((0..40).all(|n| position(&four, &at(T0, n)).is_multiple_of(2)));
    }
}
