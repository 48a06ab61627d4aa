//! One request, one reply: what a client gets and what is settled.

mod common;

use common::{Client, World, backend, chat, chat_stream, choice, get, llm_rule, post, snapshot};
use tollgate_core::End;
use tollgate_simulate::{Behaviour, Simulator};
use tollgate_types::ApiSchema;

fn one_model(simulator: &Simulator) -> World {
    let openai = backend(0, "openai", simulator.address(), Some((ApiSchema::OpenAi, "sk-secret")));
    World::start(snapshot(vec![("gpt-4o-mini", llm_rule(vec![choice(&openai, 0)]))], vec![openai]))
}

#[test]
fn a_chat_is_answered_and_settled_with_its_tokens() {
    let simulator = Simulator::start().unwrap();
    let world = one_model(&simulator);
    let answer = post(world.address, "/v1/chat/completions", &chat("gpt-4o-mini"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["object"], "chat.completion");
    assert_eq!(answer.header("x-simulator-key"), Some("cret"));
    let settled = world.settled();
    assert_eq!(settled.end, End::Complete);
    let wanted = &answer.json()["usage"];
    assert_eq!(settled.record.usage.output.map(|tokens| tokens.0), wanted["completion_tokens"].as_u64());
    assert_eq!(settled.record.usage.input.map(|tokens| tokens.0), wanted["prompt_tokens"].as_u64());
    assert!(world.is_quiet());
}

#[test]
fn a_stream_arrives_whole_and_is_settled_with_its_tokens() {
    let simulator = Simulator::start().unwrap();
    let world = one_model(&simulator);
    let answer = post(world.address, "/v1/chat/completions", &chat_stream("gpt-4o-mini"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.whole && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    // Usage was asked for behind the client's back, and is kept from it.
    assert!(!answer.text().contains("\"usage\":{"), "{}", answer.text());
    let settled = world.settled();
    assert_eq!(settled.end, End::Complete);
    assert!(settled.record.usage.output.is_some(), "{:?}", settled.record.usage);
    assert!(world.is_quiet());
}

#[test]
fn a_stream_that_pauses_is_settled_with_the_head_of_its_request() {
    let simulator = Simulator::start().unwrap();
    let world = one_model(&simulator);
    simulator.next(1, Behaviour { rate: Some(200.0), tokens: Some(10), ..Behaviour::default() });
    let sent =
        [("user-agent", "curl/8.5.0"), ("x-tag", "one"), ("x-tag", "two"), ("authorization", "Bearer mine")];
    let mut client = Client::connect(world.address);
    client.request("POST", "/v1/chat/completions?trial=1", &sent, &chat_stream("gpt-4o-mini"));
    assert!(client.answer().whole);
    let record = world.settled().record;
    for (name, value) in sent {
        let values: Vec<_> = record.head.headers.get_all(name).iter().collect();
        assert!(values.iter().any(|known| *known == value), "{name}: {values:?}");
    }
    assert_eq!(record.head.uri.path_and_query().unwrap(), "/v1/chat/completions?trial=1");
    assert_eq!(record.attempts[0].path.as_ref().unwrap(), "/v1/chat/completions?trial=1");
}

#[test]
fn the_models_of_a_host_are_listed() {
    let simulator = Simulator::start().unwrap();
    let world = one_model(&simulator);
    let answer = get(world.address, "/v1/models", &[]);
    assert_eq!(answer.json()["data"][0]["id"], "gpt-4o-mini");
    assert_eq!(world.settled().end, End::Local);
}
