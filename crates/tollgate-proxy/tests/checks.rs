//! Endpoints that are asked whether they are well, and what comes of their answers.

mod common;

use std::{
    io::Write as _,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::sync_channel,
    },
    thread,
    time::Duration,
};

use common::{Asked, Upstream, World, backend, choice, get, http_rule, snapshot};
use tollgate_balance::Balancing;
use tollgate_snapshot::{HealthCheck, HttpProbe, Probe, Snapshot, TcpProbe, Traffic};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

fn checked(upstream: &Upstream, probe: Probe, port: Option<u16>) -> Snapshot {
    let check = HealthCheck {
        port,
        interval: Duration::from_millis(5),
        timeout: Duration::from_secs(20),
        ..HealthCheck::of(probe)
    };
    let balancing = Balancing { panic_percent: 0, ..Balancing::default() };
    let one = backend(0, "one", upstream.address, None);
    let mut one = Arc::into_inner(one).expect("nobody else has it");
    one.traffic = Arc::new(Traffic { balancing, check: Some(check), ..Traffic::default() });
    let one = Arc::new(one);
    let rule = http_rule(vec![choice(&one, 0)]);
    snapshot(vec![("/", rule)], vec![one])
}

/// Waits until a check that began after this moment has been judged: that is so when the next one comes.
fn judged(upstream: &Upstream) {
    upstream.all_asked();
    for _ in 0..3 {
        upstream.asked();
    }
}

#[test]
fn an_endpoint_that_says_it_cannot_serve_is_left_out_until_it_can() {
    let well = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&well);
    let upstream = Upstream::start(move |asked: &Asked, stream| {
        let good = asked.line.starts_with("GET / ") || says.load(SeqCst);
        stream.write_all(if good { OK } else { BUSY }.as_bytes())
    });
    let world = World::start(checked(&upstream, Probe::Http(HttpProbe::get("/ready?now")), None));
    let check = upstream.asked();
    assert_eq!(check.line, "GET /ready?now HTTP/1.1");
    assert_eq!(check.header("user-agent"), Some("tollgate-health-check"));
    judged(&upstream);
    let answer = get(world.address, "/", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (503, "no healthy upstream"));
    well.store(true, SeqCst);
    judged(&upstream);
    assert_eq!(get(world.address, "/", &[]).status, 200);
}

#[test]
fn a_check_goes_on_over_a_reload_with_what_it_knows() {
    let upstream = Upstream::start(|asked: &Asked, stream| {
        stream.write_all(if asked.line.starts_with("GET / ") { OK } else { BUSY }.as_bytes())
    });
    let probe = Probe::Http(HttpProbe::get("/ready"));
    let mut world = World::start(checked(&upstream, probe.clone(), None));
    judged(&upstream);
    world.publish(checked(&upstream, probe, None));
    assert_eq!(get(world.address, "/", &[]).status, 503, "not fit for a moment");
}

#[test]
fn a_tcp_check_wants_to_hear_what_it_expects() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it has an address").port();
    let (tell, accepted) = sync_channel(4096);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let greeted = stream.and_then(|mut stream| stream.write_all(b"220 ready\r\n"));
            if greeted.is_err() || tell.send(()).is_err() {
                return;
            }
        }
    });
    let upstream = Upstream::fixed(OK);
    for (expected, status) in [("220", 200), ("250", 503)] {
        let probe = TcpProbe { receive: expected.into(), ..TcpProbe::default() };
        let snapshot = checked(&upstream, Probe::Tcp(probe), Some(port));
        let world = World::start(snapshot);
        accepted.try_iter().for_each(drop);
        for _ in 0..5 {
            accepted.recv_timeout(Duration::from_secs(20)).expect("a check comes");
        }
        assert_eq!(get(world.address, "/", &[]).status, status, "{expected}");
    }
}
