//! Whatever bytes arrive: a clean refusal, one settlement, and a gateway that serves on.

mod common;

use std::{io::Write as _, time::Duration};

use common::{
    Client, Upstream, World, backend, chat, chat_stream, choice, get, http_rule, llm_rule, post, raw,
    snapshot,
};
use tollgate_core::{End, Refusal};
use tollgate_proxy::Options;
use tollgate_simulate::{Behaviour, Fault, Simulator};
use tollgate_snapshot::{RetryScope, Snapshot};
use tollgate_types::ApiSchema;

const CHAT: &str = "/v1/chat/completions";

fn one_model(simulator: &Simulator) -> Snapshot {
    let openai = backend(0, "openai", simulator.address(), Some((ApiSchema::OpenAi, "sk-secret")));
    snapshot(vec![("m", llm_rule(vec![choice(&openai, 0)]))], vec![openai])
}

#[test]
fn bodies_that_name_no_model_are_refused_with_a_reason() {
    let simulator = Simulator::start().unwrap();
    let world = World::start(one_model(&simulator));
    let cases = [
        ("", 400),
        ("hello", 400),
        ("[1]", 400),
        ("\"m\"", 400),
        ("{}", 400),
        (r#"{"model":7}"#, 400),
        (r#"{"model":""}"#, 400),
        (r#"{"model":"m""#, 400),
        (r#"{"model":"other","messages":[]}"#, 404),
    ];
    for (body, status) in cases {
        let answer = post(world.address, CHAT, body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(
            answer.json()["error"]["message"].as_str().is_some_and(|text| text.len() > 10),
            "{}",
            answer.text()
        );
        assert!(matches!(world.settled().end, End::Refused(_)));
    }
    let answer = post(world.address, CHAT, r#"{"model":"other"}"#);
    assert!(answer.text().contains("other"), "{}", answer.text());
    assert_eq!(simulator.stats().requests, 0);
    assert_eq!(post(world.address, CHAT, &chat("m")).status, 200);
}

#[test]
fn no_body_at_all_and_a_strange_content_type_are_told_apart() {
    let simulator = Simulator::start().unwrap();
    let world = World::start(one_model(&simulator));
    let answer =
        raw(world.address, b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // OpenAI's own API reads JSON whatever its type is called.
    let mut client = Client::connect(world.address);
    let answer = client.request("POST", CHAT, &[("content-type", "text/plain")], &chat("m")).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = client.request("PUT", CHAT, &[], &chat("m")).answer();
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    let answer = client.request("GET", "/nothing/here", &[], "").answer();
    assert_eq!(answer.status, 404);
}

#[test]
fn a_compressed_body_is_refused_by_the_name_of_its_encoding() {
    let simulator = Simulator::start().unwrap();
    let world = World::start(one_model(&simulator));
    let mut client = Client::connect(world.address);
    let answer = client.request("POST", CHAT, &[("content-encoding", "gzip")], "\u{1f}").answer();
    assert_eq!(answer.status, 415, "{}", answer.text());
    assert!(answer.text().contains("content-encoding gzip"), "{}", answer.text());
    let plain = [("content-encoding", "identity")];
    let answer = Client::connect(world.address).request("POST", CHAT, &plain, &chat("m")).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_model_name_of_a_hundred_kilobytes_is_not_repeated_whole() {
    let simulator = Simulator::start().unwrap();
    let world = World::start(one_model(&simulator));
    let answer = post(world.address, CHAT, &chat(&"x".repeat(100_000)));
    assert_eq!(answer.status, 404);
    assert!(answer.text().len() < 1000, "{}", answer.text().len());
}

#[test]
fn a_backend_that_cannot_be_reached_is_named_by_its_address() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let openai = backend(0, "openai", address, Some((ApiSchema::OpenAi, "sk-secret")));
    let world = World::start(snapshot(vec![("m", llm_rule(vec![choice(&openai, 0)]))], vec![openai]));
    let answer = post(world.address, CHAT, &chat("m"));
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains(&address.to_string()), "{}", answer.text());
    assert!(!answer.text().contains("sk-secret"), "{}", answer.text());
    let settled = world.settled();
    assert_eq!(settled.record.attempts[0].address.as_deref(), Some(&*address.to_string()));
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let simulator = Simulator::start().unwrap();
    let world = World::start(one_model(&simulator));
    let mut client = Client::connect(world.address);
    client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 62914560\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(matches!(world.settled().end, End::Refused(Refusal::TooLarge(_))));
    // Without a length it is refused when it has grown too large.
    let mut snapshot = one_model(&simulator);
    snapshot.settings.body_limit = 64 * 1024;
    let world = World::start(snapshot);
    let mut client = Client::connect(world.address);
    client.send(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
    for _ in 0..5 {
        let _may_be_closed_by_now = client.stream.get_mut().write_all(&chunk);
    }
    assert_eq!(client.head().status, 413);
}

#[test]
fn a_request_names_one_host() {
    let simulator = Simulator::start().unwrap();
    let world = World::start(one_model(&simulator));
    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let request = format!("GET /v1/models HTTP/1.1\r\nconnection: close\r\n{hosts}\r\n");
        let answer = raw(world.address, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{hosts}: {answer}");
    }
    assert!(matches!(world.settled().end, End::Refused(Refusal::BadHost(_))));
    let answer = raw(world.address, b"GET /v1/models HTTP/1.0\r\n\r\n");
    assert!(answer.contains(" 200 "), "{answer}");
}

#[test]
fn a_pair_that_cannot_be_is_refused_by_name() {
    let simulator = Simulator::start().unwrap();
    let anthropic = backend(0, "anthropic", simulator.address(), Some((ApiSchema::Anthropic, "sk-secret")));
    let world = World::start(snapshot(vec![("m", llm_rule(vec![choice(&anthropic, 0)]))], vec![anthropic]));
    let answer = post(world.address, "/v1/embeddings", r#"{"model":"m","input":"a"}"#);
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("Anthropic") && answer.text().contains("embeddings"), "{}", answer.text());
}

#[test]
fn replies_that_are_none_become_a_gateway_error() {
    let simulator = Simulator::start().unwrap();
    for fault in [Fault::Html, Fault::BadChunk, Fault::Empty, Fault::Malformed, Fault::ErrorBody] {
        let world = World::start(one_model(&simulator));
        simulator.clear_rules();
        simulator.next(20, Behaviour::fault(fault));
        let body = if fault == Fault::BadChunk { chat_stream("m") } else { chat("m") };
        let answer = post(world.address, CHAT, &body);
        assert!((500..=504).contains(&answer.status), "{fault:?}: {} {}", answer.status, answer.text());
        assert!(answer.json()["error"]["message"].is_string(), "{fault:?}: {}", answer.text());
        assert!(matches!(world.settled().end, End::Refused(Refusal::Upstream(_))), "{fault:?}");
    }
}

#[test]
fn a_reply_shorter_than_it_says_does_not_pass_for_whole() {
    let simulator = Simulator::start().unwrap();
    let world = World::start(one_model(&simulator));
    simulator.next(9, Behaviour::fault(Fault::Truncate));
    let answer = post(world.address, CHAT, &chat("m"));
    assert!(answer.whole && answer.status >= 500, "{}", answer.status);
    assert!(matches!(world.settled().end, End::Refused(Refusal::Upstream(_))));
}

#[test]
fn both_length_headers_are_never_two_requests() {
    let upstream = Upstream::fixed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let web = backend(0, "web", upstream.address, None);
    let world = World::start(snapshot(vec![("/", http_rule(vec![choice(&web, 0)]))], vec![web]));
    let smuggle = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nhost: a\r\n\r\n";
    let answer = raw(world.address, smuggle);
    assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{answer}");
    assert!(upstream.all_asked().iter().all(|asked| !asked.line.contains("evil")));
    for bad in ["GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nho st: a\r\n\r\n"] {
        let answer = raw(world.address, bad.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{bad}: {answer}");
    }
}

#[test]
fn a_host_that_is_missing_or_ambiguous_is_refused() {
    let upstream = Upstream::fixed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let web = backend(0, "web", upstream.address, None);
    let world = World::start(snapshot(vec![("/", http_rule(vec![choice(&web, 0)]))], vec![web]));
    for hosts in ["", "host: a\r\nhost: b\r\n", "host: a b\r\n", "host: \r\n"] {
        let answer =
            raw(world.address, format!("GET / HTTP/1.1\r\nconnection: close\r\n{hosts}\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400"), "{hosts:?}: {answer}");
        assert!(answer.contains("invalid host header"), "{hosts:?}: {answer}");
    }
    assert!(upstream.is_quiet());
}

#[test]
fn the_host_and_the_path_that_decide_are_those_the_backend_gets() {
    let upstream = Upstream::fixed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let web = backend(0, "web", upstream.address, None);
    let world = World::start(snapshot(vec![("/web", http_rule(vec![choice(&web, 0)]))], vec![web]));
    assert_eq!(get(world.address, "/web/../admin", &[]).status, 404);
    assert_eq!(get(world.address, "/web/%2e%2e/admin", &[]).status, 404);
    raw(
        world.address,
        b"GET http://u:p@b.example/x/..//web/y HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n",
    );
    let asked = upstream.asked();
    assert_eq!(asked.line, "GET /web/y HTTP/1.1");
    assert_eq!(asked.header("host"), Some("b.example"));
}

#[test]
fn a_client_that_stops_reading_is_let_go_and_settled() {
    let simulator = Simulator::start().unwrap();
    let mut options = Options::default();
    options.server.write_timeout = Duration::from_millis(200);
    simulator.next(1, Behaviour { tokens: Some(2_000_000), rate: Some(0.0), ..Behaviour::default() });
    let world = World::with(one_model(&simulator), options);
    let mut client = Client::connect(world.address);
    client.request("POST", CHAT, &[], &chat_stream("m"));
    assert_eq!(client.head().status, 200);
    assert_eq!(world.settled().end, End::ClientGone);
}

#[test]
fn a_retry_on_the_same_backend_happens_where_it_is_configured() {
    let simulator = Simulator::start().unwrap();
    let openai = backend(0, "openai", simulator.address(), Some((ApiSchema::OpenAi, "sk-secret")));
    let mut rule = llm_rule(vec![choice(&openai, 0)]);
    rule.retry.scope = RetryScope::AnyBackend;
    rule.retry.backoff = Duration::from_millis(1);
    let world = World::start(snapshot(vec![("m", rule)], vec![openai]));
    simulator.next(2, Behaviour::status(500));
    assert_eq!(post(world.address, CHAT, &chat("m")).status, 200);
    assert_eq!(world.settled().record.attempts.len(), 3);
}
