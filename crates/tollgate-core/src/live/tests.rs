use std::time::Duration;

use tollgate_balance::{Ask, Balancing, Limits, Outlier};
use tollgate_snapshot::{Address, Traffic, Upstream, UpstreamProtocol};

use super::*;

const T0: u64 = 1_700_000_000_000;

/// One backend under each of these policies.
fn snapshot(policies: &[&Traffic]) -> Snapshot {
    let address = Address {
        host: AddressHost::Ip(std::net::Ipv4Addr::LOCALHOST.into()),
        port: 80,
        hostname: None,
        zone: None,
    };
    let backend = |(index, traffic): (u32, &&Traffic)| {
        Arc::new(Backend {
            index,
            id: "default/one".to_owned().into(),
            target: None,
            credential: None,
            proxy: None,
            upstream: Upstream {
                addresses: vec![address.clone()],
                tls: None,
                protocol: UpstreamProtocol::Auto,
            },
            traffic: Arc::new(Traffic::clone(traffic)),
        })
    };
    Snapshot { backends: (0..).zip(policies).map(backend).collect(), ..Snapshot::default() }
}

fn at_once(most: u32) -> Traffic {
    let limits = Limits { requests: Some(most), ..Limits::default() };
    Traffic { balancing: Balancing { limits, ..Balancing::default() }, ..Traffic::default() }
}

fn ask() -> Ask<'static> {
    Ask { now: T0, ..Ask::default() }
}

#[test]
fn a_policy_that_is_edited_keeps_its_counts_and_a_new_one_begins_its_own() {
    let old = Live::new(snapshot(&[&at_once(1)]), None);
    let held = old.clusters[0].pick(&ask()).expect("the first place is free");
    let edited = Live::new(snapshot(&[&at_once(2)]), Some(&old));
    let second = edited.clusters[0].pick(&ask()).expect("there are two places now");
    assert!(edited.clusters[0].pick(&ask()).is_err(), "the request of before counts");
    let both = Live::new(snapshot(&[&at_once(3), &at_once(2)]), Some(&edited));
    assert!(both.clusters[1].pick(&ask()).is_err(), "the policy that stayed has its requests");
    let beside: Vec<_> = (0..3).map(|_| both.clusters[0].pick(&ask())).collect();
    assert!(beside.iter().all(Result::is_ok), "the one beside it has none of them");
    drop((held, second, beside));
    assert_eq!(both.clusters[0].endpoints()[0].in_flight(), 0);
}

#[test]
fn a_second_policy_knows_what_is_known_and_then_goes_its_own_way() {
    let plain = Traffic::default();
    let old = Live::new(snapshot(&[&plain]), None);
    old.health[0].rests(T0, Duration::from_secs(60));
    let both = Live::new(snapshot(&[&plain, &at_once(2)]), Some(&old));
    let standing = |at: usize| both.standing(&both.snapshot.backends[at], T0);
    assert!(matches!((standing(0), standing(1)), (Standing::Ejected(_), Standing::Ejected(_))));
    both.health[0].succeeded();
    assert!(matches!((standing(0), standing(1)), (Standing::Up, Standing::Ejected(_))));
}

#[test]
fn where_a_policy_judges_endpoints_five_failures_mean_nothing_by_themselves() {
    let outlier = Some(Outlier { server_errors: 0, ..Outlier::default() });
    let judged = Traffic { balancing: Balancing { outlier, ..Balancing::default() }, ..Traffic::default() };
    let live = Live::new(snapshot(&[&judged]), None);
    let backend = &live.snapshot.backends[0];
    for _ in 0..9 {
        live.health[0].failed(T0);
    }
    assert!(live.health_of(backend).is_none());
    assert_eq!(live.standing(backend, T0), Standing::Up);
    live.clusters[0].endpoints()[0].checked(false, T0);
    assert_eq!(live.standing(backend, T0), Standing::Ejected(T0));
}
