use http::StatusCode;

use crate::translate::{event::ProviderError, json};

/// An error body. The shape is the one the gateway uses for its own errors; the SDKs read `error.message`,
/// `error.type` and `error.code`, and choose their exception by the status.
pub(crate) fn body(status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
    raw_object(kind(Some(status), &error.kind), Some(status), error, out);
}

/// The data of an error event in a stream.
pub(super) fn event(error: &ProviderError, out: &mut Vec<u8>) {
    raw_object(kind(None, &error.kind), None, error, out);
}

fn raw_object(kind: &str, status: Option<StatusCode>, error: &ProviderError, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"error","error":{"#);
    json::text_field(out, "type", kind);
    match status {
        Some(status) => json::text_field(out, "code", status.as_str()),
        None => json::raw_field(out, "code", "null"),
    }
    json::text_field(out, "message", &error.message);
    json::raw_field(out, "param", "null");
    out.push(b'}');
    if let Some(id) = &error.request_id {
        json::text_field(out, "request_id", id);
    }
    out.push(b'}');
}

/// OpenAI's word for an error; by the status where the provider has none.
fn kind(status: Option<StatusCode>, kind: &str) -> &str {
    match kind {
        "request_too_large" => "invalid_request_error",
        "api_error" | "overloaded_error" | "timeout_error" => "server_error",
        "" => match status.map(|status| status.as_u16()) {
            Some(401) => "authentication_error",
            Some(403) => "permission_error",
            Some(404) => "not_found_error",
            Some(429) => "rate_limit_error",
            Some(400..=499) => "invalid_request_error",
            Some(_) | None => "server_error",
        },
        known => known,
    }
}
