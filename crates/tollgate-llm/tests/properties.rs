//! What holds for any input of the translations: no panic, well-formed output, nothing lost on the way.

mod support;

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use tollgate_types::{ApiSchema, Endpoint};

use self::support::{assert_well_formed, run, stream};

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() }
}

/// Text with all that escaping may go wrong on.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{1,12}",
        Just("\"quoted\" \\ back\nline\t\u{7}".to_owned()),
        Just("ü😀\u{2028}".to_owned()),
        any::<String>().prop_filter("not blank", |text| !text.trim().is_empty()),
    ]
}

fn arguments() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        (text(), text()).prop_map(|(key, value)| json!({ key: { "deep": [value, 1, null] } })),
    ]
}

fn user() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        text().prop_map(|text| json!({ "type": "text", "text": text })),
        Just(json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } })),
        Just(json!({ "type": "image_url", "image_url": { "url": "https://example.com/a.png" } })),
    ];
    let content = prop_oneof![text().prop_map(Value::from), vec(part, 1..4).prop_map(Value::from)];
    (prop_oneof![Just("user"), Just("system"), Just("developer")], content).prop_map(|(role, content)| {
        let has_images =
            content.as_array().is_some_and(|parts| parts.iter().any(|part| part["type"] != "text"));
        json!({ "role": if has_images { "user" } else { role }, "content": content })
    })
}

fn exchange() -> impl Strategy<Value = Vec<Value>> {
    (proptest::option::of(text()), vec((arguments(), text()), 1..4)).prop_map(|(said, calls)| {
        let ids = || (0..calls.len()).map(|at| format!("call_{at}"));
        let made: Vec<_> = ids()
            .zip(&calls)
            .map(|(id, (arguments, _))| {
                let function = json!({ "name": "tool", "arguments": arguments.to_string() });
                json!({ "id": id, "type": "function", "function": function })
            })
            .collect();
        let mut turns = vec![json!({ "role": "assistant", "content": said, "tool_calls": made })];
        turns.extend(
            ids()
                .zip(&calls)
                .map(|(id, (_, result))| json!({ "role": "tool", "tool_call_id": id, "content": result })),
        );
        turns
    })
}

fn conversation() -> impl Strategy<Value = Vec<Value>> {
    let turns = prop_oneof![user().prop_map(|turn| vec![turn]), exchange()];
    vec(turns, 1..6).prop_map(|turns| turns.concat())
}

/// Every text of a conversation in its order, instructions first, as both dialects tell it.
fn texts_of_chat(messages: &[Value]) -> Vec<String> {
    let texts = |message: &Value| -> Vec<String> {
        match &message["content"] {
            Value::String(text) => vec![text.clone()],
            Value::Array(parts) => {
                parts.iter().filter_map(|part| part["text"].as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        }
    };
    let is_system = |message: &&Value| message["role"] == "system" || message["role"] == "developer";
    let (system, rest): (Vec<_>, Vec<_>) = messages.iter().partition(is_system);
    system.into_iter().chain(rest).flat_map(texts).filter(|text| !text.trim().is_empty()).collect()
}

fn texts_of_messages(body: &Value) -> Vec<String> {
    fn collect(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Array(blocks) => blocks.iter().for_each(|block| collect(block, out)),
            Value::Object(block) => {
                out.extend(block.get("text").and_then(Value::as_str).map(str::to_owned));
                block.get("content").into_iter().for_each(|content| collect(content, out));
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    collect(&body["system"], &mut out);
    collect(&body["messages"], &mut out);
    out
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_conversation_reaches_anthropic_with_all_its_words_and_alternating_roles(messages in conversation()) {
        let request = json!({ "model": "claude-sonnet-4-6", "messages": messages });
        let translated = run(Endpoint::ChatCompletions, ApiSchema::Anthropic, request.to_string().as_bytes()).unwrap();
        let body: Value = serde_json::from_slice(&translated.body).unwrap();
        let roles: Vec<_> = body["messages"].as_array().unwrap().iter().map(|message| message["role"].clone()).collect();
        prop_assert!(roles.windows(2).all(|pair| pair[0] != pair[1]), "{roles:?}");
        prop_assert_eq!(texts_of_messages(&body), texts_of_chat(&messages));
    }

    #[test]
    fn a_conversation_survives_the_way_to_anthropic_and_back(messages in conversation()) {
        let request = json!({ "model": "m", "messages": messages });
        let there = run(Endpoint::ChatCompletions, ApiSchema::Anthropic, request.to_string().as_bytes()).unwrap();
        let back = run(Endpoint::Messages, ApiSchema::OpenAi, &there.body).unwrap();
        let again = run(Endpoint::ChatCompletions, ApiSchema::Anthropic, &back.body).unwrap();
        let (there, again): (Value, Value) =
            (serde_json::from_slice(&there.body).unwrap(), serde_json::from_slice(&again.body).unwrap());
        let calls = |body: &Value| body.to_string().matches("\"tool_use\"").count();
        prop_assert_eq!(calls(&there), calls(&again));
        prop_assert_eq!(texts_of_messages(&there).concat().replace("\n\n", ""), texts_of_messages(&again).concat().replace("\n\n", ""));
    }

    #[test]
    fn any_whole_answer_survives_the_way_to_a_chat_client(said in text(), input in arguments(), thought in text()) {
        let message = json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
            "content": [
                { "type": "thinking", "thinking": thought, "signature": "c2ln" },
                { "type": "text", "text": said },
                { "type": "tool_use", "id": "t", "name": "tool", "input": input },
            ],
            "usage": { "input_tokens": 1, "output_tokens": 2 },
        });
        let mut to_chat = run(Endpoint::ChatCompletions, ApiSchema::Anthropic, b"{\"messages\":[],\"input\":\"\"}").unwrap().reader;
        let mut to_messages = run(Endpoint::Messages, ApiSchema::OpenAi, b"{\"messages\":[],\"input\":\"\"}").unwrap().reader;
        let (mut chat, mut back) = (Vec::new(), Vec::new());
        to_chat.whole(message.to_string().as_bytes(), &mut chat).unwrap();
        to_messages.whole(&chat, &mut back).unwrap();
        let back: Value = serde_json::from_slice(&back).unwrap();
        prop_assert_eq!(&back["content"], &message["content"]);
        prop_assert_eq!(&back["stop_reason"], "tool_use");
    }

    #[test]
    fn a_stream_says_what_the_whole_answer_says(pieces in vec(text(), 1..6), input in arguments()) {
        let mut source = String::from("data: {\"type\":\"message_start\",\"message\":{\"id\":\"a\",\"model\":\"m\"}}\n\n");
        let mut event = |value: Value| source += &format!("data: {value}\n\n");
        event(json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }));
        for piece in &pieces {
            event(json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": piece } }));
        }
        event(json!({ "type": "content_block_stop", "index": 0 }));
        event(json!({ "type": "content_block_start", "index": 1, "content_block": { "type": "tool_use", "id": "t", "name": "tool", "input": {} } }));
        for piece in input.to_string().chars() {
            event(json!({ "type": "content_block_delta", "index": 1, "delta": { "type": "input_json_delta", "partial_json": piece.to_string() } }));
        }
        event(json!({ "type": "content_block_stop", "index": 1 }));
        event(json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 2 } }));
        event(json!({ "type": "message_stop" }));
        let mut to_chat = run(Endpoint::ChatCompletions, ApiSchema::Anthropic, b"{\"messages\":[],\"input\":\"\"}").unwrap().reader;
        let mut to_messages = run(Endpoint::Messages, ApiSchema::OpenAi, b"{\"messages\":[],\"input\":\"\"}").unwrap().reader;
        let chat = stream(to_chat.as_mut(), [source.as_bytes()]);
        assert_well_formed(Endpoint::ChatCompletions, &chat);
        let back = stream(to_messages.as_mut(), [chat.out.as_slice()]);
        assert_well_formed(Endpoint::Messages, &back);
        prop_assert!(back.fault.is_none());
        let (mut said, mut called) = (String::new(), String::new());
        for (_, data) in support::Events::default().push(&back.out) {
            let data: Value = serde_json::from_slice(&data).unwrap();
            said += data["delta"]["text"].as_str().unwrap_or_default();
            called += data["delta"]["partial_json"].as_str().unwrap_or_default();
        }
        prop_assert_eq!(said, pieces.concat());
        prop_assert_eq!(serde_json::from_str::<Value>(&called).unwrap(), input);
    }

    #[test]
    fn any_bytes_are_answered_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
        let all = CLIENTS.iter().flat_map(|(_, endpoint, all)| all.iter().map(|(_, schema)| (*endpoint, *schema)));
        for (endpoint, schema) in all {
            let _ = run(endpoint, schema, &bytes);
            let mut reader = run(endpoint, schema, b"{\"messages\":[],\"input\":\"\"}").unwrap().reader;
            let mut out = Vec::new();
            let _ = reader.event(None, &bytes, &mut out);
            let _ = reader.whole(&bytes, &mut out);
            reader.break_off("over", &mut out);
        }
    }

    #[test]
    fn a_golden_request_with_a_broken_value_is_answered_without_a_panic(seed in any::<prop::sample::Index>(), value in broken()) {
        let all = golden_requests();
        let (endpoint, schema, mut request) = seed.get(&all).clone();
        let places = count(&request);
        let mut at = seed.index(places);
        replace(&mut request, &mut at, &value);
        if let Ok(translated) = run(endpoint, schema, request.to_string().as_bytes()) {
            prop_assert!(serde_json::from_slice::<Value>(&translated.body).is_ok());
        }
    }

    #[test]
    fn a_golden_stream_with_a_broken_event_is_answered_without_a_panic(seed in any::<prop::sample::Index>(), value in broken()) {
        let all = golden_streams();
        let (endpoint, schema, source) = seed.get(&all);
        let events = support::Events::default().push(source);
        let hit = seed.index(events.len());
        let mut out = String::new();
        for (at, (_, data)) in events.iter().enumerate() {
            match serde_json::from_slice::<Value>(data) {
                Ok(mut event) if at == hit => {
                    let mut place = seed.index(count(&event));
                    replace(&mut event, &mut place, &value);
                    out += &format!("data: {event}\n\n");
                }
                _ => out += &format!("data: {}\n\n", String::from_utf8_lossy(data)),
            }
        }
        let mut reader = run(*endpoint, *schema, b"{\"messages\":[],\"input\":\"\"}").unwrap().reader;
        let streamed = stream(reader.as_mut(), [out.as_bytes()]);
        assert_well_formed(*endpoint, &streamed);
    }
}

fn broken() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!("")),
        Just(json!("x")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{}])),
        Just(json!({ "type": "text" })),
    ]
}

type Request = (Endpoint, ApiSchema, Value);

/// The clients with their endpoints, and the providers with the names that their golden files have.
/// Backends by the names that golden cases have for them.
type Backends = &'static [(&'static str, ApiSchema)];

const CLIENTS: [(&str, Endpoint, Backends); 3] = [
    ("openai-chat", Endpoint::ChatCompletions, &[("anthropic", ApiSchema::Anthropic), GEMINI]),
    ("openai-responses", Endpoint::Responses, &[("anthropic", ApiSchema::Anthropic), GEMINI]),
    ("anthropic-messages", Endpoint::Messages, &[("openai", ApiSchema::OpenAi), GEMINI]),
];

const GEMINI: (&str, ApiSchema) = ("gemini", ApiSchema::GcpVertexAi);

fn golden(client: &str) -> Vec<tollgate_testkit::Case> {
    tollgate_testkit::cases(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(client))
}

fn golden_requests() -> Vec<Request> {
    let mut all = Vec::new();
    for (client, endpoint, providers) in CLIENTS {
        for case in golden(client) {
            for (file, _) in case.sources("request.", ".json") {
                let request: Value =
                    serde_json::from_slice(&case.read(file)).expect("golden requests are JSON");
                all.extend(providers.iter().map(|(_, schema)| (endpoint, *schema, request.clone())));
            }
        }
    }
    all
}

fn golden_streams() -> Vec<(Endpoint, ApiSchema, Vec<u8>)> {
    let mut all = Vec::new();
    for (client, endpoint, providers) in CLIENTS {
        for case in golden(client) {
            for (file, provider) in case.sources("reply.", ".sse") {
                let named = providers.iter().find(|(name, _)| *name == provider);
                all.extend(named.map(|(_, schema)| (endpoint, *schema, case.read(file))));
            }
        }
    }
    all
}

/// Values in a document, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Replaces the value that is the `at`th in order.
fn replace(value: &mut Value, at: &mut usize, with: &Value) {
    if *at == 0 {
        *value = with.clone();
        *at = usize::MAX;
        return;
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace_in(item, at, with)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace_in(field, at, with)),
        _ => {}
    }
}

fn replace_in(value: &mut Value, at: &mut usize, with: &Value) {
    if *at < usize::MAX / 2 {
        replace(value, at, with);
    }
}
