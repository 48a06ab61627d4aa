use super::*;

fn read(endpoint: Endpoint, body: &str) -> Result<Inspected, BadRequest> {
    inspect(endpoint, &Bytes::from(body.to_owned()))
}

fn chat(body: &str) -> Result<Inspected, BadRequest> {
    read(Endpoint::ChatCompletions, body)
}

#[test]
fn model_delivery_and_the_wish_for_usage_are_found() {
    use Delivery::{Streamed, Whole};
    let table = [
        (r#"{"model":"m"}"#, Whole, false),
        (r#" { "messages" : [{"model":"x","stream":true}] , "model" : "m" } "#, Whole, false),
        (r#"{"mod\u0065l":"\u006d","stream":true}"#, Streamed, false),
        (r#"{"model":"m","stream":null,"stream_options":null}"#, Whole, false),
        (r#"{"model":"m","stream":false,"stream_options":{"include_usage":true}}"#, Whole, false),
        (r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#, Streamed, true),
        (r#"{"model":"m","stream":true,"stream_options":{"include_usage":false}}"#, Streamed, false),
        (r#"{"model":"m","stream":true,"stream_options":{}}"#, Streamed, false),
    ];
    for (body, delivery, wants_usage) in table {
        let Inspected { model, delivery: found, wants_usage: wants, completion_bound: _, spots } =
            chat(body).unwrap();
        assert_eq!((model.as_str(), found, wants), ("m", delivery, wants_usage), "{body}");
        assert!(spots.of(body.as_bytes(), &model).is_some());
    }
}

#[test]
fn an_endpoint_that_never_streams_ignores_stream() {
    let inspected = read(Endpoint::Embeddings, r#"{"model":"m","stream":true}"#).unwrap();
    assert_eq!(inspected.delivery, Delivery::Whole);
}

#[test]
fn bad_bodies_are_refused_with_the_reason() {
    let table = [
        ("", "malformed request: the body is empty; /v1/chat/completions takes a JSON object"),
        (
            "  ",
            "malformed request: failed to parse JSON for /v1/chat/completions: unexpected end, expected a value \
             at byte 2",
        ),
        (
            "model=gpt",
            "malformed request: failed to parse JSON for /v1/chat/completions: expected a value at byte 0",
        ),
        (
            r#"{"model":"m"}}"#,
            "malformed request: failed to parse JSON for /v1/chat/completions: unexpected text after the value \
             at byte 13",
        ),
        (
            r#"{"model":"m","messages":[}"#,
            "malformed request: failed to parse JSON for /v1/chat/completions: expected a value at byte 25",
        ),
        ("[]", "malformed request: /v1/chat/completions takes a JSON object"),
        ("null", "malformed request: /v1/chat/completions takes a JSON object"),
        (r#""model""#, "malformed request: /v1/chat/completions takes a JSON object"),
        ("{}", "invalid request body: model field is required"),
        (r#"{"Model":"m"}"#, "invalid request body: model field is required"),
        (r#"{"model":""}"#, "invalid request body: model must be a non-empty string"),
        (r#"{"model":null}"#, "invalid request body: model must be a non-empty string"),
        (r#"{"model":["m"]}"#, "invalid request body: model must be a non-empty string"),
        (r#"{"model":"\ud800"}"#, "invalid request body: model must be a non-empty string"),
        (r#"{"model":"a","model":"b"}"#, "invalid request body: model must not occur twice"),
        (r#"{"model":"a","mod\u0065l":"b"}"#, "invalid request body: model must not occur twice"),
        (
            r#"{"model":"a","stream":false,"stream":true}"#,
            "invalid request body: stream must not occur twice",
        ),
        (r#"{"model":"a","stream":"true"}"#, "invalid request body: stream must be a boolean"),
        (
            r#"{"model":"a","stream":true,"stream_options":true}"#,
            "invalid request body: stream_options must be an object",
        ),
        (
            r#"{"model":"a","stream":true,"stream_options":{"include_usage":1}}"#,
            "invalid request body: stream_options.include_usage must be a boolean",
        ),
    ];
    for (body, wanted) in table {
        assert_eq!(chat(body).unwrap_err().to_string(), wanted, "{body}");
    }
}

#[test]
fn a_body_that_is_no_utf8_in_its_model_is_refused() {
    let body = Bytes::from_static(b"{\"model\":\"\xff\"}");
    assert_eq!(inspect(Endpoint::Responses, &body), Err(BadRequest::ModelNotAString));
}

#[test]
fn spots_of_another_body_are_not_believed() {
    let inspected = chat(r#"{"model":"m"}"#).unwrap();
    assert!(inspected.spots.of(br#"{"model":"n"}"#, &inspected.model).is_none());
    assert!(inspected.spots.of(br#"{"model":"m" }"#, &inspected.model).is_none());
}
