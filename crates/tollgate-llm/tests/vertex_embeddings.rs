//! Embeddings from OpenAI clients to Vertex AI.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use tollgate_types::{ApiSchema, Endpoint};

use self::support::run;

/// Path and body for Vertex AI, or the refusal.
fn call(request: &str) -> Result<(String, String), String> {
    let translated = run(Endpoint::Embeddings, ApiSchema::GcpVertexAi, request.as_bytes());
    let translated = translated.map_err(|refused| refused.to_string())?;
    Ok((translated.path, String::from_utf8(translated.body).unwrap()))
}

#[test]
fn texts_are_instances_with_their_tasks_and_titles() {
    let request = r#"{"model":"gemini-embedding-001","input":["a",{"content":"b","task_type":"RETRIEVAL_DOCUMENT",
        "title":"t"}],"task_type":"CLUSTERING","title":"x","dimensions":3,"auto_truncate":false}"#;
    let (path, body) = call(request).unwrap();
    assert_eq!(path, "publishers/google/models/gemini-embedding-001:predict");
    assert_eq!(
        body,
        r#"{"instances":[{"content":"a","task_type":"CLUSTERING"},{"content":"b","task_type":"RETRIEVAL_DOCUMENT","title":"t"}],"parameters":{"autoTruncate":false,"outputDimensionality":3}}"#
    );
}

#[test]
fn newer_models_embed_one_text() {
    let (path, body) =
        call(r#"{"model":"gemini-embedding-2","input":"a","input_type":"search_query"}"#).unwrap();
    assert_eq!(path, "publishers/google/models/gemini-embedding-2:embedContent");
    assert_eq!(
        body,
        r#"{"content":{"parts":[{"text":"a"}]},"embedContentConfig":{"taskType":"RETRIEVAL_QUERY"}}"#
    );
    let refused = call(r#"{"model":"gemini-embedding-2","input":["a","b"]}"#).unwrap_err();
    assert!(refused.contains("one text"), "{refused}");
    let refused = call(r#"{"model":"text-embedding-005","input":[1,2]}"#).unwrap_err();
    assert!(refused.contains("input[0]"), "{refused}");
}

#[test]
fn vectors_come_back_as_the_client_wants_them() {
    let request = br#"{"model":"text-embedding-005","input":"a","encoding_format":"base64"}"#;
    let mut reader = run(Endpoint::Embeddings, ApiSchema::GcpVertexAi, request).unwrap().reader;
    let reply = br#"{"predictions":[{"embeddings":{"values":[1.0,-2.5],"statistics":{"token_count":2}}}]}"#;
    let mut out = Vec::new();
    reader.whole(reply, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAIMA="}],"model":"text-embedding-005","usage":{"prompt_tokens":2,"total_tokens":2}}"#
    );
}
