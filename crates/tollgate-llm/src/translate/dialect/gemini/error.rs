use http::StatusCode;

use crate::{local::gemini_error, translate::event::ProviderError};

/// `{"error":{"code":…,"message":…,"status":…}}`
pub(crate) fn body(status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"error":"#);
    gemini_error(status, &error.message, out);
    out.push(b'}');
}

/// The same in a stream, where the status is that of the provider's word.
pub(super) fn event(error: &ProviderError, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    body(status(&error.kind), error, out);
    out.extend_from_slice(b"\n\n");
}

fn status(kind: &str) -> StatusCode {
    match kind {
        "invalid_request_error" => StatusCode::BAD_REQUEST,
        "authentication_error" => StatusCode::UNAUTHORIZED,
        "permission_error" => StatusCode::FORBIDDEN,
        "not_found_error" => StatusCode::NOT_FOUND,
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" => StatusCode::TOO_MANY_REQUESTS,
        "overloaded_error" | "service_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        "timeout" | "timeout_error" => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
