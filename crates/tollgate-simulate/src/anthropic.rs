//! The Anthropic dialect (docs.anthropic.com/en/api/messages).

pub(crate) mod messages;
pub(crate) mod stream;

use serde_json::{Value, json};

use crate::{ask::Ask, reply::Reply};

/// The body of an error.
pub(crate) fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_simulated"})
}

/// `POST /v1/messages/count_tokens`.
pub(crate) fn count_tokens(ask: &Ask<'_>) -> Reply {
    Reply::json(200, json!({"input_tokens": ask.prompt_tokens}).to_string())
}

/// `GET /v1/models`.
pub(crate) fn models(models: &[String]) -> Value {
    let list: Vec<_> = models.iter().map(|id| model(id)).collect();
    json!({"data": list, "has_more": false, "first_id": models.first(), "last_id": models.last()})
}

/// `GET /v1/models/{id}`.
pub(crate) fn model(id: &str) -> Value {
    json!({"type": "model", "id": id, "display_name": id, "created_at": "2025-01-01T00:00:00Z"})
}
