//! The shape of each API's replies, and that usage adds up.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{get, post, post_with, send};
use serde_json::{Value, json};
use tollgate_simulate::{Options, Simulator, spawn};

const CHAT: &str = "/v1/chat/completions";

fn simulator() -> Simulator {
    Simulator::start().unwrap()
}

fn chat(more: &Value) -> Value {
    let mut body =
        json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "How are you today?"}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn a_chat_names_its_model_and_key_and_its_usage_adds_up() {
    let sim = simulator();
    let got = post_with(&sim, CHAT, &[("authorization", "Bearer sk-secret-1234")], &chat(&json!({})));
    let reply = got.json();
    assert_eq!(got.status(), 200);
    assert_eq!(got.header("x-simulator-model"), Some("gpt-4o-mini"));
    assert_eq!(got.header("x-simulator-key"), Some("1234"));
    assert_eq!(reply["object"], "chat.completion");
    assert_eq!(reply["model"], "gpt-4o-mini");
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");
    let words = reply["choices"][0]["message"]["content"].as_str().unwrap().split(' ').count();
    assert_eq!(reply["usage"]["prompt_tokens"], 5);
    assert_eq!(reply["usage"]["completion_tokens"], words);
    assert_eq!(reply["usage"]["total_tokens"], 5 + words);
}

#[test]
fn a_streamed_chat_says_what_the_whole_one_says() {
    let sim = simulator();
    let whole = post(&sim, CHAT, &chat(&json!({}))).json();
    let got = post(&sim, CHAT, &chat(&json!({"stream": true, "stream_options": {"include_usage": true}})));
    assert_eq!(got.header("content-type"), Some("text/event-stream; charset=utf-8"));
    assert!(got.text().ends_with("data: [DONE]\n\n"));
    let events = got.events();
    let text: String =
        events.iter().filter_map(|(_, data)| data["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(whole["choices"][0]["message"]["content"], text);
    let (_, last) = events.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], whole["usage"]);
    assert_eq!(events[events.len() - 2].1["choices"][0]["finish_reason"], "stop");
}

#[test]
fn a_stream_reports_usage_only_when_asked() {
    let got = post(&simulator(), CHAT, &chat(&json!({"stream": true})));
    assert!(!got.text().contains("usage"));
}

#[test]
fn max_tokens_cuts_the_text_and_says_so() {
    let reply = post(&simulator(), CHAT, &chat(&json!({"max_tokens": 3}))).json();
    assert_eq!(reply["choices"][0]["message"]["content"], "The quick brown");
    assert_eq!(reply["choices"][0]["finish_reason"], "length");
    assert_eq!(reply["usage"]["completion_tokens"], 3);
}

#[test]
fn a_stop_sequence_ends_the_text_in_both_dialects() {
    let sim = simulator();
    let reply = post(&sim, CHAT, &chat(&json!({"stop": [" brown"]}))).json();
    assert_eq!(reply["choices"][0]["message"]["content"], "The quick");
    let reply = post(&sim, "/v1/messages", &chat(&json!({"stop_sequences": [" fox"]}))).json();
    assert_eq!(reply["content"][0]["text"], "The quick brown");
    assert_eq!(reply["stop_reason"], "stop_sequence");
    assert_eq!(reply["stop_sequence"], " fox");
}

#[test]
fn several_choices_are_counted_and_streamed() {
    let sim = simulator();
    let reply = post(&sim, CHAT, &chat(&json!({"n": 3, "max_tokens": 2}))).json();
    assert_eq!(reply["choices"].as_array().unwrap().len(), 3);
    assert_eq!(reply["usage"]["completion_tokens"], 6);
    let events = post(&sim, CHAT, &chat(&json!({"n": 2, "max_tokens": 2, "stream": true}))).events();
    let second: String = events
        .iter()
        .filter(|(_, data)| data["choices"][0]["index"] == 1)
        .filter_map(|(_, data)| data["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(second, "The quick");
}

#[test]
fn log_probabilities_come_with_every_token() {
    let reply = post(&simulator(), CHAT, &chat(&json!({"logprobs": true, "top_logprobs": 2}))).json();
    let tokens = reply["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(tokens.len(), 16);
    assert_eq!(tokens[0]["top_logprobs"].as_array().unwrap().len(), 2);
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {
        "type": "object", "required": ["city"], "properties": {
            "city": {"type": "string"}, "days": {"type": "integer", "minimum": 1},
            "unit": {"enum": ["celsius", "fahrenheit"]}}}}})
}

#[test]
fn tools_are_called_when_forced_with_arguments_that_fit() {
    let body = chat(&json!({"tools": [tool("clock"), tool("weather")], "tool_choice": "required"}));
    let reply = post(&simulator(), CHAT, &body).json();
    let choice = &reply["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let call = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "clock");
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({"city": "fox", "days": 1, "unit": "celsius"}));
}

#[test]
fn tools_are_called_in_parallel_when_the_prompt_says_so_and_streams_join_to_the_same() {
    let tools = json!([tool("clock"), tool("weather"), tool("other")]);
    let messages = json!([{"role": "user", "content": "please call weather and clock"}]);
    let sim = simulator();
    let mut body = chat(&json!({"tools": tools, "messages": messages}));
    let reply = post(&sim, CHAT, &body).json();
    let calls = reply["choices"][0]["message"]["tool_calls"].as_array().unwrap().clone();
    assert_eq!(calls.len(), 2);
    body["stream"] = json!(true);
    let mut joined = [String::new(), String::new()];
    for (_, data) in post(&sim, CHAT, &body).events() {
        for part in data["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(part["index"].as_u64().unwrap()).unwrap();
            joined[index] += part["function"]["arguments"].as_str().unwrap();
        }
    }
    for (call, joined) in calls.iter().zip(joined) {
        assert_eq!(call["function"]["arguments"], joined);
    }
}

#[test]
fn a_tool_result_is_answered_with_text() {
    let messages = json!([
        {"role": "user", "content": "call clock"},
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "noon"},
    ]);
    let reply =
        post(&simulator(), CHAT, &chat(&json!({"tools": [tool("clock")], "messages": messages}))).json();
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");
}

#[test]
fn structured_output_fits_the_schema() {
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}},
        "inner": {"$ref": "#/$defs/inner"}}, "$defs": {"inner": {"type": "object", "properties": {"ok": {"type": "boolean"}}}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let reply = post(&simulator(), CHAT, &chat(&json!({"response_format": format}))).json();
    let text = reply["choices"][0]["message"]["content"].as_str().unwrap();
    let value: Value = serde_json::from_str(text).unwrap();
    assert_eq!(value, json!({"name": "fox", "tags": ["fox"], "inner": {"ok": true}}));
}

#[test]
fn anthropics_clients_may_spell_structured_output_either_way() {
    let format = json!({"type": "json_schema", "schema": {"type": "object", "properties": {"name": {"type": "string"}}}});
    for spelled in [json!({"output_config": {"format": format}}), json!({"output_format": format})] {
        let reply = post(&simulator(), "/v1/messages", &chat(&spelled)).json();
        assert_eq!(reply["content"][0]["text"], r#"{"name":"fox"}"#, "{spelled}");
    }
}

#[test]
fn an_echo_repeats_any_text() {
    let messages = json!([{"role": "user", "content": "echo Grüße, \"Welt\" \\ 🌍\nzwei"}]);
    let sim = simulator();
    let reply = post(&sim, CHAT, &chat(&json!({"messages": messages}))).json();
    assert_eq!(reply["choices"][0]["message"]["content"], "Grüße, \"Welt\" \\ 🌍\nzwei");
    let got = post(&sim, "/v1/messages", &chat(&json!({"messages": messages, "stream": true})));
    let text: String = got
        .events()
        .iter()
        .filter_map(|(_, data)| data["delta"]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, "Grüße, \"Welt\" \\ 🌍\nzwei");
}

#[test]
fn a_long_prompt_is_cached_the_second_time() {
    let sim = simulator();
    let messages = json!([{"role": "user", "content": "lorem ipsum ".repeat(1000)}]);
    let body = chat(&json!({"messages": messages}));
    let cached = |reply: Value| reply["usage"]["prompt_tokens_details"]["cached_tokens"].clone();
    assert_eq!(cached(post(&sim, CHAT, &body).json()), 0);
    assert_eq!(cached(post(&sim, CHAT, &body).json()), 2048);
    let reply = post_with(&sim, "/v1/messages", &[("x-sim-cached", "100")], &body).json();
    assert_eq!(reply["usage"]["cache_read_input_tokens"], 100);
    assert_eq!(reply["usage"]["input_tokens"], 2900);
}

#[test]
fn reasoning_is_part_of_the_output() {
    let reply = post(&simulator(), CHAT, &chat(&json!({"reasoning_effort": "high"}))).json();
    assert_eq!(reply["usage"]["completion_tokens"], 40);
    assert_eq!(reply["usage"]["completion_tokens_details"]["reasoning_tokens"], 24);
}

#[test]
fn completions_have_their_own_shape_and_stream_it() {
    let sim = simulator();
    let mut body = json!({"model": "m", "prompt": "Once upon a time", "max_tokens": 4});
    let reply = post(&sim, "/v1/completions", &body).json();
    assert_eq!(reply["object"], "text_completion");
    assert_eq!(reply["choices"][0]["text"], "The quick brown fox");
    assert_eq!(reply["usage"]["prompt_tokens"], 4);
    body["stream"] = json!(true);
    let events = post(&sim, "/v1/completions", &body).events();
    let text: String = events.iter().filter_map(|(_, data)| data["choices"][0]["text"].as_str()).collect();
    assert_eq!(text, "The quick brown fox");
}

#[test]
fn embeddings_honour_dimensions_batches_and_base64() {
    let sim = simulator();
    let mut body =
        json!({"model": "text-embedding-3-small", "input": ["one", "two", "three"], "dimensions": 5});
    let reply = post(&sim, "/v1/embeddings", &body).json();
    let numbers: Vec<f64> = serde_json::from_value(reply["data"][2]["embedding"].clone()).unwrap();
    assert_eq!((reply["data"].as_array().unwrap().len(), numbers.len()), (3, 5));
    assert_eq!(reply["usage"], json!({"prompt_tokens": 4, "total_tokens": 4}));
    body["encoding_format"] = json!("base64");
    let reply = post(&sim, "/v1/embeddings", &body).json();
    let bytes = STANDARD.decode(reply["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let first = f64::from(f32::from_le_bytes(bytes[..4].try_into().unwrap()));
    assert!(bytes.len() == 20 && (first - numbers[0]).abs() < 1e-6);
}

#[test]
fn responses_come_whole_and_as_numbered_events() {
    let sim = simulator();
    let mut body = json!({"model": "gpt-5", "input": "Hello there", "reasoning": {"effort": "low"}});
    let whole = post(&sim, "/v1/responses", &body).json();
    assert_eq!(whole["status"], "completed");
    assert_eq!(whole["output"][0]["type"], "reasoning");
    assert_eq!(whole["usage"]["output_tokens"], 40);
    assert_eq!(whole["usage"]["output_tokens_details"]["reasoning_tokens"], 24);
    body["stream"] = json!(true);
    let events = post(&sim, "/v1/responses", &body).events();
    for (index, (name, data)) in events.iter().enumerate() {
        assert_eq!(data["sequence_number"], index);
        assert_eq!(data["type"], **name);
    }
    assert_eq!(events[0].0, "response.created");
    let text: String = events
        .iter()
        .filter(|(name, _)| name == "response.output_text.delta")
        .filter_map(|(_, data)| data["delta"].as_str())
        .collect();
    assert_eq!(whole["output"][1]["content"][0]["text"], text);
    let (name, last) = events.last().unwrap();
    assert_eq!(name, "response.completed");
    assert_eq!(last["response"]["usage"], whole["usage"]);
}

#[test]
fn responses_call_functions() {
    let tools = json!([{"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}}]);
    let body = json!({"model": "m", "input": "call clock", "tools": tools, "stream": true});
    let events = post(&simulator(), "/v1/responses", &body).events();
    let done = events.iter().find(|(name, _)| name == "response.function_call_arguments.done").unwrap();
    assert_eq!(done.1["arguments"], r#"{"zone":"fox"}"#);
    assert_eq!(events.last().unwrap().1["response"]["output"][0]["name"], "clock");
}

#[test]
fn azure_paths_name_the_model_and_need_a_version() {
    let sim = simulator();
    let body = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let path = "/openai/deployments/my-gpt/chat/completions";
    let got = post_with(&sim, &format!("{path}?api-version=2024-10-21"), &[("api-key", "azure-9876")], &body);
    assert_eq!(got.json()["model"], "my-gpt");
    assert_eq!(got.header("x-simulator-key"), Some("9876"));
    let got = post(&sim, path, &body);
    assert_eq!((got.status(), &got.json()["error"]["code"]), (404, &json!("DeploymentNotFound")));
    let body = json!({"model": "m", "input": "Hi"});
    assert_eq!(post(&sim, "/openai/responses?api-version=2025-03-01", &body).json()["object"], "response");
}

#[test]
fn messages_come_whole_and_as_named_events() {
    let sim = simulator();
    let mut body = chat(&json!({"max_tokens": 5, "system": "Be brief"}));
    let got = post_with(&sim, "/v1/messages", &[("x-api-key", "sk-ant-5555")], &body);
    let whole = got.json();
    assert_eq!(got.header("x-simulator-key"), Some("5555"));
    assert_eq!(whole["type"], "message");
    assert_eq!(whole["stop_reason"], "max_tokens");
    assert_eq!(whole["usage"]["input_tokens"], 7);
    assert_eq!(whole["usage"]["output_tokens"], 5);
    body["stream"] = json!(true);
    let events = post(&sim, "/anthropic/v1/messages", &body).events();
    let names: Vec<_> = events.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(names[8..], ["content_block_stop", "message_delta", "message_stop"]);
    assert_eq!(events[9].1["usage"]["output_tokens"], 5);
    assert!(events.iter().all(|(name, data)| data["type"] == **name));
}

#[test]
fn thinking_is_signed_and_tools_follow_it() {
    let tools = json!([{"name": "clock", "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}}}]);
    let more = json!({"tools": tools, "tool_choice": {"type": "any"}, "thinking": {"type": "enabled", "budget_tokens": 1024}});
    let sim = simulator();
    let mut body = chat(&more);
    let whole = post(&sim, "/v1/messages", &body).json();
    assert!(whole["content"][0]["signature"].is_string());
    assert_eq!(whole["content"][1]["input"], json!({"zone": "fox"}));
    assert_eq!(whole["stop_reason"], "tool_use");
    body["stream"] = json!(true);
    let mut arguments = String::new();
    let mut deltas = Vec::new();
    for (_, data) in post(&sim, "/v1/messages", &body).events() {
        arguments += data["delta"]["partial_json"].as_str().unwrap_or("");
        deltas.extend(data["delta"]["type"].as_str().map(str::to_owned));
    }
    assert_eq!(arguments, r#"{"zone":"fox"}"#);
    assert_eq!(deltas[..3], ["thinking_delta", "thinking_delta", "signature_delta"]);
}

#[test]
fn tokens_are_counted_before_as_they_are_charged_after() {
    let sim = simulator();
    let body = chat(&json!({"max_tokens": 1}));
    let counted = post(&sim, "/v1/messages/count_tokens", &body).json()["input_tokens"].clone();
    assert_eq!(post(&sim, "/v1/messages", &body).json()["usage"]["input_tokens"], counted);
}

#[test]
fn models_are_listed_in_the_callers_dialect() {
    let sim = simulator();
    let list = get(&sim, "/v1/models").json();
    assert_eq!((&list["object"], &list["data"][0]["object"]), (&json!("list"), &json!("model")));
    let list = send(&sim, &("GET", "/v1/models", &[("anthropic-version", "2023-06-01")]), b"").json();
    assert_eq!((&list["has_more"], &list["data"][0]["type"]), (&json!(false), &json!("model")));
    assert_eq!(get(&sim, "/v1/models/gpt-4o-mini").json()["id"], "gpt-4o-mini");
    assert_eq!(get(&sim, "/v1/models/nothing").status(), 404);
}

#[test]
fn a_required_key_is_required() {
    let sim = spawn(Options { require_key: Some("sk-right".into()), ..Options::default() }).unwrap();
    let wrong = post_with(&sim, CHAT, &[("authorization", "Bearer sk-wrong")], &chat(&json!({})));
    assert_eq!((wrong.status(), &wrong.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    let right = post_with(&sim, CHAT, &[("authorization", "Bearer sk-right")], &chat(&json!({})));
    assert_eq!(right.status(), 200);
}

#[test]
fn bad_requests_are_refused_in_the_providers_words() {
    let sim = simulator();
    for body in ["", "not json", "[]", r#"{"messages": []}"#, r#"{"model": 7}"#] {
        let got = send(&sim, &("POST", CHAT, &[]), body.as_bytes());
        assert_eq!(
            (got.status(), &got.json()["error"]["type"]),
            (400, &json!("invalid_request_error")),
            "{body}"
        );
    }
    let got = send(&sim, &("POST", "/v1/messages", &[]), b"{}");
    assert_eq!((got.status(), &got.json()["type"]), (400, &json!("error")));
    assert_eq!(post(&sim, "/v1/nothing", &json!({"model": "m"})).status(), 404);
    assert_eq!(get(&sim, CHAT).status(), 405);
}

#[test]
fn pictures_and_sound_tell_what_they_cost() {
    let sim = simulator();
    let body = json!({"model": "gpt-image-1", "prompt": "a cat", "n": 2});
    let made = post(&sim, "/v1/images/generations", &body).json();
    assert_eq!(made["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(made["usage"]["output_tokens"], 544);
    let streamed = json!({"model": "gpt-image-1", "prompt": "a cat", "stream": true});
    let events = post(&sim, "/v1/images/generations", &streamed).events();
    assert_eq!(events.last().unwrap().1["type"], "image_generation.completed");
    let said = post(&sim, "/v1/audio/speech", &json!({"model": "tts-1", "input": "hi", "voice": "alloy"}));
    assert_eq!(said.header("content-type"), Some("audio/mpeg"));
    let sse = json!({"model": "tts-1", "input": "hi", "voice": "alloy", "stream_format": "sse"});
    let events = post(&sim, "/v1/audio/speech", &sse).events();
    assert_eq!(events.last().unwrap().1["usage"]["output_tokens"], 40);
    assert_eq!(
        post(&sim, "/v1/moderations", &json!({"input": "hi"})).json()["model"],
        "omni-moderation-latest"
    );
    let counted = post(&sim, "/tokenize", &json!({"model": "m", "prompt": "How are you?"})).json();
    assert_eq!(counted["tokens"].as_array().map(Vec::len), counted["count"].as_u64().map(|n| n as usize));
    let no_form = post(&sim, "/v1/audio/transcriptions", &json!({"model": "whisper-1"}));
    assert_eq!(no_form.status(), 400);
}
