//! `guided_regex` at Vertex AI: Gemini holds a JSON string to the pattern, and the client gets the text in it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use tollgate_types::{ApiSchema, Endpoint};

use self::support::{assert_well_formed, run, stream};

const REQUEST: &str =
    r#"{"model":"gemini-2.5-flash","guided_regex":"[a-z\"]+","messages":[{"role":"user","content":"a"}]}"#;

#[test]
fn the_pattern_is_one_of_a_json_string_and_the_answer_has_no_quotes() {
    let translated = run(Endpoint::ChatCompletions, ApiSchema::GcpVertexAi, REQUEST.as_bytes()).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&translated.body).unwrap();
    let wanted = serde_json::json!({
        "responseMimeType": "application/json",
        "responseSchema": {"type": "STRING", "pattern": "[a-z\"]+"},
    });
    assert_eq!(body["generationConfig"], wanted);
    let mut reader = translated.reader;
    let answer = br#"{"candidates":[{"content":{"role":"model","parts":[{"text":"\"ab"},{"text":"\\\"c\\n\""}]},"finishReason":"STOP"}]}"#;
    let mut out = Vec::new();
    reader.whole(answer, &mut out).unwrap();
    let reply: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(reply["choices"][0]["message"]["content"], "ab\"c\n");
}

#[test]
fn a_stream_has_none_either() {
    let request = REQUEST.replacen('{', r#"{"stream":true,"#, 1);
    let mut reader =
        run(Endpoint::ChatCompletions, ApiSchema::GcpVertexAi, request.as_bytes()).unwrap().reader;
    let piece = |text: &str, end: &str| {
        let part = serde_json::json!({"text": text});
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{part}]}}{end}}}]}}\n\n"
        )
    };
    let pieces = [
        piece("\"ab\\", ""),
        piece("\"c", ""),
        piece("\\ud83d", ""),
        piece("\\ude00\"", r#","finishReason":"STOP""#),
    ];
    let streamed = stream(&mut *reader, pieces.iter().map(String::as_bytes));
    assert_well_formed(Endpoint::ChatCompletions, &streamed);
    let out = String::from_utf8(streamed.out).unwrap();
    let chunks = out.lines().filter_map(|line| line.strip_prefix("data: {"));
    let said: String = chunks
        .map(|chunk| serde_json::from_str::<serde_json::Value>(&format!("{{{chunk}")).unwrap())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(said, "ab\"c😀");
}

#[test]
fn an_answer_that_is_no_string_stays_as_it_is() {
    let mut reader =
        run(Endpoint::ChatCompletions, ApiSchema::GcpVertexAi, REQUEST.as_bytes()).unwrap().reader;
    let answer =
        br#"{"candidates":[{"content":{"role":"model","parts":[{"text":"ab"}]},"finishReason":"STOP"}]}"#;
    let mut out = Vec::new();
    reader.whole(answer, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains(r#""content":"ab""#));
    let odd = REQUEST.replace(r#""[a-z\"]+""#, "7");
    let refused = run(Endpoint::ChatCompletions, ApiSchema::GcpVertexAi, odd.as_bytes()).unwrap_err();
    assert!(refused.to_string().contains("guided_regex"));
}
