use std::{io::Write as _, net::SocketAddr, time::Duration};

use http::{HeaderName, Version, header::USER_AGENT};
use tollgate_core::{AttemptRecord, Failure, Record, Settled};

use super::{
    Clock,
    escape::{hex, json_string, number},
    mask::masked,
};
use crate::{
    attributes::HeaderAttribute,
    end,
    metric::{TOKEN_TYPES, token_counts},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Members of one JSON object, written one after the other. Names are ours and need no escaping.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    open: bool,
}

/// Names are those of Envoy AI Gateway's default log, so that what reads that reads this; ours follow.
pub(crate) fn line(settled: &Settled, attributes: &[HeaderAttribute], clock: &mut Clock, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut line = Members { out, open: false };
    request(settled, clock, &mut line);
    outcome(settled, &mut line);
    route(&settled.record, &mut line);
    if settled.record.model_asked.is_some() {
        llm(settled, &mut line);
    }
    for attribute in attributes {
        if let Some(value) = settled.record.head.headers.get(&attribute.header) {
            line.text_named(&attribute.name, value.as_bytes());
        }
    }
    out.extend_from_slice(b"}\n");
}

fn request(settled: &Settled, clock: &mut Clock, line: &mut Members<'_>) {
    let record = &settled.record;
    let head = &record.head;
    line.name("start_time");
    line.out.push(b'"');
    clock.write(record.began.unix_ms, line.out);
    line.out.push(b'"');
    line.text("method", head.method.as_str().as_bytes());
    let path = masked(head.uri.path_and_query().map_or("/", |path| path.as_str()));
    line.text("x-envoy-origin-path", path.as_bytes());
    match record.attempts.last().and_then(|last| last.path.as_ref()) {
        Some(path) => line.text("request.path", masked(path.as_str()).as_bytes()),
        None => line.null("request.path"),
    }
    line.text("host", record.host.as_bytes());
    line.text("protocol", protocol(head.version).as_bytes());
    for (name, header) in [("user-agent", USER_AGENT), ("x-forwarded-for", FORWARDED_FOR)] {
        match head.headers.get(header) {
            Some(value) => line.text(name, value.as_bytes()),
            None => line.null(name),
        }
    }
    line.text("x-request-id", record.request_id.as_bytes());
    if record.trace.parent.is_some() || record.live.sampler.is_some() {
        line.name("trace_id");
        line.out.push(b'"');
        hex(&record.trace.trace_id, line.out);
        line.out.push(b'"');
    } else {
        line.null("trace_id");
    }
    line.name("downstream_remote_address");
    line.out.push(b'"');
    address(head.peer, line.out);
    line.out.push(b'"');
    line.number("downstream_local_port", u64::from(head.port));
}

fn outcome(settled: &Settled, line: &mut Members<'_>) {
    let record = &settled.record;
    line.number("response_code", record.status.map_or(0, |status| u64::from(status.as_u16())));
    line.text("response_flags", end::flags(settled).as_bytes());
    line.text("end", end::word(&settled.end).as_bytes());
    match end::detail(settled) {
        Some(detail) => line.text("response_code_details", detail.as_bytes()),
        None => line.null("response_code_details"),
    }
    line.number("bytes_received", record.bytes_in);
    line.number("bytes_sent", record.bytes_out);
    line.number("duration", ms(settled.ended.saturating_duration_since(record.began.instant)));
    let head =
        record.attempts.last().and_then(|last| Some(last.ended?.saturating_duration_since(last.began)));
    match head {
        Some(head) => line.number("x-envoy-upstream-service-time", ms(head)),
        None => line.null("x-envoy-upstream-service-time"),
    }
    match record.attempts.iter().rev().find_map(transport_failure) {
        Some(failure) => line.text("upstream_transport_failure_reason", failure.as_bytes()),
        None => line.null("upstream_transport_failure_reason"),
    }
}

fn route(record: &Record, line: &mut Members<'_>) {
    line.optional("listener", record.listener.as_ref().map(|listener| listener.id.as_str()));
    line.optional("route", record.rule.as_ref().map(|rule| rule.route.as_str()));
    line.optional("rule", record.rule.as_ref().map(|rule| rule.id.as_str()));
    line.optional("upstream_cluster", record.backend().map(|backend| backend.id.as_str()));
    line.optional("upstream_host", record.attempts.last().and_then(|last| last.address.as_deref()));
    line.number("attempts", record.attempts.len() as u64);
    if record.attempts.len() < 2 && record.attempts.iter().all(|attempt| attempt.failure.is_none()) {
        return;
    }
    line.name("attempt_outcomes");
    line.out.push(b'[');
    for (position, attempt) in record.attempts.iter().enumerate() {
        if position > 0 {
            line.out.push(b',');
        }
        line.out.push(b'{');
        let mut members = Members { out: line.out, open: false };
        members.text("backend", attempt.backend.id.as_str().as_bytes());
        if let Some(status) = attempt.status {
            members.number("status", u64::from(status.as_u16()));
        }
        if let Some(failure) = &attempt.failure {
            members.text("failure", failure.word().as_bytes());
        }
        line.out.push(b'}');
    }
    line.out.push(b']');
}

fn llm(settled: &Settled, line: &mut Members<'_>) {
    let record = &settled.record;
    line.optional("gen_ai.operation.name", record.endpoint.map(|endpoint| endpoint.operation()));
    // As in Envoy AI Gateway's log, and unlike its metrics: what the client asked for.
    line.optional("gen_ai.request.model", record.model_asked.as_ref().map(|model| model.as_str()));
    line.optional("model_sent", record.model_sent.as_ref().map(|model| model.as_str()));
    line.optional("gen_ai.response.model", record.model_served.as_deref());
    // Envoy AI Gateway logs the backend's name here, not the vendor's.
    line.optional("gen_ai.provider.name", record.backend().map(|backend| backend.id.as_str()));
    for (kind, count) in TOKEN_TYPES.iter().zip(token_counts(&record.usage)) {
        line.open_name();
        line.out.extend_from_slice(b"\"gen_ai.usage.");
        line.out.extend_from_slice(kind.as_bytes());
        line.out.extend_from_slice(b"_tokens\":");
        match count {
            Some(count) => number(count, line.out),
            None => line.out.extend_from_slice(b"null"),
        }
    }
    if let Some(total) = record.usage.total {
        line.number("gen_ai.usage.total_tokens", total.0);
    }
    line.flag("usage_estimated", record.usage_estimated);
    if let Some(first) = record.first_byte {
        let micros = first.saturating_duration_since(record.began.instant).as_micros();
        line.name("time_to_first_token_ms");
        thousandths(u64::try_from(micros).unwrap_or(u64::MAX), line.out);
    }
    if !settled.costs.is_empty() {
        line.name("costs");
        line.out.push(b'{');
        let mut costs = Members { out: line.out, open: false };
        for (key, cost) in &settled.costs {
            costs.open_name();
            json_string(key.as_bytes(), costs.out);
            costs.out.push(b':');
            number(*cost, costs.out);
        }
        line.out.push(b'}');
    }
    if let Some((key, error)) = &settled.broken_cost {
        line.text("cost_error", format!("{key}: {error}").as_bytes());
    }
}

/// What kept an attempt from being sent or answered; what a provider said is no such thing.
pub(crate) fn transport_failure(attempt: &AttemptRecord) -> Option<String> {
    match attempt.failure.as_ref()? {
        Failure::Reply(_) => None,
        failure => Some(end::reason(failure)),
    }
}

/// Appends an address; the usual kind without the formatter, which takes as long as ten other members.
pub(crate) fn address(address: SocketAddr, out: &mut Vec<u8>) {
    let SocketAddr::V4(v4) = address else {
        // Writing to a vector cannot fail; addresses hold nothing to escape.
        let _ = write!(out, "{address}");
        return;
    };
    let [first, rest @ ..] = v4.ip().octets();
    number(u64::from(first), out);
    for octet in rest {
        out.push(b'.');
        number(u64::from(octet), out);
    }
    out.push(b':');
    number(u64::from(v4.port()), out);
}

/// Appends a number of thousandths as a decimal with three places.
fn thousandths(count: u64, out: &mut Vec<u8>) {
    number(count / 1000, out);
    let digit = |place: u64| b'0' + u8::try_from(count / place % 10).unwrap_or_default();
    out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

// === impl Members ===

impl Members<'_> {
    fn open_name(&mut self) {
        if self.open {
            self.out.push(b',');
        }
        self.open = true;
    }

    fn name(&mut self, name: &'static str) {
        self.open_name();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &'static str, value: &[u8]) {
        self.name(name);
        json_string(value, self.out);
    }

    /// A name from the configuration.
    fn text_named(&mut self, name: &str, value: &[u8]) {
        self.open_name();
        json_string(name.as_bytes(), self.out);
        self.out.push(b':');
        json_string(value, self.out);
    }

    fn number(&mut self, name: &'static str, value: u64) {
        self.name(name);
        number(value, self.out);
    }

    fn flag(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.out.extend_from_slice(if value { b"true".as_slice() } else { b"false" });
    }

    fn null(&mut self, name: &'static str) {
        self.name(name);
        self.out.extend_from_slice(b"null");
    }

    fn optional(&mut self, name: &'static str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value.as_bytes()),
            None => self.null(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_decimals_are_written_as_the_formatter_writes_them() {
        for text in ["127.0.0.1:1", "255.10.0.200:65535", "[::1]:80", "[2001:db8::1]:8080"] {
            let mut out = Vec::new();
            address(text.parse().unwrap(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        for (count, text) in [(0, "0.000"), (7, "0.007"), (1_234_056, "1234.056")] {
            let mut out = Vec::new();
            thousandths(count, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
