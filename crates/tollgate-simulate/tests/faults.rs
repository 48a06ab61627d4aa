//! Each way of breaking, and the ways to ask for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::{io::Read as _, io::Write as _, net::TcpStream, time::Instant};

use common::{exchange, get, post, post_with, send};
use serde_json::{Value, json};
use tollgate_simulate::{Behaviour, Encoding, Fault, Rule, Simulator, Stats};

const CHAT: &str = "/v1/chat/completions";

fn simulator() -> Simulator {
    Simulator::start().unwrap()
}

fn whole() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
}

fn stream() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": true})
}

fn broken(fault: &str, after: &str, body: &Value) -> common::Got {
    post_with(&simulator(), CHAT, &[("x-sim-fault", fault), ("X-Sim-After", after)], body)
}

fn ends_well(got: &common::Got) -> bool {
    got.raw.ends_with(b"0\r\n\r\n")
}

#[test]
fn a_status_comes_with_the_providers_error() {
    let sim = simulator();
    let got = post_with(&sim, CHAT, &[("x-sim-status", "503")], &whole());
    assert_eq!((got.status(), &got.json()["error"]["type"]), (503, &json!("server_error")));
    let got = post_with(&sim, "/v1/messages", &[("x-sim-status", "529")], &whole());
    assert_eq!((got.status(), &got.json()["error"]["type"]), (529, &json!("overloaded_error")));
}

#[test]
fn too_many_requests_says_when_to_come_back() {
    let sim = simulator();
    let got = post(&sim, CHAT, &json!({"model": "sim-429", "messages": []}));
    assert_eq!((got.status(), got.header("retry-after")), (429, Some("1")));
    let got = post_with(&sim, CHAT, &[("x-sim-status", "429"), ("x-sim-retry-after", "7")], &whole());
    assert_eq!(got.header("retry-after"), Some("7"));
}

#[test]
fn a_reset_comes_after_the_events_asked_for() {
    let got = broken("reset", "2", &stream());
    assert!(got.reset);
    assert_eq!(got.events().len(), 2);
    assert!(broken("reset-before", "0", &whole()).reset);
}

#[test]
fn a_cut_ends_the_connection_inside_the_body_and_a_close_ends_the_body_without_its_mark() {
    let cut = broken("cut", "3", &stream());
    assert!(!cut.reset && !ends_well(&cut) && cut.events().len() == 3);
    let close = broken("close", "3", &stream());
    assert!(ends_well(&close) && close.events().len() == 3 && !close.text().contains("[DONE]"));
}

#[test]
fn a_stall_leaves_the_connection_open() {
    let got = broken("stall", "1", &stream());
    assert!(!got.reset && !ends_well(&got) && got.events().len() == 1);
    let never = broken("never-answer", "0", &whole());
    assert!(never.head.is_empty() && !never.reset);
}

#[test]
fn a_connection_can_close_before_the_reply() {
    assert!(broken("close-before", "0", &whole()).head.is_empty());
}

#[test]
fn bodies_can_be_anything_but_the_reply() {
    assert!(serde_json::from_slice::<Value>(&broken("malformed", "0", &whole()).body).is_err());
    let html = broken("html", "0", &whole());
    assert_eq!((html.status(), html.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let error = broken("error-body", "0", &stream());
    assert_eq!((error.status(), error.header("content-type")), (200, Some("application/json")));
    assert!(error.json()["error"].is_object());
    assert!(broken("empty", "0", &whole()).body.is_empty());
    assert_eq!(broken("null", "0", &whole()).text(), "null");
    assert_eq!(broken("empty-choices", "0", &whole()).json()["choices"], json!([]));
}

#[test]
fn an_error_can_be_the_first_event_or_a_later_one() {
    let first = broken("error-event", "0", &stream()).events();
    assert!(first.len() == 1 && first[0].1["error"].is_object());
    let later = broken("error-event", "4", &stream()).events();
    assert!(later.len() == 5 && later[4].1["error"].is_object());
    let headers = [("x-sim-fault", "error-event"), ("x-sim-after", "2")];
    let anthropic = post_with(&simulator(), "/v1/messages", &headers, &stream()).events();
    assert_eq!(anthropic[2].0, "error");
}

#[test]
fn one_bad_event_does_not_end_the_stream() {
    let bad = broken("bad-event", "2", &stream());
    assert!(bad.text().contains("{\"id\":\"broken\n\n") && bad.text().ends_with("[DONE]\n\n"));
    let empty = broken("empty-choices", "1", &stream()).events();
    assert_eq!(empty[1].1["choices"], json!([]));
}

#[test]
fn framing_can_lie() {
    let bad = broken("bad-chunk", "1", &stream());
    assert!(bad.raw.ends_with(b"\r\nzz\r\n"));
    let short = broken("truncate", "10", &whole());
    assert_eq!(short.body.len(), 10);
    assert!(short.header("content-length").unwrap().parse::<usize>().unwrap() > 10);
    let until_close = broken("until-close", "0", &stream());
    assert!(until_close.header("transfer-encoding").is_none() && until_close.text().ends_with("[DONE]\n\n"));
    assert_eq!(broken("connection-close", "0", &whole()).header("connection"), Some("close"));
}

#[test]
fn replies_can_be_compressed_whole_and_as_they_stream() {
    let sim = simulator();
    let plain = post(&sim, CHAT, &stream());
    let got = post_with(&sim, CHAT, &[("x-sim-encoding", "gzip")], &stream());
    let mut text = String::new();
    flate2::read::GzDecoder::new(&got.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(got.header("content-encoding"), Some("gzip"));
    assert_eq!(text.matches("data: ").count(), plain.text().matches("data: ").count());
    sim.next(1, Behaviour { encoding: Some(Encoding::Deflate), ..Behaviour::default() });
    let got = post(&sim, CHAT, &whole());
    let mut text = String::new();
    flate2::read::ZlibDecoder::new(&got.body[..]).read_to_string(&mut text).unwrap();
    assert!(serde_json::from_str::<Value>(&text).unwrap()["usage"].is_object());
}

#[test]
fn headers_can_be_large() {
    let got = post_with(&simulator(), CHAT, &[("x-sim-header-bytes", "40000")], &whole());
    assert_eq!(got.header("x-simulator-padding").unwrap().len(), 40_000);
}

#[test]
fn a_pace_takes_its_time_and_stamps_tell_it() {
    let headers =
        [("x-sim-first-token-ms", "30"), ("x-sim-rate", "200"), ("x-sim-tokens", "5"), ("x-sim-stamp", "1")];
    let start = Instant::now();
    let got = post_with(&simulator(), CHAT, &headers, &stream());
    assert!(start.elapsed().as_millis() >= 49);
    let stamps: Vec<u64> = got
        .events()
        .iter()
        .filter_map(|(_, data)| {
            data["choices"][0]["delta"]["content"].as_str()?.strip_prefix('@')?.parse().ok()
        })
        .collect();
    assert_eq!(stamps.len(), 5);
    assert!(stamps[4] - stamps[0] >= 15_000);
}

#[test]
fn slow_headers_are_slow() {
    let start = Instant::now();
    post_with(&simulator(), CHAT, &[("x-sim-header-delay-ms", "30")], &whole());
    assert!(start.elapsed().as_millis() >= 30);
}

#[test]
fn rules_set_at_run_time_apply_in_order_and_run_out() {
    let sim = simulator();
    let rules = json!([
        {"times": 2, "model": "m", "behaviour": {"status": 500}},
        {"skip": 1, "behaviour": {"fault": "malformed"}},
    ]);
    assert_eq!(post(&sim, "/_sim/faults", &rules).status(), 200);
    let other = json!({"model": "other", "messages": []});
    assert_eq!(post(&sim, CHAT, &other).status(), 200);
    assert_eq!(post(&sim, CHAT, &whole()).status(), 500);
    assert_eq!(post(&sim, CHAT, &whole()).status(), 500);
    assert!(serde_json::from_slice::<Value>(&post(&sim, CHAT, &whole()).body).is_err());
    assert_eq!(post(&sim, CHAT, &whole()).status(), 200);
    sim.add_rule(Rule::next(0, Behaviour::status(503)));
    assert_eq!(post(&sim, CHAT, &whole()).status(), 503);
    sim.clear_rules();
    assert_eq!(post(&sim, CHAT, &whole()).status(), 200);
    assert_eq!(post(&sim, "/_sim/faults", &json!({"tiems": 1})).status(), 400);
}

#[test]
fn a_knob_that_cannot_be_read_is_refused() {
    let got = post_with(&simulator(), CHAT, &[("x-sim-rate", "fast")], &whole());
    assert_eq!(got.status(), 400);
    assert!(got.text().contains("x-sim-rate"));
    assert_eq!(post_with(&simulator(), CHAT, &[("x-sim-what", "1")], &whole()).status(), 400);
}

#[test]
fn requests_are_counted_and_remembered_without_their_credentials() {
    let sim = simulator();
    post_with(&sim, CHAT, &[("authorization", "Bearer sk-secret-1234"), ("x-extra", "yes")], &whole());
    sim.fail_next(Fault::Html);
    post(&sim, CHAT, &whole());
    let stats: Stats = serde_json::from_value(get(&sim, "/_sim/stats").json()).unwrap();
    assert_eq!((stats.requests, stats.model("m"), stats.keys["1234"]), (2, 2, 1));
    let last = get(&sim, "/_sim/last");
    assert!(!last.text().contains("secret"));
    let first = &sim.last()[0];
    assert_eq!((first.header("X-Extra"), first.header("authorization")), (Some("yes"), Some("1234")));
    assert_eq!(serde_json::from_str::<Value>(&first.body).unwrap(), whole());
}

#[test]
fn a_client_that_leaves_is_counted_as_aborted() {
    let sim = simulator();
    let body = stream().to_string();
    let mut client = TcpStream::connect(sim.address()).unwrap();
    let head = format!("POST {CHAT} HTTP/1.1\r\nx-sim-rate: 1\r\ncontent-length: {}\r\n\r\n", body.len());
    client.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    client.read_exact(&mut [0; 16]).unwrap();
    assert_eq!(sim.stats().in_flight, 1);
    assert!(
        get(&sim, "/metrics")
            .text()
            .contains("vllm:num_requests_running{engine=\"0\",model_name=\"gpt-4o-mini\"} 1")
    );
    drop(client);
    let start = Instant::now();
    while sim.stats().aborted == 0 && start.elapsed().as_secs() < 5 {
        std::thread::yield_now();
    }
    assert_eq!((sim.stats().aborted, sim.stats().in_flight), (1, 0));
}

#[test]
fn requests_may_be_chunked_pipelined_and_announced() {
    let sim = simulator();
    let body = whole().to_string();
    let (left, right) = body.split_at(20);
    let chunked = format!(
        "POST {CHAT} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{left}\r\n{:x}\r\n{right}\r\n0\r\n\r\n",
        left.len(),
        right.len()
    );
    let two = format!("{chunked}GET /health HTTP/1.1\r\nconnection: close\r\n\r\n");
    let got = exchange(&sim, two.as_bytes());
    assert_eq!(got.status(), 200);
    assert!(got.body.ends_with(b"ok\n"));
    let announced =
        format!("POST {CHAT} HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len());
    assert_eq!(exchange(&sim, announced.as_bytes()).status(), 100);
}

#[test]
fn what_is_not_http_is_refused() {
    let sim = simulator();
    for bytes in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "nonsense\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    ] {
        assert_eq!(exchange(&sim, bytes.as_bytes()).status(), 400, "{bytes}");
    }
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    assert_eq!(exchange(&sim, long.as_bytes()[..80_000].as_ref()).status(), 431);
    assert_eq!(send(&sim, &("GET", "/health", &[]), b"").text(), "ok\n");
}
