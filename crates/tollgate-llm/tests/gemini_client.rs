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
