//! What a client gets while backends fail, and what never crosses from one to another.

mod common;

use std::{io::Read as _, sync::Arc, time::Duration};

use common::{Client, World, backend, chat, chat_stream, choice, llm_rule, post, snapshot};
use tollgate_auth::{Credential, TokenId};
use tollgate_core::{End, Failure, Settled};
use tollgate_simulate::{Behaviour, Fault, Options, Simulator, spawn};
use tollgate_snapshot::{Rule, Timeouts};
use tollgate_types::ApiSchema;

const CHAT: &str = "/v1/chat/completions";

fn named(name: &str) -> Simulator {
    spawn(Options { name: name.to_owned(), ..Options::default() }).expect("a port is free")
}

struct Pair {
    first: Simulator,
    second: Simulator,
    world: World,
}

/// Two providers, the second of a lower priority, each with its own key.
fn pair(change: impl FnOnce(&mut Rule)) -> Pair {
    let (first, second) = (named("first"), named("second"));
    let one = backend(0, "one", first.address(), Some((ApiSchema::OpenAi, "sk-key-one1")));
    let two = backend(1, "two", second.address(), Some((ApiSchema::OpenAi, "sk-key-two2")));
    let mut rule = llm_rule(vec![choice(&one, 0), choice(&two, 1)]);
    change(&mut rule);
    let world = World::start(snapshot(vec![("m", rule)], vec![one, two]));
    Pair { first, second, world }
}

fn failure(settled: &Settled) -> Option<&'static str> {
    settled.record.attempts[0].failure.as_ref().map(Failure::word)
}

#[test]
fn every_way_to_fail_before_the_first_byte_moves_on_to_the_next_backend() {
    let faults = [
        (Fault::ResetBefore, "reset"),
        (Fault::CloseBefore, "reset"),
        (Fault::NeverAnswer, "timeout"),
        (Fault::Html, "malformed_reply"),
        (Fault::ErrorBody, "error_in_reply"),
        (Fault::Empty, "truncated_reply"),
        (Fault::Malformed, "truncated_reply"),
        (Fault::Truncate, "reset_midway"),
    ];
    let Pair { first, second, world } = pair(|rule| {
        rule.timeouts.attempt = Some(Duration::from_millis(500));
    });
    for (fault, word) in faults {
        // Twice: on a kept connection a close is no failure yet, and the request is sent again on a new one.
        first.next(2, Behaviour::fault(fault));
        let answer = post(world.address, CHAT, &chat("m"));
        first.clear_rules();
        assert_eq!(
            (answer.status, answer.header("x-simulator-instance")),
            (200, Some("second")),
            "{fault:?} {}",
            answer.text()
        );
        assert_eq!(answer.header("x-simulator-key"), Some("two2"));
        let settled = world.settled();
        assert_eq!(failure(&settled).unwrap_or("none"), word, "{fault:?}");
        assert_eq!((settled.record.attempts.len(), settled.end), (2, End::Complete));
        // One success in a row keeps the first backend in service.
        assert_eq!(
            post(world.address, CHAT, &chat("m")).header("x-simulator-instance"),
            Some("first"),
            "{fault:?}"
        );
        world.settled();
    }
    let keys = [first.stats().keys, second.stats().keys];
    assert!(!keys[0].contains_key("two2") && !keys[1].contains_key("one1"), "{keys:?}");
}

#[test]
fn statuses_that_count_as_failure_move_on() {
    let Pair { first, second: _second, world } = pair(|_| ());
    for status in [500, 502, 503, 504, 529, 429] {
        first.next(1, Behaviour::status(status));
        let answer = post(world.address, CHAT, &chat("m"));
        assert_eq!(
            (answer.status, answer.header("x-simulator-instance")),
            (200, Some("second")),
            "{status} {}",
            answer.text()
        );
        let settled = world.settled();
        assert_eq!(settled.record.attempts[0].status.map(|status| status.as_u16()), Some(status));
        post(world.address, CHAT, &chat("m"));
        world.settled();
    }
}

#[test]
fn a_stream_that_fails_before_its_first_event_moves_on() {
    let Pair { first, second: _second, world } = pair(|rule| {
        rule.timeouts = Timeouts { stream_idle: Some(Duration::from_millis(300)), ..Timeouts::LLM };
    });
    for fault in [Fault::Stall, Fault::ErrorEvent, Fault::Reset, Fault::Cut, Fault::Close, Fault::BadChunk] {
        first.fail_next(fault);
        let answer = post(world.address, CHAT, &chat_stream("m"));
        assert_eq!(
            (answer.status, answer.header("x-simulator-instance")),
            (200, Some("second")),
            "{fault:?} {}",
            answer.text()
        );
        assert!(answer.whole && answer.text().ends_with("data: [DONE]\n\n"), "{fault:?}: {}", answer.text());
        assert_eq!(world.settled().record.attempts.len(), 2, "{fault:?}");
        post(world.address, CHAT, &chat_stream("m"));
        world.settled();
    }
}

#[test]
fn a_stream_that_breaks_midway_ends_with_an_error_event_and_an_abort() {
    let Pair { first, second, world } = pair(|rule| {
        rule.timeouts = Timeouts { stream_idle: Some(Duration::from_secs(1)), ..Timeouts::LLM };
    });
    for fault in [Fault::Reset, Fault::Cut, Fault::Stall, Fault::Close] {
        // What was sent before a reset is lost where nobody has read it yet, so there is time to.
        let broken = Behaviour { after: Some(3), rate: Some(20.0), ..Behaviour::fault(fault) };
        first.next(1, broken);
        let answer = post(world.address, CHAT, &chat_stream("m"));
        assert_eq!((answer.status, answer.whole), (200, false), "{fault:?}: {}", answer.text());
        assert!(answer.text().contains("\"error\""), "{fault:?}: {}", answer.text());
        assert!(!answer.text().contains("[DONE]"), "{fault:?}: {}", answer.text());
        let settled = world.settled();
        assert!(matches!(settled.end, End::UpstreamBroke(_)), "{fault:?}: {:?}", settled.end);
        assert_eq!(settled.record.bytes_out, answer.body.len() as u64);
    }
    assert_eq!(second.stats().requests, 0);
}

#[test]
fn a_backend_that_asks_for_rest_gets_it() {
    let Pair { first, second: _second, world } = pair(|_| ());
    first.next(1, Behaviour { retry_after: Some(60), ..Behaviour::status(429) });
    for _ in 0..3 {
        let answer = post(world.address, CHAT, &chat("m"));
        assert_eq!((answer.status, answer.header("x-simulator-instance")), (200, Some("second")));
    }
    assert_eq!(first.stats().requests, 1);
}

#[test]
fn the_last_error_of_the_providers_reaches_the_client_as_it_is() {
    let Pair { first, second, world } = pair(|_| ());
    first.next(9, Behaviour::status(500));
    second.next(9, Behaviour { retry_after: Some(7), ..Behaviour::status(429) });
    let answer = post(world.address, CHAT, &chat("m"));
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")), "{}", answer.text());
    assert!(answer.json()["error"]["message"].is_string());
    let settled = world.settled();
    assert_eq!((settled.record.attempts.len(), settled.costs.len()), (2, 0));
}

#[test]
fn the_deadline_of_the_route_bounds_all_attempts() {
    let Pair { first, second, world } = pair(|rule| {
        rule.timeouts = Timeouts { request: Some(Duration::from_millis(200)), ..Timeouts::LLM };
    });
    first.fail_next(Fault::NeverAnswer);
    second.fail_next(Fault::NeverAnswer);
    let answer = post(world.address, CHAT, &chat("m"));
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("200ms"), "{}", answer.text());
}

#[test]
fn the_deadline_of_the_route_ends_a_stream_with_an_error_event() {
    let Pair { first, second: _second, world } = pair(|rule| {
        rule.timeouts = Timeouts { request: Some(Duration::from_millis(300)), ..Timeouts::LLM };
    });
    first.next(1, Behaviour { rate: Some(20.0), tokens: Some(100), ..Behaviour::default() });
    let answer = post(world.address, CHAT, &chat_stream("m"));
    assert!(!answer.whole && answer.text().contains("\"error\""), "{}", answer.text());
    assert_eq!(world.settled().end, End::Deadline);
}

#[test]
fn a_client_that_leaves_pays_for_what_it_got_and_the_backend_is_told() {
    let Pair { first, second: _second, world } = pair(|_| ());
    first.next(1, Behaviour { rate: Some(200.0), tokens: Some(10_000), ..Behaviour::default() });
    let mut client = Client::connect(world.address);
    client.request("POST", CHAT, &[], &chat_stream("m"));
    let head = client.head();
    assert_eq!(head.status, 200);
    let mut some = [0; 512];
    client.stream.read_exact(&mut some).unwrap();
    drop(client);
    let settled = world.settled();
    assert_eq!(settled.end, End::ClientGone);
    assert!(settled.record.bytes_out >= 400, "{}", settled.record.bytes_out);
    assert!(world.is_quiet());
}

#[test]
fn a_backend_whose_token_is_not_there_is_left_to_others_and_alone_it_is_a_503() {
    let (first, second) = (named("first"), named("second"));
    let lacking = || {
        let mut backend =
            Arc::into_inner(backend(0, "one", first.address(), Some((ApiSchema::OpenAi, "sk")))).unwrap();
        backend.credential = Some(Credential::bearer(TokenId("default/azure t/c".into())));
        Arc::new(backend)
    };
    let two = backend(1, "two", second.address(), Some((ApiSchema::OpenAi, "sk-key-two2")));
    let one = lacking();
    let both = llm_rule(vec![choice(&one, 0), choice(&two, 1)]);
    let alone = llm_rule(vec![choice(&one, 0)]);
    let world = World::start(snapshot(vec![("both", both), ("alone", alone)], vec![one, two]));
    let answer = post(world.address, CHAT, &chat("both"));
    assert_eq!((answer.status, answer.header("x-simulator-instance")), (200, Some("second")));
    assert_eq!(world.settled().record.attempts.len(), 1, "nobody was asked in vain");
    let answer = post(world.address, CHAT, &chat("alone"));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    let want = "no upstream credential: none could be fetched for default/azure t/c";
    assert!(answer.text().contains(want), "{}", answer.text());
    assert!(world.settled().record.attempts.is_empty() && first.stats().keys.is_empty());
}
