//! What policies do to the endpoints of a backend: who is asked, how often, and when nobody is.

mod common;

use std::{io::Write as _, sync::Arc};

use common::{Asked, Client, Upstream, World, backend, choice, get, http_rule, snapshot};
use tollgate_balance::{Algorithm, Balancing, Limits, Outlier};
use tollgate_snapshot::{
    Address, AddressHost, Backend, Connections, HashOn, ProxyVersion, RetryPolicy, StickyCookie, Traffic,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone";

/// One backend with these endpoints, under this policy.
fn world(upstreams: &[&Upstream], traffic: Traffic) -> World {
    let traffic = Arc::new(traffic);
    let one = backend(0, "one", upstreams[0].address, None);
    let mut one = Arc::into_inner(one).expect("nobody else has it");
    one.traffic = Arc::clone(&traffic);
    one.upstream.addresses = upstreams
        .iter()
        .map(|upstream| Address {
            host: AddressHost::Ip(upstream.address.ip()),
            port: upstream.address.port(),
            hostname: None,
            zone: None,
        })
        .collect();
    let one: Arc<Backend> = Arc::new(one);
    let mut rule = http_rule(vec![choice(&one, 0)]);
    rule.traffic = traffic;
    World::start(snapshot(vec![("/", rule)], vec![one]))
}

fn retrying(policy: RetryPolicy) -> Traffic {
    Traffic { retry: Some(policy), ..Traffic::default() }
}

#[test]
fn a_retry_goes_to_an_endpoint_that_was_not_tried() {
    let (bad, good) = (Upstream::fixed(BUSY), Upstream::fixed(OK));
    let world = world(&[&bad, &good], retrying(RetryPolicy::default()));
    for _ in 0..6 {
        assert_eq!(get(world.address, "/", &[]).status, 200);
        assert!(world.settled().record.attempts.len() <= 2);
    }
    assert!(!bad.is_quiet(), "it had its share of first attempts");
}

#[test]
fn retries_end_with_their_number_and_a_404_is_none_of_their_business() {
    let busy = Upstream::fixed(BUSY);
    let one = world(&[&busy], retrying(RetryPolicy::default()));
    assert_eq!(get(one.address, "/", &[]).status, 503);
    assert_eq!(one.settled().record.attempts.len(), 3);
    let missing = Upstream::fixed(NOT_FOUND);
    let two = world(&[&missing], retrying(RetryPolicy::default()));
    assert_eq!(get(two.address, "/", &[]).status, 404);
    assert_eq!(two.settled().record.attempts.len(), 1);
}

#[test]
fn where_no_retry_may_be_under_way_the_first_answer_stands() {
    let busy = Upstream::fixed(BUSY);
    let limits = Limits { retries: Some(0), ..Limits::default() };
    let balancing = Balancing { limits, ..Balancing::default() };
    let world = world(&[&busy], Traffic { balancing, ..retrying(RetryPolicy::default()) });
    assert_eq!(get(world.address, "/", &[]).text(), "busy");
    assert_eq!(world.settled().record.attempts.len(), 1);
}

#[test]
fn a_stream_holds_its_place_to_its_end() {
    let endless = Upstream::start(|_: &Asked, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
    });
    let limits = Limits { requests: Some(1), ..Limits::default() };
    let balancing = Balancing { limits, ..Balancing::default() };
    let world = world(&[&endless], Traffic { balancing, ..Traffic::default() });
    let mut first = Client::connect(world.address);
    assert_eq!(first.request("GET", "/", &[], "").head().status, 200);
    assert_eq!(first.chunk(), Some(b"hi".to_vec()));
    let second = get(world.address, "/", &[]);
    assert_eq!(second.status, 503);
    assert!(second.text().contains("overflow"), "{}", second.text());
    world.settled();
    drop(first);
    // The place is free once the stream has been settled.
    world.settled();
    assert_eq!(Client::connect(world.address).request("GET", "/", &[], "").head().status, 200);
}

#[test]
fn a_hash_of_a_header_stays_with_its_endpoint() {
    let (one, two) = (Upstream::fixed(OK), Upstream::fixed(OK));
    let balancing = Balancing { algorithm: Algorithm::Maglev { table_size: 1009 }, ..Balancing::default() };
    let hash_on = vec![HashOn::Header(http::HeaderName::from_static("x-user"))];
    let world = world(&[&one, &two], Traffic { balancing, hash_on, ..Traffic::default() });
    for _ in 0..8 {
        get(world.address, "/", &[("x-user", "alice")]);
    }
    let counts = [one.all_asked().len(), two.all_asked().len()];
    assert!(counts == [8, 0] || counts == [0, 8], "{counts:?}");
}

#[test]
fn an_endpoint_that_fails_in_a_row_is_left_out() {
    let (bad, good) = (Upstream::fixed(BUSY), Upstream::fixed(OK));
    let outlier = Outlier { server_errors: 2, max_percent: 50, ..Outlier::default() };
    let balancing = Balancing { outlier: Some(outlier), ..Balancing::default() };
    let world = world(&[&bad, &good], Traffic { balancing, ..Traffic::default() });
    let failed = (0..12).filter(|_| get(world.address, "/", &[]).status == 503).count();
    assert_eq!(failed, 2);
    assert_eq!(bad.all_asked().len(), 2);
}

#[test]
fn without_a_fit_endpoint_nobody_is_asked() {
    let only = Upstream::fixed(OK);
    let balancing = Balancing { panic_percent: 0, ..Balancing::default() };
    let world = world(&[&only], Traffic { balancing, ..Traffic::default() });
    world.gateway.live().clusters[0].endpoints()[0].checked(false, 0);
    let answer = get(world.address, "/", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (503, "no healthy upstream"));
    assert!(only.is_quiet());
    assert_eq!(world.settled().record.attempts.len(), 0);
}

#[test]
fn a_connection_takes_as_many_requests_as_it_may() {
    let upstream = Upstream::start(|_: &Asked, stream| {
        let port = stream.peer_addr()?.port();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{port:05}")
    });
    let connections = Connections { max_requests: Some(2), ..Connections::default() };
    let world = world(&[&upstream], Traffic { connections, ..Traffic::default() });
    let mut client = Client::connect(world.address);
    let ports: Vec<String> = (0..5).map(|_| client.request("GET", "/", &[], "").answer().text()).collect();
    assert!(ports[0] == ports[1] && ports[2] == ports[3], "{ports:?}");
    assert!(ports[1] != ports[2] && ports[3] != ports[4], "{ports:?}");
}

#[test]
fn where_no_connection_is_to_be_had_and_nobody_may_wait_the_request_is_refused_once() {
    let endless = Upstream::start(|_: &Asked, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
    });
    let connections = Connections { max_open: Some(1), max_pending: Some(0), ..Connections::default() };
    let world = world(&[&endless], Traffic { connections, ..Traffic::default() });
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(world.address)).collect();
    let statuses: Vec<u16> =
        clients.iter_mut().map(|client| client.request("GET", "/", &[], "").head().status).collect();
    // Each of two cores has a connection of its own, so at most two of three requests find one.
    assert!(statuses.contains(&503) && statuses.contains(&200), "{statuses:?}");
    let settled = world.settled();
    assert_eq!(settled.record.attempts.len(), 1, "a pool that is full is not asked again");
}

#[test]
fn a_backend_is_told_whose_connection_it_is() {
    // What it takes for the first line of a request is the PROXY header.
    let closing = Upstream::fixed("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    let connections = Connections { introduce: Some(ProxyVersion::V1), ..Connections::default() };
    let world = world(&[&closing], Traffic { connections, ..Traffic::default() });
    assert_eq!(get(world.address, "/", &[]).text(), "ok");
    let line = closing.asked().line;
    let words: Vec<_> = line.split(' ').collect();
    assert_eq!(words[..4], ["PROXY", "TCP4", "127.0.0.1", "127.0.0.1"], "{line}");
    assert_ne!(words[4], "0", "{line}");
    assert_eq!(words[5], world.address.port().to_string(), "{line}");
}

#[test]
fn a_client_without_the_cookie_gets_one_that_leads_it_back() {
    let upstreams = [Upstream::fixed(OK), Upstream::fixed(OK), Upstream::fixed(OK)];
    let balancing = Balancing { algorithm: Algorithm::Maglev { table_size: 1009 }, ..Balancing::default() };
    let name: Arc<str> = "lane".into();
    let sticky = Some(StickyCookie { name: Arc::clone(&name), attributes: "; Max-Age=60; HttpOnly".into() });
    let traffic = Traffic { balancing, hash_on: vec![HashOn::Cookie(name)], sticky, ..Traffic::default() };
    let world = world(&upstreams.each_ref(), traffic);
    let asked = || upstreams.iter().map(|one| one.all_asked().len()).collect::<Vec<_>>();
    for _ in 0..8 {
        let answer = get(world.address, "/", &[]);
        let issued = answer.header("set-cookie").expect("a cookie").to_owned();
        let (cookie, attributes) = issued.split_once(';').expect("attributes");
        assert!(cookie.starts_with("lane=") && attributes == " Max-Age=60; HttpOnly", "{issued}");
        let first = asked();
        let answer = get(world.address, "/", &[("cookie", &format!("a=b; {cookie}"))]);
        assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
        assert_eq!(asked(), first);
    }
}

#[test]
fn what_leads_to_an_endpoint_leads_to_its_backend_first() {
    let (one, two) = (Upstream::fixed(OK), Upstream::fixed(OK));
    let backends = [backend(0, "one", one.address, None), backend(1, "two", two.address, None)];
    let mut rule = http_rule(vec![choice(&backends[0], 0), choice(&backends[1], 0)]);
    let hash_on = vec![HashOn::Header(http::HeaderName::from_static("x-user"))];
    rule.traffic = Arc::new(Traffic { hash_on, ..Traffic::default() });
    let world = World::start(snapshot(vec![("/", rule)], backends.to_vec()));
    for user in ["alice", "bob", "carol", "dave"] {
        for _ in 0..4 {
            get(world.address, "/", &[("x-user", user)]);
        }
        let counts = [one.all_asked().len(), two.all_asked().len()];
        assert!(counts == [4, 0] || counts == [0, 4], "{user} {counts:?}");
    }
}

#[test]
fn a_request_may_name_its_endpoint() {
    let (one, two) = (Upstream::fixed(OK), Upstream::fixed(OK));
    let endpoints_in = vec![http::HeaderName::from_static("x-endpoint")];
    let world = world(&[&one, &two], Traffic { endpoints_in, ..Traffic::default() });
    for _ in 0..4 {
        get(world.address, "/", &[("x-endpoint", &format!("10.0.0.1:1, {}", two.address))]);
    }
    assert_eq!([one.all_asked().len(), two.all_asked().len()], [0, 4]);
}
