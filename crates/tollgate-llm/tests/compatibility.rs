//! The tables of `docs/compatibility.md` that say what becomes of each parameter, made by asking the translators.
//! `UPDATE_EXPECT=1` writes them.

mod support;

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use serde_json::{Map, Value, json};
use tollgate_types::{ApiSchema, Endpoint};

use self::support::run;

/// Backends in the order of the columns, each with a model of theirs.
const BACKENDS: [(ApiSchema, &str); 8] = [
    (ApiSchema::OpenAi, "gpt-5.1"),
    (ApiSchema::AzureOpenAi, "gpt-5.1"),
    (ApiSchema::Anthropic, "claude-opus-4-6"),
    (ApiSchema::AwsBedrock, "us.anthropic.claude-opus-4-6"),
    (ApiSchema::AwsAnthropic, "us.anthropic.claude-opus-4-6"),
    (ApiSchema::GcpVertexAi, "gemini-3-pro"),
    (ApiSchema::GcpAnthropic, "claude-opus-4-6"),
    (ApiSchema::Cohere, "command-a-reasoning-08-2025"),
];

/// A client's parameters, each with a value that is not the default.
struct Client {
    /// Of its table in the page.
    name: &'static str,
    endpoint: Endpoint,
    /// The request without parameters.
    least: fn() -> Value,
    parameters: fn() -> Vec<(&'static str, Value)>,
}

const CLIENTS: [Client; 3] = [
    Client { name: "chat", endpoint: Endpoint::ChatCompletions, least: least_chat, parameters: chat },
    Client { name: "responses", endpoint: Endpoint::Responses, least: least_response, parameters: responses },
    Client { name: "messages", endpoint: Endpoint::Messages, least: least_message, parameters: messages },
];

fn least_chat() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}]})
}

fn least_response() -> Value {
    json!({"input": "Hi"})
}

fn least_message() -> Value {
    json!({"max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]})
}

fn chat() -> Vec<(&'static str, Value)> {
    let tool = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let with_tool = |name: &str, value: Value| json!({"tools": tool, name: value});
    let only = |name: &str, value: Value| json!({ name: value });
    vec![
        ("audio", only("audio", json!({"voice": "alloy", "format": "wav"}))),
        ("frequency_penalty", only("frequency_penalty", json!(0.5))),
        ("function_call, functions", only("functions", json!([{"name": "f"}]))),
        ("logit_bias", only("logit_bias", json!({"50256": -100}))),
        ("logprobs", only("logprobs", json!(true))),
        ("max_completion_tokens", only("max_completion_tokens", json!(77))),
        ("max_tokens", only("max_tokens", json!(77))),
        ("metadata", only("metadata", json!({"team": "blue"}))),
        ("modalities: audio", only("modalities", json!(["text", "audio"]))),
        ("n: 2", only("n", json!(2))),
        ("parallel_tool_calls: false", with_tool("parallel_tool_calls", json!(false))),
        ("prediction", only("prediction", json!({"type": "content", "content": "x"}))),
        ("presence_penalty", only("presence_penalty", json!(0.5))),
        ("prompt_cache_key", only("prompt_cache_key", json!("k"))),
        ("reasoning_effort", only("reasoning_effort", json!("low"))),
        ("response_format: json_object", only("response_format", json!({"type": "json_object"}))),
        (
            "response_format: json_schema",
            only(
                "response_format",
                json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}),
            ),
        ),
        ("safety_identifier", only("safety_identifier", json!("u-7"))),
        ("seed", only("seed", json!(7))),
        ("service_tier", only("service_tier", json!("flex"))),
        ("stop", only("stop", json!(["END"]))),
        ("store", only("store", json!(true))),
        ("temperature", only("temperature", json!(0.5))),
        ("temperature: 1.5", only("temperature", json!(1.5))),
        ("thinking", only("thinking", json!({"type": "enabled", "budget_tokens": 2048}))),
        ("tool_choice: required", with_tool("tool_choice", json!("required"))),
        ("tool_choice: none", with_tool("tool_choice", json!("none"))),
        ("tools", only("tools", tool.clone())),
        ("top_logprobs", json!({"logprobs": true, "top_logprobs": 2})),
        ("top_p", only("top_p", json!(0.5))),
        ("user", only("user", json!("u-7"))),
        ("verbosity", only("verbosity", json!("low"))),
        ("web_search_options", only("web_search_options", json!({}))),
        ("guided_choice", only("guided_choice", json!(["a", "b"]))),
        ("guided_json", only("guided_json", schema)),
        ("guided_regex", only("guided_regex", json!("a+"))),
        ("safetySettings", only("safetySettings", json!([]))),
    ]
}

fn responses() -> Vec<(&'static str, Value)> {
    let tool = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}}]);
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let format = json!({"type": "json_schema", "name": "x", "schema": schema});
    let only = |name: &str, value: Value| json!({ name: value });
    vec![
        ("background", only("background", json!(true))),
        ("conversation", only("conversation", json!("conv_1"))),
        ("include: logprobs", only("include", json!(["message.output_text.logprobs"]))),
        ("instructions", only("instructions", json!("Be brief."))),
        ("max_output_tokens", only("max_output_tokens", json!(77))),
        ("max_tool_calls", only("max_tool_calls", json!(1))),
        ("metadata", only("metadata", json!({"team": "blue"}))),
        ("parallel_tool_calls: false", json!({"tools": tool, "parallel_tool_calls": false})),
        ("previous_response_id", only("previous_response_id", json!("resp_1"))),
        ("prompt", only("prompt", json!({"id": "pmpt_1"}))),
        ("reasoning.effort", only("reasoning", json!({"effort": "low"}))),
        ("reasoning.summary", only("reasoning", json!({"summary": "auto"}))),
        ("safety_identifier", only("safety_identifier", json!("u-7"))),
        ("service_tier", only("service_tier", json!("flex"))),
        ("store", only("store", json!(true))),
        ("temperature", only("temperature", json!(0.5))),
        ("text.format: json_schema", only("text", json!({"format": format}))),
        ("text.verbosity", only("text", json!({"verbosity": "low"}))),
        ("tool_choice: required", json!({"tools": tool, "tool_choice": "required"})),
        ("tools", only("tools", tool.clone())),
        ("tools: web_search", only("tools", json!([{"type": "web_search"}]))),
        ("top_p", only("top_p", json!(0.5))),
        ("truncation", only("truncation", json!("auto"))),
        ("user", only("user", json!("u-7"))),
    ]
}

fn messages() -> Vec<(&'static str, Value)> {
    let tool = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let schema = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let format = json!({"type": "json_schema", "schema": schema});
    let only = |name: &str, value: Value| json!({ name: value });
    vec![
        ("container", only("container", json!("c_1"))),
        ("context_management", only("context_management", json!({"edits": []}))),
        ("mcp_servers", only("mcp_servers", json!([{"type": "url", "url": "https://e.org", "name": "x"}]))),
        ("metadata.user_id", only("metadata", json!({"user_id": "u-7"}))),
        ("output_config.effort", only("output_config", json!({"effort": "low"}))),
        ("output_config.format", only("output_config", json!({"format": format}))),
        ("service_tier", only("service_tier", json!("standard_only"))),
        ("stop_sequences", only("stop_sequences", json!(["END"]))),
        ("system", only("system", json!("Be brief."))),
        ("temperature", only("temperature", json!(0.5))),
        ("thinking: enabled", only("thinking", json!({"type": "enabled", "budget_tokens": 2048}))),
        ("thinking: adaptive", only("thinking", json!({"type": "adaptive"}))),
        ("tool_choice: any", json!({"tools": tool, "tool_choice": {"type": "any"}})),
        (
            "tool_choice.disable_parallel_tool_use",
            json!({"tools": tool, "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
        ),
        ("tools", only("tools", tool.clone())),
        ("tools: web_search", only("tools", json!([{"type": "web_search_20250305", "name": "web_search"}]))),
        ("top_k", only("top_k", json!(5))),
        ("top_p", only("top_p", json!(0.5))),
    ]
}

#[test]
fn the_page_says_what_becomes_of_each_parameter() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/compatibility.md");
    let mut page = fs::read_to_string(&path).expect("the page is part of the repository");
    for client in &CLIENTS {
        let (begin, end) =
            (format!("<!-- parameters: {} -->\n", client.name), "<!-- end of parameters -->".to_owned());
        let start = page.find(&begin).expect("the page has a place for each client's table") + begin.len();
        let stop = start + page[start..].find(&end).expect("each table has an end");
        page.replace_range(start..stop, &table(client));
    }
    expect_test::expect_file![path].assert_eq(&page);
}

fn table(client: &Client) -> String {
    let reaches = |schema: &ApiSchema| tollgate_llm::translate::supports(client.endpoint, *schema);
    let columns: Vec<_> = BACKENDS.iter().filter(|(schema, _)| reaches(schema)).collect();
    let mut out = String::from("| parameter |");
    columns.iter().for_each(|(schema, _)| {
        let _ = write!(out, " {schema} |");
    });
    let _ = write!(out, "\n|---|{}\n", "---|".repeat(columns.len()));
    for (name, parameter) in (client.parameters)() {
        let _ = write!(out, "| `{name}` |");
        for (schema, model) in &columns {
            let _ = write!(out, " {} |", outcome(client, (*schema, model), name, &parameter));
        }
        out.push('\n');
    }
    out
}

/// What a backend gets of a parameter, told by the difference that it makes.
fn outcome(client: &Client, (schema, model): (ApiSchema, &str), name: &str, parameter: &Value) -> String {
    let mut least = (client.least)();
    least["model"] = model.into();
    let mut with = least.clone();
    let given = parameter.as_object().expect("parameters are objects");
    // What has to stand beside the parameter, such as the tools of a choice, makes no difference of its own.
    let own = name.split([':', '.', ',']).next().unwrap_or(name);
    for (key, value) in given {
        with[key] = value.clone();
        if key != own && given.len() > 1 {
            least[key] = value.clone();
        }
    }
    let body = |request: &Value| {
        let translated = run(client.endpoint, schema, request.to_string().as_bytes()).ok()?;
        serde_json::from_slice::<Value>(&translated.body).ok()
    };
    let Some(after) = body(&with) else { return "refused".to_owned() };
    let before = body(&least).unwrap_or_default();
    let mut changes = BTreeSet::new();
    differences(&before, &after, "", &mut changes);
    match changes.len() {
        0 => "dropped".to_owned(),
        1 if changes.first().is_some_and(|only| only == own) => "kept".to_owned(),
        _ => changes.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", "),
    }
}

/// The paths at which two documents differ, as deep as both have objects.
fn differences(before: &Value, after: &Value, path: &str, out: &mut BTreeSet<String>) {
    let (Value::Object(a), Value::Object(b)) = (before, after) else {
        if before != after {
            out.insert(path.to_owned());
        }
        return;
    };
    let empty = Value::Object(Map::new());
    for key in a.keys().chain(b.keys()) {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (a.get(key), b.get(key)) {
            (Some(before), Some(after)) => differences(before, after, &below, out),
            // A new object of one member is told by that member, which is what has a meaning.
            (None, Some(after @ Value::Object(members))) if members.len() == 1 => {
                differences(&empty, after, &below, out);
            }
            _ => {
                out.insert(below);
            }
        }
    }
}
