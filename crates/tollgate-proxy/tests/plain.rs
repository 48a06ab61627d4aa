//! Plain HTTP routes: filters, retries, upgrades, mirrors.

mod common;

use std::{io::Write, net::TcpListener, time::Duration};

use common::{Client, Upstream, World, backend, choice, get, http_rule, post, snapshot};
use http::{HeaderName, HeaderValue, StatusCode};
use tollgate_core::{End, Failure, Refusal};
use tollgate_snapshot::{
    Action, DirectResponse, Filter, ForwardedHost, HeaderEdit, HostRewrite, Mirror, PathRewrite, Redirect,
    Rule, Timeouts, UrlRewrite,
};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-from: backend\r\n\r\nhello";

fn one(upstream: &Upstream, change: impl FnOnce(&mut Rule)) -> World {
    let backend = backend(0, "web", upstream.address, None);
    let mut rule = http_rule(vec![choice(&backend, 0)]);
    change(&mut rule);
    World::start(snapshot(vec![("/", rule)], vec![backend]))
}

#[test]
fn a_request_passes_with_its_body_and_without_internal_headers() {
    let upstream = Upstream::fixed(OK);
    let world = one(&upstream, |_| ());
    let sent = [
        ("x-ai-eg-model", "m"),
        ("x-envoy-retry-on", "5xx"),
        ("x-gateway-destination-endpoint", "10.0.0.1:80"),
        ("x-kept", "1"),
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "1"),
    ];
    let answer = Client::connect(world.address).request("POST", "/a/b?c=d", &sent, "the body").answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.header("x-from"), Some("backend"));
    assert!(answer.header("date").is_some());
    let asked = upstream.asked();
    assert_eq!(asked.line, "POST /a/b?c=d HTTP/1.1");
    assert_eq!(asked.body, b"the body");
    assert_eq!(asked.header("host"), Some("gateway.example"));
    assert_eq!(asked.header("x-kept"), Some("1"));
    assert_eq!(asked.header("x-forwarded-for"), Some("127.0.0.1"));
    for gone in ["x-ai-eg-model", "x-envoy-retry-on", "x-gateway-destination-endpoint", "x-hop", "connection"]
    {
        assert_eq!(asked.header(gone), None, "{gone}");
    }
    let settled = world.settled();
    assert_eq!((settled.end, settled.record.bytes_in, settled.record.bytes_out), (End::Complete, 8, 5));
}

#[test]
fn filters_change_the_request_and_the_reply() {
    let upstream = Upstream::fixed(OK);
    let world = one(&upstream, |rule| {
        let pair = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        rule.filters = vec![
            Filter::RequestHeaders(HeaderEdit { set: vec![pair("x-team", "blue")], ..HeaderEdit::default() }),
            Filter::Rewrite(UrlRewrite {
                host: Some(HostRewrite::To(HeaderValue::from_static("inner.example"))),
                path: Some(PathRewrite::Full("/new".into())),
                forwarded: ForwardedHost::Append,
            }),
            Filter::ResponseHeaders(HeaderEdit {
                remove: vec![HeaderName::from_static("x-from")],
                add: vec![pair("x-added", "1")],
                ..HeaderEdit::default()
            }),
        ];
    });
    let answer = get(world.address, "/old?q=1", &[]);
    assert_eq!((answer.header("x-from"), answer.header("x-added")), (None, Some("1")));
    let asked = upstream.asked();
    assert_eq!(asked.line, "GET /new?q=1 HTTP/1.1");
    assert_eq!((asked.header("host"), asked.header("x-team")), (Some("inner.example"), Some("blue")));
    assert_eq!(asked.header("x-forwarded-host"), Some("gateway.example"));
}

#[test]
fn redirects_and_direct_responses_need_no_backend() {
    let redirect = Redirect {
        scheme: Some("https".into()),
        hostname: None,
        path: None,
        port: None,
        status: StatusCode::MOVED_PERMANENTLY,
    };
    let direct = DirectResponse {
        status: StatusCode::IM_A_TEAPOT,
        headers: HeaderEdit::default(),
        body: "short and stout".into(),
    };
    let moved = Rule { action: Action::Redirect(redirect), ..http_rule(Vec::new()) };
    let fixed = Rule { action: Action::Direct(direct), ..http_rule(Vec::new()) };
    let world = World::start(snapshot(vec![("/moved", moved), ("/fixed", fixed)], Vec::new()));
    let answer = get(world.address, "/moved/x?y", &[]);
    assert_eq!((answer.status, answer.header("location")), (301, Some("https://gateway.example/moved/x?y")));
    let answer = get(world.address, "/fixed", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (418, "short and stout"));
    assert_eq!(get(world.address, "/elsewhere", &[]).status, 404);
}

#[test]
fn a_reply_without_a_body_keeps_its_framing() {
    let upstream = Upstream::start(|asked, stream| {
        let reply: &str = match asked.line.split(' ').next() {
            Some("HEAD") => "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n",
            _ if asked.line.contains("/none") => "HTTP/1.1 204 No Content\r\n\r\n",
            _ => "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n",
        };
        stream.write_all(reply.as_bytes())
    });
    let world = one(&upstream, |_| ());
    let mut client = Client::connect(world.address);
    let answer = client.request("HEAD", "/", &[], "").answer_to("HEAD");
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("1234")));
    let answer = client.request("GET", "/none", &[], "").answer();
    assert_eq!((answer.status, answer.header("content-length")), (204, None));
    let answer = client.request("GET", "/cached", &[], "").answer();
    assert_eq!((answer.status, answer.header("etag")), (304, Some("\"x\"")));
    for _ in 0..3 {
        assert_eq!(world.settled().end, End::Complete);
    }
}

#[test]
fn a_request_that_found_no_connection_goes_elsewhere_with_its_body() {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = Upstream::fixed(OK);
    let (dead, live) = (backend(0, "dead", dead, None), backend(1, "live", upstream.address, None));
    let rule = http_rule(vec![choice(&dead, 0), choice(&live, 1)]);
    let world = World::start(snapshot(vec![("/", rule)], vec![dead, live]));
    let answer = post(world.address, "/", "precious");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(upstream.asked().body, b"precious");
    let settled = world.settled();
    assert_eq!(settled.record.attempts.len(), 2);
    assert!(matches!(settled.record.attempts[0].failure, Some(Failure::Connect(_))));
}

#[test]
fn a_post_that_may_have_had_an_effect_is_not_repeated() {
    let upstream = Upstream::start(|_, stream| stream.shutdown(std::net::Shutdown::Both));
    let world = one(&upstream, |_| ());
    let answer = post(world.address, "/", "once");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(upstream.asked().body, b"once");
    assert!(upstream.is_quiet());
    assert_eq!(world.settled().record.attempts.len(), 1);
}

#[test]
fn a_route_timeout_is_a_504() {
    let upstream = Upstream::start(|_, _| {
        loop {
            std::thread::park();
        }
    });
    let world = one(&upstream, |rule| {
        rule.timeouts = Timeouts { request: Some(Duration::from_millis(100)), ..Timeouts::HTTP };
    });
    let answer = get(world.address, "/", &[]);
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert!(answer.text().starts_with("upstream request timeout"), "{}", answer.text());
    assert!(matches!(world.settled().record.attempts[0].failure, Some(Failure::Silent(_))));
}

#[test]
fn a_reply_that_breaks_off_does_not_end_like_a_whole_one() {
    let upstream = Upstream::start(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        stream.shutdown(std::net::Shutdown::Both)
    });
    let world = one(&upstream, |_| ());
    let answer = get(world.address, "/", &[]);
    assert_eq!((answer.status, answer.text().as_str(), answer.whole), (200, "hello", false));
    let settled = world.settled();
    assert_eq!(settled.end, End::UpstreamBroke(Failure::ResetMidway));
    assert_eq!(settled.record.bytes_out, 5);
}

#[test]
fn a_mirror_gets_its_copy_and_nobody_waits_for_it() {
    let upstream = Upstream::fixed(OK);
    let shadow = Upstream::start(|_, _| Err(std::io::ErrorKind::Other.into()));
    let (web, copy) = (backend(0, "web", upstream.address, None), backend(1, "copy", shadow.address, None));
    let mut rule = http_rule(vec![choice(&web, 0)]);
    rule.filters = vec![Filter::Mirror(Mirror { backend: Ok(copy.clone()), per_million: 1_000_000 })];
    let world = World::start(snapshot(vec![("/", rule)], vec![web, copy]));
    let answer = post(world.address, "/x", "twice");
    assert_eq!(answer.status, 200);
    assert_eq!((upstream.asked().body, shadow.asked().body), (b"twice".to_vec(), b"twice".to_vec()));
    assert_eq!(world.settled().end, End::Complete);
    assert!(world.is_quiet());
}

#[test]
fn a_websocket_passes_both_ways() {
    let upstream = Upstream::start(|asked, stream| {
        assert_eq!(asked.header("upgrade"), Some("websocket"));
        stream.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        )?;
        let mut seen = [0; 4];
        std::io::Read::read_exact(stream, &mut seen)?;
        assert_eq!(&seen, b"ping");
        stream.write_all(b"pong")?;
        Err(std::io::ErrorKind::Other.into())
    });
    let world = one(&upstream, |_| ());
    let mut client = Client::connect(world.address);
    let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "abc")];
    let head = client.request("GET", "/ws", &upgrade, "").head();
    assert_eq!((head.status, head.header("upgrade")), (101, Some("websocket")));
    client.send(b"ping");
    let mut back = [0; 4];
    std::io::Read::read_exact(&mut client.stream, &mut back).unwrap();
    assert_eq!(&back, b"pong");
    drop(client);
    let settled = world.settled();
    assert_eq!((settled.end, settled.record.bytes_out), (End::Complete, 4));
}

#[test]
fn a_switch_of_protocols_that_nobody_asked_for_is_a_502() {
    let upstream =
        Upstream::fixed("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
    let world = one(&upstream, |_| ());
    let answer = get(world.address, "/", &[]);
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(matches!(world.settled().end, End::Refused(Refusal::Upstream(Failure::Protocol(_)))));
}

#[test]
fn a_client_that_leaves_while_the_backend_thinks_is_settled() {
    let upstream = Upstream::start(|_, _| {
        loop {
            std::thread::park();
        }
    });
    let world = one(&upstream, |_| ());
    let mut client = Client::connect(world.address);
    client.request("GET", "/", &[], "");
    upstream.asked();
    drop(client);
    assert_eq!(world.settled().end, End::ClientGone);
    assert!(world.is_quiet());
}
