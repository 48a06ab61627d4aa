//! What policies do to single requests: faults, other replies, bodies that are read whole.

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Asked, Client, Upstream, World, backend, choice, get, http_rule, snapshot};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use std::{
    io::Write as _,
    num::NonZeroU64,
    time::{Duration, Instant},
};
use tollgate_balance::AdmissionRule;
use tollgate_core::{End, Refusal};
use tollgate_snapshot::{
    Abort, AdmissionControl, Bandwidth, Compressor, Faults, HeaderEdit, OverrideWith, Packing, Redirect,
    ReplyOverride, ReplySource, RetryPolicy, Traffic,
};
use tollgate_wire::encoding::{Decoder, Encoding};

const ALWAYS: u32 = 1_000_000;
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nx-why: load\r\ncontent-length: 4\r\n\r\nbusy";

/// One rule with this policy.
fn world(upstream: &Upstream, traffic: Traffic) -> World {
    let one = backend(0, "one", upstream.address, None);
    let mut rule = http_rule(vec![choice(&one, 0)]);
    rule.traffic = Arc::new(traffic);
    World::start(snapshot(vec![("/", rule)], vec![one]))
}

fn aborting(abort: Abort, per_million: u32) -> Traffic {
    let delay = Some((Duration::from_millis(1), ALWAYS));
    Traffic { faults: Some(Faults { delay, abort: Some((abort, per_million)) }), ..Traffic::default() }
}

fn instead(source: ReplySource, with: OverrideWith) -> Traffic {
    let one = ReplyOverride { statuses: vec![500..=599], headers: Vec::new(), source, with };
    Traffic { overrides: vec![one], ..Traffic::default() }
}

fn sorry() -> OverrideWith {
    let set = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let headers = HeaderEdit { set, ..HeaderEdit::default() };
    let body = Bytes::from_static(b"{\"sorry\":true}");
    OverrideWith::Response { status: Some(StatusCode::IM_A_TEAPOT), headers, body }
}

#[test]
fn a_fault_is_answered_without_asking_anybody() {
    let upstream = Upstream::fixed(OK);
    let one = world(&upstream, aborting(Abort::Status(StatusCode::IM_A_TEAPOT), ALWAYS));
    let answer = get(one.address, "/", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (418, "fault filter abort"));
    assert!(matches!(one.settled().end, End::Refused(Refusal::Injected(_))));
    let two = world(&upstream, aborting(Abort::Grpc(14), ALWAYS));
    let answer = get(two.address, "/", &[]);
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("14")));
    assert!(upstream.is_quiet());
    let three = world(&upstream, aborting(Abort::Grpc(14), 0));
    assert_eq!(get(three.address, "/", &[]).text(), "ok");
}

#[test]
fn a_backends_reply_is_replaced_by_the_policys() {
    let upstream = Upstream::fixed(BUSY);
    let one = world(&upstream, instead(ReplySource::Backend, sorry()));
    let answer = get(one.address, "/", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (418, "{\"sorry\":true}"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-why"), None);
    let settled = one.settled();
    assert_eq!(settled.record.attempts[0].status, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(settled.record.status, Some(StatusCode::IM_A_TEAPOT));
    let two = world(&upstream, instead(ReplySource::Local, sorry()));
    assert_eq!(get(two.address, "/", &[]).text(), "busy", "it is not the gateway's own");
}

#[test]
fn the_gateways_own_reply_is_replaced_too_and_may_lead_elsewhere() {
    let upstream = Upstream::start(|_: &Asked, _| Err(std::io::ErrorKind::ConnectionReset.into()));
    let to = Redirect {
        scheme: Some("https".into()),
        hostname: Some("status.example".into()),
        path: None,
        port: None,
        status: StatusCode::FOUND,
    };
    let one = world(&upstream, instead(ReplySource::All, OverrideWith::Redirect(to)));
    let answer = get(one.address, "/a", &[]);
    assert_eq!((answer.status, answer.header("location")), (302, Some("https://status.example/a")));
}

#[test]
fn a_body_that_is_read_whole_can_be_sent_twice_and_not_be_too_large() {
    let upstream = Upstream::start(|asked: &Asked, stream| {
        let reply = if asked.body == b"hello" { BUSY } else { OK };
        stream.write_all(reply.as_bytes())
    });
    let retry = Some(RetryPolicy { retries: 1, ..RetryPolicy::default() });
    let world = world(&upstream, Traffic { request_buffer: Some(8), retry, ..Traffic::default() });
    let chunked = "POST / HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut client = Client::connect(world.address);
    client.send(chunked.as_bytes()).send(b"3\r\nhel\r\n").send(b"2\r\nlo\r\n0\r\n\r\n");
    assert_eq!(client.answer().status, 503);
    let asked = [upstream.asked(), upstream.asked()];
    assert!(asked.iter().all(|asked| asked.body == b"hello" && asked.header("content-length") == Some("5")));
    let settled = world.settled();
    assert_eq!((settled.record.attempts.len(), settled.record.bytes_in), (2, 5));
    let answer = Client::connect(world.address).request("POST", "/", &[], "nine byte").answer();
    assert_eq!(answer.status, 413);
    assert!(upstream.is_quiet());
}

#[test]
fn a_reply_is_compressed_for_those_who_can_read_it() {
    let upstream = Upstream::fixed(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\netag: \"a\"\r\ncontent-length: 40\r\n\r\n\
         0123456789012345678901234567890123456789",
    );
    let compression = vec![Compressor { packing: Packing::Gzip, min_length: 30 }];
    let world = world(&upstream, Traffic { compression, ..Traffic::default() });
    let packed = get(world.address, "/", &[("accept-encoding", "br, gzip")]);
    assert_eq!((packed.header("content-encoding"), packed.header("etag")), (Some("gzip"), Some("W/\"a\"")));
    assert_eq!((packed.header("vary"), packed.header("content-length")), (Some("accept-encoding"), None));
    let (mut text, whole) = (Vec::new(), packed.whole);
    let mut decoder = Decoder::new(Encoding::Gzip, 4096).expect("gzip is known");
    decoder.push(&packed.body, &mut text).and_then(|()| decoder.finish(&mut text)).expect("it is gzip");
    assert_eq!((text.len(), whole), (40, true));
    assert_eq!(upstream.asked().header("accept-encoding"), None);
    let plain = get(world.address, "/", &[]);
    assert_eq!((plain.body.len(), plain.header("content-encoding")), (40, None));
    assert_eq!(plain.header("vary"), Some("accept-encoding"));
}

#[test]
fn no_stream_lasts_longer_than_the_policy_allows() {
    let endless = Upstream::start(|_: &Asked, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
    });
    let max_stream = Some(Duration::from_millis(100));
    let one = world(&endless, Traffic { max_stream, ..Traffic::default() });
    let answer = get(one.address, "/", &[]);
    assert!(answer.status == 200 && !answer.whole, "{}", answer.text());
    assert_eq!(one.settled().end, End::Deadline);
    let silent = Upstream::start(|_: &Asked, _| {
        std::thread::park();
        Ok(())
    });
    let two = world(&silent, Traffic { max_stream, ..Traffic::default() });
    let answer = get(two.address, "/", &[]);
    assert!(answer.status == 504 && answer.text().contains("100ms"), "{}", answer.text());
}

#[test]
fn where_most_requests_fail_some_are_not_passed_on() {
    let busy = Upstream::fixed(BUSY);
    let admission = |successes| {
        let rule = AdmissionRule { max_percent: 100, ..AdmissionRule::default() };
        Traffic { admission: Some(AdmissionControl { rule, successes }), ..Traffic::default() }
    };
    let one = world(&busy, admission(Vec::new()));
    // Each of them is turned away with a likelihood that soon is near one.
    let turned = (0..100).map(|_| get(one.address, "/", &[])).find(|answer| answer.text() != "busy");
    let answer = turned.expect("one of a hundred is turned away");
    assert!(answer.status == 503 && answer.text().starts_with("turned away"), "{}", answer.text());
    let two = world(&busy, admission(vec![503]));
    assert!((0..20).all(|_| get(two.address, "/", &[]).text() == "busy"), "they are successes");
}

#[test]
fn connections_are_upgraded_to_what_the_policy_names_alone() {
    let upstream = Upstream::fixed(OK);
    let upgrades = Some(vec!["websocket".into()]);
    let one = world(&upstream, Traffic { upgrades, ..Traffic::default() });
    let asking = |protocol| get(one.address, "/", &[("connection", "upgrade"), ("upgrade", protocol)]);
    let refused = asking("other/1");
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(upstream.is_quiet());
    assert_eq!(asking("WebSocket").text(), "ok");
    assert_eq!(get(one.address, "/", &[]).text(), "ok");
}

#[test]
fn bodies_go_no_faster_than_their_policy_allows() {
    const SIZE: usize = 22_000;
    let upstream = Upstream::start(|asked: &Asked, stream| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", asked.body.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(&asked.body)
    });
    let rate = NonZeroU64::new(20_000);
    let bandwidth = Some(Bandwidth { request: rate, response: rate });
    let world = world(&upstream, Traffic { bandwidth, ..Traffic::default() });
    let (body, began) = ("a".repeat(SIZE), Instant::now());
    let answer = Client::connect(world.address).request("POST", "/", &[], &body).answer();
    assert_eq!((answer.text().len(), answer.header("content-length")), (SIZE, Some("22000")));
    // A second's bytes go at once; the 2,000 behind them take a tenth of a second each way.
    assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
    assert_eq!(upstream.asked().header("content-length"), Some("22000"));
}
