use serde_json::{Value, json};

use super::*;

fn parsed(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap()
}

#[test]
fn an_error_body_is_json_whatever_the_message() {
    let body = error_body(Dialect::OpenAi, StatusCode::NOT_FOUND, "NotFound", "no \"such\"\nmodel \\");
    let wanted = json!({"type": "error", "error": {"type": "NotFound", "code": "404", "message": "no \"such\"\nmodel \\"}});
    assert_eq!(parsed(&body), wanted);
}

#[test]
fn models_are_listed_in_both_dialects() {
    let models = [
        ModelEntry { id: "gpt-4o", owned_by: "Envoy AI Gateway", created: 0 },
        ModelEntry { id: "b", owned_by: "me", created: 1_709_251_199 },
    ];
    let wanted = json!({"object": "list", "data": [
        {"id": "gpt-4o", "created": 0, "object": "model", "owned_by": "Envoy AI Gateway"},
        {"id": "b", "created": 1_709_251_199, "object": "model", "owned_by": "me"},
    ]});
    assert_eq!(parsed(&models_body(Dialect::OpenAi, &models)), wanted);
    let wanted = json!({"first_id": "gpt-4o", "has_more": false, "last_id": "b", "data": [
        {"id": "gpt-4o", "type": "model", "display_name": "gpt-4o", "created_at": "1970-01-01T00:00:00Z"},
        {"id": "b", "type": "model", "display_name": "b", "created_at": "2024-02-29T23:59:59Z"},
    ]});
    assert_eq!(parsed(&models_body(Dialect::Anthropic, &models)), wanted);
    assert_eq!(parsed(&models_body(Dialect::Anthropic, &[])), json!({"data": [], "has_more": false}));
    assert_eq!(parsed(&models_body(Dialect::OpenAi, &[])), json!({"data": [], "object": "list"}));
}

#[test]
fn times_are_written_as_the_calendar_has_them() {
    let table = [
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (1_704_067_199, "2023-12-31T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (u64::MAX, "9999-12-31T23:59:59Z"),
    ];
    for (seconds, wanted) in table {
        assert_eq!(rfc3339(seconds), wanted);
    }
}

#[test]
fn wrapped_errors_carry_the_type_that_the_dialect_has_for_the_status() {
    let body = wrapped_error(Dialect::Anthropic, StatusCode::TOO_MANY_REQUESTS, "slow down");
    assert_eq!(
        parsed(&body),
        json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}})
    );
    let body = wrapped_error(Dialect::OpenAi, StatusCode::BAD_GATEWAY, "<html>");
    assert_eq!(
        parsed(&body),
        json!({"type": "error", "error": {"type": "OpenAIBackendError", "code": "502", "message": "<html>"}})
    );
}
