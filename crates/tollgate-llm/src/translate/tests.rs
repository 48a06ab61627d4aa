use tollgate_types::ModelId;

use super::*;
use crate::{Delivery, Target};

fn path(endpoint: Endpoint, schema: ApiSchema, prefix: &str, model: &str) -> String {
    let target = Target { schema, prefix: prefix.to_owned(), version: Some("2025-01-01-preview".to_owned()) };
    let model = ModelId::from(model);
    let delivery = Delivery::Whole;
    let job =
        Job { endpoint, target: &target, model: &model, delivery, wants_usage: false, beta: None, now: 0 };
    translate(&job, br#"{"messages":[]}"#).unwrap().path
}

#[test]
fn each_provider_is_called_at_its_own_path() {
    let chat = |prefix| path(Endpoint::ChatCompletions, ApiSchema::Anthropic, prefix, "m");
    assert_eq!(chat("v1"), "/v1/messages");
    assert_eq!(chat(""), "/messages");
    let messages = |schema, model| path(Endpoint::Messages, schema, "api/v1", model);
    assert_eq!(messages(ApiSchema::OpenAi, "m"), "/api/v1/chat/completions");
    assert_eq!(
        messages(ApiSchema::AzureOpenAi, "my gpt/4"),
        "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2025-01-01-preview"
    );
}

#[test]
fn what_is_not_in_the_table_is_refused_by_name() {
    assert!(supports(Endpoint::ChatCompletions, ApiSchema::Anthropic));
    assert!(supports(Endpoint::Messages, ApiSchema::AzureOpenAi));
    assert!(!supports(Endpoint::InputTokens, ApiSchema::OpenAi));
    assert!(!supports(Endpoint::ChatCompletions, ApiSchema::OpenAi));
    let target = Target { schema: ApiSchema::Anthropic, prefix: String::new(), version: None };
    let model = ModelId::from("m");
    let (endpoint, delivery) = (Endpoint::Embeddings, Delivery::Whole);
    let job =
        Job { endpoint, target: &target, model: &model, delivery, wants_usage: false, beta: None, now: 0 };
    let refused = translate(&job, b"{}").unwrap_err();
    assert_eq!(refused, Untranslatable::UnsupportedPair { endpoint, schema: ApiSchema::Anthropic });
}

#[test]
fn a_call_to_anthropic_names_the_api_version() {
    let target = Target { schema: ApiSchema::Anthropic, prefix: "v1".to_owned(), version: None };
    let model = ModelId::from("m");
    let (endpoint, delivery) = (Endpoint::ChatCompletions, Delivery::Whole);
    let job =
        Job { endpoint, target: &target, model: &model, delivery, wants_usage: false, beta: None, now: 0 };
    let headers = translate(&job, br#"{"messages":[]}"#).unwrap().headers;
    assert!(headers.contains(&ANTHROPIC_VERSION));
}

#[test]
fn prompts_are_counted_by_who_counts_for_whom_asks() {
    let body = |endpoint| match endpoint {
        Endpoint::InputTokens => r#"{"model":"m","input":"Hi","instructions":"Be brief."}"#,
        Endpoint::GeminiCountTokens => r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#,
        _ => r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#,
    };
    let table = [
        (Endpoint::Tokenize, ApiSchema::Anthropic, "/v1/messages/count_tokens", r#""count":7"#),
        (Endpoint::InputTokens, ApiSchema::Anthropic, "/v1/messages/count_tokens", r#""input_tokens":7"#),
        (
            Endpoint::InputTokens,
            ApiSchema::GcpAnthropic,
            "publishers/anthropic/models/count-tokens:rawPredict",
            r#""input_tokens":7"#,
        ),
        (
            Endpoint::GeminiCountTokens,
            ApiSchema::Anthropic,
            "/v1/messages/count_tokens",
            r#""totalTokens":7"#,
        ),
    ];
    for (endpoint, schema, path, wanted) in table {
        let target = Target { schema, prefix: "v1".to_owned(), version: None };
        let model = ModelId::from("claude-sonnet-5@default");
        let delivery = Delivery::Whole;
        let job = Job {
            endpoint,
            target: &target,
            model: &model,
            delivery,
            wants_usage: false,
            beta: None,
            now: 0,
        };
        let mut translated = translate(&job, body(endpoint).as_bytes()).unwrap();
        assert_eq!(translated.path, path, "{endpoint} by {schema}");
        assert!(!String::from_utf8_lossy(&translated.body).contains("max_tokens"));
        let mut out = Vec::new();
        translated.reader.whole(br#"{"input_tokens":7}"#, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains(wanted), "{out}");
    }
}
