use std::cell::RefCell;

use tokio::time::Instant;
use tollgate_balance::{Balancing, Cluster, Thresholds};
use tollgate_net::{Origin, Protocol};
use tollgate_snapshot::TcpProbe;

use super::*;
use crate::served;

fn target(check: HealthCheck) -> Target {
    let cluster = Cluster::new(Balancing::default(), &["10.0.0.1:80".to_owned()], None);
    let origin = Origin::new("10.0.0.1", 80, Protocol::Auto, None);
    Target {
        backend: "default/one".to_owned().into(),
        endpoint: Arc::clone(&cluster.endpoints()[0]),
        check,
        at: served::Endpoint { origin, address: "10.0.0.1:80".into(), host: None, introduce: None },
    }
}

/// Seconds at which the endpoint changed sides, when a check a second gives these results (`t`: no answer in time).
async fn changes(check: HealthCheck, results: &str) -> Vec<(u64, bool)> {
    let target = target(check);
    let began = Instant::now();
    let (rest, seen) = (RefCell::new(results.chars()), RefCell::new(Vec::new()));
    let (was, done) = (RefCell::new(true), tokio::sync::Notify::new());
    let look = || {
        let fit = target.endpoint.is_fit(0);
        if was.replace(fit) != fit {
            seen.borrow_mut().push((began.elapsed().as_secs(), fit));
        }
    };
    let ask = async || {
        look();
        let next = rest.borrow_mut().next();
        match next {
            Some('p') => Checked::Passed,
            Some('r') => Checked::Refused,
            Some('t') => std::future::pending().await,
            Some(_) => Checked::Failed,
            None => {
                done.notify_one();
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        () = watch(&target, ask, || 0) => {}
        () = done.notified() => {}
    }
    seen.into_inner()
}

fn every_second(thresholds: Thresholds) -> HealthCheck {
    let interval = Duration::from_secs(1);
    HealthCheck { interval, thresholds, ..HealthCheck::of(Probe::Tcp(TcpProbe::default())) }
}

#[tokio::test(start_paused = true)]
async fn a_flapping_endpoint_changes_sides_only_at_its_thresholds() {
    let thresholds = Thresholds { unhealthy: 3, healthy: 2 };
    // One failure or two between successes change nothing, nor does one success between failures.
    let seen = changes(every_second(thresholds), "pfpffpfffpfppp").await;
    assert_eq!(seen, [(9, false), (13, true)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_in_time_is_a_failure() {
    let seen = changes(every_second(Thresholds { unhealthy: 1, healthy: 1 }), "ptp").await;
    // The second check begins after 1 s, is given up after 2 s, and the third one looks at it at 3 s.
    assert_eq!(seen, [(3, false), (4, true)]);
}

#[test]
fn jitter_stays_within_its_bound() {
    let most = Some(Duration::from_secs(2));
    assert_eq!(jitter(most, 0), Duration::ZERO);
    assert!(jitter(most, u64::MAX) < Duration::from_secs(2));
    assert_eq!(jitter(None, u64::MAX), Duration::ZERO);
}
