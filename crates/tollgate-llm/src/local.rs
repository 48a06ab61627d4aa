//! Bodies that the gateway writes itself.

use bytes::Bytes;
use http::StatusCode;
use tollgate_types::{Dialect, Endpoint};
use tollgate_wire::text::quote;

/// One model of `GET /v1/models`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model<'a> {
    /// What clients ask for.
    pub id: &'a str,
    /// `modelsOwnedBy`; Anthropic's form has no place for it.
    pub owned_by: &'a str,
    /// `modelsCreatedAt`, in Unix seconds.
    pub created: i64,
}

/// A gateway-made error: `{"type":"error","error":{"type":…,"code":…,"message":…}}`.
///
/// Both dialects' clients read this one shape: Anthropic's look at the outer `type`, OpenAI's at `error` alone.
#[must_use]
pub fn error_body(status: StatusCode, kind: &str, message: &str) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 96);
    out.extend_from_slice(br#"{"type":"error","error":{"type":"#);
    quote(kind, &mut out);
    out.extend_from_slice(br#","code":"#);
    quote(status.as_str(), &mut out);
    out.extend_from_slice(br#","message":"#);
    quote(message, &mut out);
    out.extend_from_slice(b"}}");
    out.into()
}

/// The answer to `GET /v1/models`, in the order given.
#[must_use]
pub fn models_body<'a>(dialect: Dialect, models: impl Iterator<Item = Model<'a>>) -> Bytes {
    let mut out = match dialect {
        Dialect::OpenAi | Dialect::Anthropic => br#"{"data":["#.to_vec(),
        Dialect::Cohere | Dialect::Gemini => br#"{"models":["#.to_vec(),
    };
    let mut ends: Option<(&str, &str)> = None;
    for model in models {
        if ends.is_some() {
            out.push(b',');
        }
        write_model(dialect, &model, &mut out);
        ends = Some((ends.map_or(model.id, |(first, _)| first), model.id));
    }
    match (dialect, ends) {
        (Dialect::OpenAi, _) => out.extend_from_slice(br#"],"object":"list"}"#),
        (Dialect::Cohere | Dialect::Gemini, _) => out.extend_from_slice(b"]}"),
        (Dialect::Anthropic, None) => out.extend_from_slice(br#"],"has_more":false}"#),
        (Dialect::Anthropic, Some((first, last))) => {
            out.extend_from_slice(br#"],"first_id":"#);
            quote(first, &mut out);
            out.extend_from_slice(br#","has_more":false,"last_id":"#);
            quote(last, &mut out);
            out.push(b'}');
        }
    }
    out.into()
}

/// The answer to `GET /v1/models/{model}`.
#[must_use]
pub fn model_body(dialect: Dialect, model: &Model<'_>) -> Bytes {
    let mut out = Vec::with_capacity(model.id.len() * 2 + 128);
    write_model(dialect, model, &mut out);
    out.into()
}

fn write_model(dialect: Dialect, model: &Model<'_>, out: &mut Vec<u8>) {
    match dialect {
        Dialect::OpenAi => openai_model(model, out),
        Dialect::Anthropic => anthropic_model(model, out),
        Dialect::Cohere => cohere_model(model, out),
        Dialect::Gemini => gemini_model(model, out),
    }
}

/// A provider's error that is no JSON, in the shape of the client's dialect.
pub(crate) fn wrapped_error(dialect: Dialect, status: StatusCode, message: &str) -> Bytes {
    match dialect {
        Dialect::OpenAi => error_body(status, "OpenAIBackendError", message),
        Dialect::Anthropic => {
            let mut out = br#"{"type":"error","error":{"type":"#.to_vec();
            quote(anthropic_error_type(status), &mut out);
            out.extend_from_slice(br#","message":"#);
            quote(message, &mut out);
            out.extend_from_slice(b"}}");
            out.into()
        }
        Dialect::Cohere => {
            let mut out = br#"{"message":"#.to_vec();
            quote(message, &mut out);
            out.push(b'}');
            out.into()
        }
        Dialect::Gemini => {
            let mut out = br#"{"error":"#.to_vec();
            gemini_error(status, message, &mut out);
            out.push(b'}');
            out.into()
        }
    }
}

/// The event that ends a stream which broke. `events` were sent before it.
pub(crate) fn error_event(endpoint: Endpoint, message: &str, events: u64) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 160);
    match (endpoint, endpoint.dialect()) {
        (_, Dialect::Anthropic) => {
            out.extend_from_slice(
                b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":",
            );
            quote(message, &mut out);
            out.extend_from_slice(b"}}");
        }
        (Endpoint::Responses, _) => {
            // The `error` event of the API has its fields at the top; the official Python client raises an
            // exception only for an `error` object. Both are there.
            out.extend_from_slice(
                b"event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":",
            );
            quote(message, &mut out);
            out.extend_from_slice(b",\"param\":null,\"sequence_number\":");
            out.extend_from_slice(itoa::Buffer::new().format(events).as_bytes());
            out.extend_from_slice(b",\"error\":");
            openai_error(message, &mut out);
            out.push(b'}');
        }
        (_, Dialect::Gemini) => {
            out.extend_from_slice(b"data: {\"error\":");
            gemini_error(StatusCode::BAD_GATEWAY, message, &mut out);
            out.push(b'}');
        }
        // Cohere's streams have no event for errors; its clients stop at data that is no event of theirs.
        (_, Dialect::OpenAi | Dialect::Cohere) => {
            out.extend_from_slice(b"data: {\"error\":");
            openai_error(message, &mut out);
            out.push(b'}');
        }
    }
    out.extend_from_slice(b"\n\n");
    out.into()
}

fn openai_error(message: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"message":"#);
    quote(message, out);
    out.extend_from_slice(br#","type":"server_error","param":null,"code":"upstream_error"}"#);
}

/// `{"code":…,"message":…,"status":…}`
pub(crate) fn gemini_error(status: StatusCode, message: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"code":"#);
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(br#","message":"#);
    quote(message, out);
    out.extend_from_slice(br#","status":"#);
    quote(google_status(status), out);
    out.push(b'}');
}

/// The names that Google's APIs give to statuses.
const fn google_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 405 | 413 | 415 | 422 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}

/// The types that Anthropic's clients know, by status.
const fn anthropic_error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "service_unavailable_error",
        529 => "overloaded_error",
        _ => "internal_server_error",
    }
}

fn openai_model(model: &Model<'_>, out: &mut Vec<u8>) {
    let Model { id, owned_by, created } = model;
    out.extend_from_slice(br#"{"id":"#);
    quote(id, out);
    out.extend_from_slice(br#","created":"#);
    out.extend_from_slice(itoa::Buffer::new().format(*created).as_bytes());
    out.extend_from_slice(br#","object":"model","owned_by":"#);
    quote(owned_by, out);
    out.push(b'}');
}

fn anthropic_model(model: &Model<'_>, out: &mut Vec<u8>) {
    let Model { id, owned_by: _, created } = model;
    out.extend_from_slice(br#"{"id":"#);
    quote(id, out);
    out.extend_from_slice(br#","type":"model","display_name":"#);
    quote(id, out);
    out.extend_from_slice(br#","created_at":"#);
    quote(&rfc3339(u64::try_from(*created).unwrap_or(0)), out);
    out.push(b'}');
}

fn cohere_model(model: &Model<'_>, out: &mut Vec<u8>) {
    let Model { id, owned_by: _, created: _ } = model;
    out.extend_from_slice(br#"{"name":"#);
    quote(id, out);
    out.push(b'}');
}

fn gemini_model(model: &Model<'_>, out: &mut Vec<u8>) {
    let Model { id, owned_by: _, created: _ } = model;
    out.extend_from_slice(br#"{"name":"#);
    quote(&format!("models/{id}"), out);
    out.extend_from_slice(br#","displayName":"#);
    quote(id, out);
    out.push(b'}');
}

/// Unix seconds as RFC 3339 has them, in UTC. Years beyond 9999 stay at its last second, as the RFC knows no more.
fn rfc3339(seconds: u64) -> String {
    const LAST: u64 = 253_402_300_799;
    const DAY: u64 = 86_400;
    let seconds = seconds.min(LAST);
    let (days, second) = (seconds / DAY, seconds % DAY);
    // Years are counted from March, so that the leap day is the last of its year; 146,097 days make 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests;
