use opentelemetry_proto::tonic::common::v1::any_value;
use tollgate_core::Content;

use super::*;
use crate::testing::{live, request};

const PROMPT: &str = r#"{"model":"m","temperature":0.5,"messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"my secret"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}]}"#;
const STREAM: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\ndata: [DONE]\n\n";

fn lookup(set: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
    move |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

fn shown(vocabulary: Vocabulary, hide: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
    let live = live();
    let mut request = request(&live).asks("m").answered(0, 200);
    let kept = |text: &str| Some(Kept { bytes: text.into(), cut: false });
    request.record.content =
        Some(Box::new(Content { input: kept(PROMPT), output: kept(STREAM), encoding: None }));
    let hidden = Hidden::from_env(&lookup(hide)).unwrap();
    let all = attributes(&request.settled().record, vocabulary, hidden);
    let value = |attribute: &KeyValue| match attribute.value.clone().unwrap().value {
        Some(any_value::Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    };
    all.iter().map(|attribute| (attribute.key.clone(), value(attribute))).collect()
}

fn find<'a>(all: &'a [(String, String)], key: &str) -> Option<&'a str> {
    all.iter().find(|(name, _)| name == key).map(|(_, value)| &**value)
}

#[test]
fn nothing_is_captured_unless_it_is_asked_for() {
    let asked = |vocabulary, set: &[(&'static str, &'static str)]| {
        capture(&lookup(set), vocabulary).unwrap().map(|capture| (capture.input, capture.output))
    };
    let (open, gen_ai) = (Vocabulary::OpenInference, Vocabulary::GenAi);
    assert_eq!((asked(open, &[]), asked(gen_ai, &[])), (None, None));
    assert_eq!(asked(gen_ai, &[(CAPTURE, "false")]), None);
    for vocabulary in [open, gen_ai] {
        assert_eq!(asked(vocabulary, &[(CAPTURE, "true")]), Some((true, true)));
    }
    let inputs = [("OPENINFERENCE_HIDE_INPUTS", "false")];
    assert_eq!((asked(open, &inputs), asked(gen_ai, &inputs)), (Some((true, false)), None));
    assert!(capture(&lookup(&[(CAPTURE, "yes please")]), open).is_err());
}

#[test]
fn the_error_of_a_provider_is_as_hidden_as_the_prompt_that_it_may_quote() {
    let live = live();
    let told = |input: bool, hide: &[(&'static str, &'static str)]| {
        let mut request = request(&live).asks("m").answered(0, 400);
        let kept = |text: &str| Kept { bytes: text.into(), cut: false };
        let input = input.then(|| kept(PROMPT));
        request.record.content =
            Some(Box::new(Content { input, output: Some(kept("no: my secret")), encoding: None }));
        let hidden = Hidden::from_env(&lookup(hide)).unwrap();
        let all = attributes(&request.settled().record, Vocabulary::OpenInference, hidden);
        all.iter().any(|attribute| attribute.key == "output.value")
    };
    assert!(told(true, &[]));
    assert!(!told(false, &[]));
    assert!(!told(true, &[("OPENINFERENCE_HIDE_INPUT_TEXT", "true")]));
}

#[test]
fn what_is_kept_is_bounded() {
    let limit = |text| {
        let set = [(CAPTURE, "true"), ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", text)];
        capture(&lookup(&set), Vocabulary::GenAi).unwrap().unwrap().limit
    };
    assert_eq!([limit("100"), limit("999999999"), limit("")], [100, MOST, LIMIT]);
}

#[test]
fn open_inference_has_the_raw_values_and_each_message() {
    let all = shown(Vocabulary::OpenInference, &[]);
    assert_eq!(find(&all, "input.value"), Some(PROMPT));
    assert_eq!(find(&all, "llm.input_messages.0.message.role"), Some("system"));
    assert_eq!(find(&all, "llm.input_messages.1.message.content"), Some("my secret"));
    assert_eq!(find(&all, "llm.output_messages.0.message.content"), Some("Hello"));
    assert_eq!(find(&all, "llm.invocation_parameters"), Some(r#"{"model":"m","temperature":0.5}"#));
}

#[test]
fn gen_ai_has_messages_as_json() {
    let all = shown(Vocabulary::GenAi, &[]);
    let input = r#"[{"role":"user","parts":[{"type":"text","content":"my secret"}]}]"#;
    assert_eq!(find(&all, "gen_ai.input.messages"), Some(input));
    assert_eq!(find(&all, "gen_ai.system_instructions"), Some(r#"[{"type":"text","content":"be brief"}]"#));
    assert!(find(&all, "gen_ai.output.messages").unwrap().contains("Hello"));
    assert_eq!(find(&all, "input.value"), None);
}

#[test]
fn a_switch_that_hides_a_part_hides_every_place_it_stands_in() {
    for (switch, word) in [
        ("OPENINFERENCE_HIDE_INPUTS", "my secret"),
        ("OPENINFERENCE_HIDE_INPUT_MESSAGES", "my secret"),
        ("OPENINFERENCE_HIDE_INPUT_TEXT", "my secret"),
        ("OPENINFERENCE_HIDE_INPUT_IMAGES", "base64"),
        ("OPENINFERENCE_HIDE_OUTPUTS", "Hel"),
        ("OPENINFERENCE_HIDE_OUTPUT_TEXT", "Hel"),
        ("OPENINFERENCE_HIDE_LLM_INVOCATION_PARAMETERS", r#""temperature":0.5}"#),
    ] {
        for vocabulary in [Vocabulary::OpenInference, Vocabulary::GenAi] {
            let all = shown(vocabulary, &[(switch, "true")]);
            assert!(all.iter().all(|(_, value)| !value.contains(word)), "{switch} {vocabulary:?}: {all:?}");
        }
    }
}

#[test]
fn whole_replies_of_each_dialect_have_their_text() {
    for (endpoint, reply) in [
        (
            Endpoint::ChatCompletions,
            r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}"#,
        ),
        (Endpoint::Completions, r#"{"choices":[{"index":0,"text":"hi"}]}"#),
        (Endpoint::Messages, r#"{"content":[{"type":"text","text":"hi"}]}"#),
        (
            Endpoint::Responses,
            r#"{"output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}]}"#,
        ),
        (
            Endpoint::Messages,
            "event: x\ndata: {\"delta\":{\"text\":\"h\"}}\n\ndata: {\"delta\":{\"text\":\"i\"}}\n\n",
        ),
        (Endpoint::Responses, "data: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n"),
    ] {
        let messages = replied(reply.as_bytes(), endpoint);
        assert_eq!(messages, [Message { role: "assistant".to_owned(), text: "hi".to_owned() }], "{reply}");
    }
    assert!(replied(b"\xff\xfe", Endpoint::Messages).is_empty());
}
