//! What Gemini clients ask beside conversations: vectors and counts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use tollgate_types::{ApiSchema, Endpoint, Tokens};

use self::support::run;

/// Path and body for the provider.
fn call(endpoint: Endpoint, schema: ApiSchema, request: &str) -> Result<(String, String), String> {
    let translated = run(endpoint, schema, request.as_bytes()).map_err(|refused| refused.to_string())?;
    Ok((translated.path, String::from_utf8(translated.body).unwrap()))
}

/// The reply in the client's words.
fn reply(endpoint: Endpoint, schema: ApiSchema, request: &str, body: &str) -> (String, Option<Tokens>) {
    let mut reader = run(endpoint, schema, request.as_bytes()).unwrap().reader;
    let mut out = Vec::new();
    reader.whole(body.as_bytes(), &mut out).unwrap();
    (String::from_utf8(out).unwrap(), reader.usage().input)
}

const BATCH: &str = r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY",
    "outputDimensionality":3},{"content":{"parts":{"text":"b"}},"output_dimensionality":3}]}"#;

#[test]
fn a_batch_of_texts_is_one_call() {
    let (path, body) = call(Endpoint::BatchEmbedContents, ApiSchema::OpenAi, BATCH).unwrap();
    assert_eq!(path, "/v1/embeddings");
    assert_eq!(body, r#"{"model":"test-model","input":["a","b"],"dimensions":3,"encoding_format":"float"}"#);
    let (_, body) = call(Endpoint::BatchEmbedContents, ApiSchema::GcpVertexAi, BATCH).unwrap();
    assert_eq!(
        body,
        r#"{"instances":[{"content":"a","task_type":"RETRIEVAL_QUERY"},{"content":"b"}],"parameters":{"outputDimensionality":3}}"#
    );
    let answer = r#"{"object":"list","data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}],"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}"#;
    let (out, input) = reply(Endpoint::BatchEmbedContents, ApiSchema::OpenAi, BATCH, answer);
    assert_eq!(
        out,
        r#"{"embeddings":[{"values":[1]},{"values":[2]}],"usageMetadata":{"promptTokenCount":2}}"#
    );
    assert_eq!(input, Some(Tokens(2)));
}

#[test]
fn one_text_is_one_vector() {
    let request = r#"{"content":{"parts":[{"text":"a"}]}}"#;
    let answer = r#"{"embeddings":{"float":[[1.5]]},"meta":{"billed_units":{"input_tokens":1}}}"#;
    let (out, _) = reply(Endpoint::EmbedContent, ApiSchema::Cohere, request, answer);
    assert_eq!(out, r#"{"embedding":{"values":[1.5]},"usageMetadata":{"promptTokenCount":1}}"#);
}

#[test]
fn what_no_backend_can_embed_is_refused() {
    let refused = |request| call(Endpoint::EmbedContent, ApiSchema::OpenAi, request).unwrap_err();
    assert!(refused(r#"{"content":{"parts":[]}}"#).contains("needs a part with text"));
    assert!(refused(r#"{"content":{"parts":[{"text":"a"},{"text":"b"}]}}"#).contains("one part"));
    assert!(refused(r#"{"content":{"parts":[{"inlineData":{}}]}}"#).contains("text alone"));
    let uneven = BATCH.replace("\"output_dimensionality\":3", "\"output_dimensionality\":4");
    let refused = call(Endpoint::BatchEmbedContents, ApiSchema::OpenAi, &uneven).unwrap_err();
    assert!(refused.contains("outputDimensionality"), "{refused}");
}

#[test]
fn tokens_are_counted_at_vertex_for_gemini_and_anthropic_clients() {
    let whole = r#"{"generateContentRequest":{"contents":[{"parts":[{"text":"a"}]}],"systemInstruction":{"parts":[{"text":"s"}]},"tools":[{"functionDeclarations":[{"name":"f"}]}]}}"#;
    let plain = r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"systemInstruction":{"parts":[{"text":"s"}]},"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#;
    let messages = r#"{"model":"test-model","system":"s","messages":[{"role":"user","content":"a"}],"tools":[{"name":"f"}]}"#;
    let wanted = r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}],"systemInstruction":{"parts":[{"text":"s"}]},"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#;
    let gemini = Endpoint::GeminiCountTokens;
    for (endpoint, request) in [(gemini, whole), (gemini, plain), (Endpoint::CountTokens, messages)] {
        let (path, body) = call(endpoint, ApiSchema::GcpVertexAi, request).unwrap();
        assert_eq!(path, "publishers/google/models/test-model:countTokens");
        assert_eq!(body, wanted);
    }
    let (out, input) = reply(gemini, ApiSchema::GcpVertexAi, plain, r#"{"totalTokens":7}"#);
    assert_eq!((out.as_str(), input), (r#"{"totalTokens":7}"#, Some(Tokens(7))));
    let (out, _) = reply(Endpoint::CountTokens, ApiSchema::GcpVertexAi, messages, r#"{"totalTokens":7}"#);
    assert_eq!(out, r#"{"input_tokens":7}"#);
}

const COUNTED: &str = r#"{"contents":[{"role":"user","parts":[{"text":"a"}]},
    {"role":"model","parts":[{"functionCall":{"id":"c1","name":"f","args":{"x":"é\"1"}}}]},
    {"role":"user","parts":[{"functionResponse":{"id":"c1","name":"f","response":{"output":"22"}}},{"text":"b"}]}],
    "systemInstruction":{"parts":[{"text":"s"}]},"tools":[{"functionDeclarations":[{"name":"f","description":"d"}]}]}"#;

/// The request for a model that is named apart from the body.
fn count(schema: ApiSchema, model: &str, request: &str) -> Result<(String, serde_json::Value), String> {
    let request = format!(r#"{{"model":"{model}",{}"#, request.trim_start_matches('{'));
    let (path, body) = call(Endpoint::GeminiCountTokens, schema, &request)?;
    Ok((path, serde_json::from_str(&body).unwrap()))
}

#[test]
fn tokens_are_counted_by_openais_own_api_and_by_the_tokenizer_of_servers_like_it() {
    let tool = serde_json::json!({"type": "function", "name": "f", "description": "d", "parameters": null, "strict": false});
    let input = serde_json::json!([
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"x\":\"é\\\"1\"}"},
        {"type": "function_call_output", "call_id": "c1", "output": "22"},
        {"role": "user", "content": [{"type": "input_text", "text": "b"}]},
    ]);
    let (path, body) = count(ApiSchema::OpenAi, "gpt-4o", COUNTED).unwrap();
    assert_eq!(
        (path.as_str(), &body["input"], &body["tools"][0]),
        ("/v1/responses/input_tokens", &input, &tool)
    );
    let (path, body) = count(ApiSchema::AzureOpenAi, "prod-chat", COUNTED).unwrap();
    assert_eq!(path, "/openai/responses/input_tokens?api-version=2025-01-01-preview");
    assert_eq!((&body["model"], &body["input"]), (&"prod-chat".into(), &input));
    let (path, body) = count(ApiSchema::OpenAi, "Qwen/Qwen3-32B", COUNTED).unwrap();
    assert_eq!(path, "/tokenize");
    let roles: Vec<_> = body["messages"].as_array().unwrap().iter().map(|one| one["role"].clone()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "user"]);
    assert_eq!(body["tools"][0]["function"]["name"], "f");
    let counted = r#"{"count":9,"max_model_len":4096,"tokens":[1,2]}"#;
    let (out, input) = reply(Endpoint::GeminiCountTokens, ApiSchema::OpenAi, COUNTED, counted);
    assert_eq!((out.as_str(), input), (r#"{"totalTokens":9}"#, Some(Tokens(9))));
    let counted = r#"{"object":"response.input_tokens","input_tokens":9}"#;
    let (out, _) = reply(Endpoint::GeminiCountTokens, ApiSchema::AzureOpenAi, COUNTED, counted);
    assert_eq!(out, r#"{"totalTokens":9}"#);
}

#[test]
fn cohere_counts_the_text_of_a_prompt() {
    let (path, body) = count(ApiSchema::Cohere, "command-a-03-2025", COUNTED).unwrap();
    assert_eq!(path, "/v1/tokenize");
    assert_eq!(body["text"], "f\nd\ns\na\nf\n{\"x\":\"é\\\"1\"}\n22\nb");
    let counted = r#"{"tokens":[8,9,10],"token_strings":["a","b","c"],"meta":{}}"#;
    let (out, input) = reply(Endpoint::GeminiCountTokens, ApiSchema::Cohere, COUNTED, counted);
    assert_eq!((out.as_str(), input), (r#"{"totalTokens":3}"#, Some(Tokens(3))));
    let image =
        r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}]}"#;
    let refused = count(ApiSchema::Cohere, "m", image).unwrap_err();
    assert!(refused.contains("contents[0].parts[0]") && refused.contains("text alone"), "{refused}");
}

#[test]
fn clients_of_anthropic_and_of_the_tokenizer_have_their_prompts_counted_too() {
    let messages = r#"{"model":"gpt-4o","system":"s","messages":[{"role":"user","content":"a"}]}"#;
    let (path, body) = call(Endpoint::CountTokens, ApiSchema::OpenAi, messages).unwrap();
    assert_eq!(path, "/v1/responses/input_tokens");
    assert_eq!(
        body,
        r#"{"model":"gpt-4o","input":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"input_text","text":"a"}]}]}"#
    );
    let (out, _) = reply(Endpoint::CountTokens, ApiSchema::OpenAi, messages, r#"{"input_tokens":4}"#);
    assert_eq!(out, r#"{"input_tokens":4}"#);
    let prompt = r#"{"model":"command","prompt":"a"}"#;
    let (path, body) = call(Endpoint::Tokenize, ApiSchema::Cohere, prompt).unwrap();
    assert_eq!((path.as_str(), body.as_str()), ("/v1/tokenize", r#"{"model":"command","text":"a"}"#));
    let mut reader = run(Endpoint::CountTokens, ApiSchema::OpenAi, messages.as_bytes()).unwrap().reader;
    let mut out = Vec::new();
    let body = br#"{"error":{"message":"no such route","type":"invalid_request_error"}}"#;
    reader.error(http::StatusCode::NOT_FOUND, &http::HeaderMap::new(), body, &mut out);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("not_found_error") && out.contains("no such route"), "{out}");
}
