use http::StatusCode;

use crate::translate::{event::ProviderError, json};

/// `{"type":"error","error":{"type":…,"message":…}}`, with the request's id where it is known.
pub(super) fn object(kind: &str, error: &ProviderError, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"error","error":{"#);
    json::text_field(out, "type", kind);
    json::text_field(out, "message", &error.message);
    out.push(b'}');
    if let Some(id) = &error.request_id {
        json::text_field(out, "request_id", id);
    }
    out.push(b'}');
}

/// A whole error body.
pub(crate) fn body(status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
    object(kind(status), error, out);
}

/// Anthropic's word for a status (Anthropic API reference, errors).
pub(super) const fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        408 | 504 => "timeout_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The word for an error inside a stream, where there is no status.
pub(super) fn kind_in_stream(kind: &str) -> &'static str {
    match kind {
        "invalid_request_error" | "INVALID_ARGUMENT" => "invalid_request_error",
        "authentication_error" | "UNAUTHENTICATED" => "authentication_error",
        "permission_error" | "PERMISSION_DENIED" => "permission_error",
        "not_found_error" | "NOT_FOUND" => "not_found_error",
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" | "tokens" | "requests" => {
            "rate_limit_error"
        }
        "overloaded_error" | "service_unavailable" => "overloaded_error",
        "timeout" | "timeout_error" => "timeout_error",
        _ => "api_error",
    }
}
