use std::{io::Write as _, net::SocketAddr, time::Duration};

use http::{HeaderName, Version, header::USER_AGENT};
use tollgate_core::{AttemptRecord, Failure, Record, Settled};

use super::{
    Memory,
    escape::{hex, json_string, number},
    mask::masked,
    phrases::Phrases,
};
use crate::{attributes::HeaderAttribute, end, metric::token_counts};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Members of one JSON object behind its first one.
struct Members<'a> {
    out: &'a mut Vec<u8>,
}

/// A name of ours as it is written behind another member: in one piece, with nothing to escape.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// For each of the metrics' token types.
const TOKEN_KEYS: [&str; 5] = [
    key!("gen_ai.usage.input_tokens"),
    key!("gen_ai.usage.output_tokens"),
    key!("gen_ai.usage.cached_input_tokens"),
    key!("gen_ai.usage.cache_creation_input_tokens"),
    key!("gen_ai.usage.reasoning_tokens"),
];

/// Names are those of Envoy AI Gateway's default log, so that what reads that reads this; ours follow.
pub(crate) fn line(
    settled: &Settled,
    attributes: &[HeaderAttribute],
    memory: &mut Memory,
    out: &mut Vec<u8>,
) {
    let mut line = Members { out };
    request(settled, memory, &mut line);
    outcome(settled, &mut line);
    route(&settled.record, &mut memory.routes, &mut line);
    if settled.record.model_asked.is_some() {
        llm(settled, &mut memory.models, &mut line);
    }
    for attribute in attributes {
        if let Some(value) = settled.record.head.headers.get(&attribute.header) {
            line.text_named(&attribute.name, value.as_bytes());
        }
    }
    out.extend_from_slice(b"}\n");
}

fn request(settled: &Settled, memory: &mut Memory, line: &mut Members<'_>) {
    let record = &settled.record;
    let head = &record.head;
    line.out.extend_from_slice(b"{\"start_time\":\"");
    memory.clock.write(record.began.unix_ms, line.out);
    line.out.push(b'"');
    line.word(key!("method"), head.method.as_str());
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    line.name(key!("x-envoy-origin-path"));
    let start = line.out.len();
    json_string(masked(path).as_bytes(), line.out);
    let written = start..line.out.len();
    match record.attempts.last().and_then(|last| last.path.as_ref()) {
        Some(same) if same.as_str() == path => {
            line.name(key!("request.path"));
            line.out.extend_from_within(written);
        }
        Some(path) => line.text(key!("request.path"), masked(path.as_str()).as_bytes()),
        None => line.null(key!("request.path")),
    }
    line.text(key!("host"), record.host.as_bytes());
    line.word(key!("protocol"), protocol(head.version));
    for (key, header) in [(key!("user-agent"), USER_AGENT), (key!("x-forwarded-for"), FORWARDED_FOR)] {
        match head.headers.get(header) {
            Some(value) => line.text(key, value.as_bytes()),
            None => line.null(key),
        }
    }
    line.text(key!("x-request-id"), record.request_id.as_bytes());
    if record.trace.parent.is_some() || record.live.sampler.is_some() {
        line.name(key!("trace_id"));
        line.out.push(b'"');
        hex(&record.trace.trace_id, line.out);
        line.out.push(b'"');
    } else {
        line.null(key!("trace_id"));
    }
    line.name(key!("downstream_remote_address"));
    line.out.push(b'"');
    address(head.peer, line.out);
    line.out.push(b'"');
    line.number(key!("downstream_local_port"), u64::from(head.port));
}

fn outcome(settled: &Settled, line: &mut Members<'_>) {
    let record = &settled.record;
    line.number(key!("response_code"), record.status.map_or(0, |status| u64::from(status.as_u16())));
    line.word(key!("response_flags"), end::flags(settled));
    line.word(key!("end"), end::word(&settled.end));
    match end::detail(settled) {
        Some(detail) => line.text(key!("response_code_details"), detail.as_bytes()),
        None => line.null(key!("response_code_details")),
    }
    line.number(key!("bytes_received"), record.bytes_in);
    line.number(key!("bytes_sent"), record.bytes_out);
    line.number(key!("duration"), ms(settled.ended.saturating_duration_since(record.began.instant)));
    let head =
        record.attempts.last().and_then(|last| Some(last.ended?.saturating_duration_since(last.began)));
    match head {
        Some(head) => line.number(key!("x-envoy-upstream-service-time"), ms(head)),
        None => line.null(key!("x-envoy-upstream-service-time")),
    }
    match record.attempts.iter().rev().find_map(transport_failure) {
        Some(failure) => line.text(key!("upstream_transport_failure_reason"), failure.as_bytes()),
        None => line.null(key!("upstream_transport_failure_reason")),
    }
}

/// Who took a request, and who was asked.
const ROUTE_KEYS: [&str; 5] =
    [key!("listener"), key!("route"), key!("rule"), key!("upstream_cluster"), key!("upstream_host")];

fn route(record: &Record, phrases: &mut Phrases, line: &mut Members<'_>) {
    let names = [
        record.listener.as_ref().map(|listener| listener.id.as_str()),
        record.rule.as_ref().map(|rule| rule.route.as_str()),
        record.rule.as_ref().map(|rule| rule.id.as_str()),
        record.backend().map(|backend| backend.id.as_str()),
        record.attempts.last().and_then(|last| last.address.as_deref()),
    ];
    phrases.write(&ROUTE_KEYS, names, line.out);
    line.number(key!("attempts"), record.attempts.len() as u64);
    if record.attempts.len() < 2 && record.attempts.iter().all(|attempt| attempt.failure.is_none()) {
        return;
    }
    line.name(key!("attempt_outcomes"));
    line.out.push(b'[');
    for (position, attempt) in record.attempts.iter().enumerate() {
        line.out.extend_from_slice(if position > 0 {
            b",{\"backend\":".as_slice()
        } else {
            b"{\"backend\":"
        });
        json_string(attempt.backend.id.as_str().as_bytes(), line.out);
        if let Some(status) = attempt.status {
            line.number(key!("status"), u64::from(status.as_u16()));
        }
        if let Some(failure) = &attempt.failure {
            line.text(key!("failure"), failure.word().as_bytes());
        }
        line.out.push(b'}');
    }
    line.out.push(b']');
}

/// Which model was asked, of whom.
const MODEL_KEYS: [&str; 5] = [
    key!("gen_ai.operation.name"),
    // As in Envoy AI Gateway's log, and unlike its metrics: what the client asked for.
    key!("gen_ai.request.model"),
    key!("model_sent"),
    key!("gen_ai.response.model"),
    // Envoy AI Gateway logs the backend's name here, not the vendor's.
    key!("gen_ai.provider.name"),
];

fn llm(settled: &Settled, phrases: &mut Phrases, line: &mut Members<'_>) {
    let record = &settled.record;
    let names = [
        record.endpoint.map(|endpoint| endpoint.operation()),
        record.model_asked.as_ref().map(|model| model.as_str()),
        record.model_sent.as_ref().map(|model| model.as_str()),
        record.model_served.as_deref(),
        record.backend().map(|backend| backend.id.as_str()),
    ];
    phrases.write(&MODEL_KEYS, names, line.out);
    for (key, count) in TOKEN_KEYS.iter().zip(token_counts(&record.usage)) {
        match count {
            Some(count) => line.number(key, count),
            None => line.null(key),
        }
    }
    if let Some(total) = record.usage.total {
        line.number(key!("gen_ai.usage.total_tokens"), total.0);
    }
    line.flag(key!("usage_estimated"), record.usage_estimated);
    if let Some(first) = record.first_byte {
        let micros = first.saturating_duration_since(record.began.instant).as_micros();
        line.name(key!("time_to_first_token_ms"));
        thousandths(u64::try_from(micros).unwrap_or(u64::MAX), line.out);
    }
    if !settled.costs.is_empty() {
        line.name(key!("costs"));
        let mut before = b'{';
        for (key, cost) in &settled.costs {
            line.out.push(before);
            before = b',';
            json_string(key.as_bytes(), line.out);
            line.out.push(b':');
            number(*cost, line.out);
        }
        line.out.push(b'}');
    }
    if let Some((key, error)) = &settled.broken_cost {
        line.text(key!("cost_error"), format!("{key}: {error}").as_bytes());
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
    out.reserve("255.255.255.255:65535".len());
    octet(first, out);
    for byte in rest {
        out.push(b'.');
        octet(byte, out);
    }
    out.push(b':');
    number(u64::from(v4.port()), out);
}

fn octet(byte: u8, out: &mut Vec<u8>) {
    if byte >= 100 {
        out.push(b'0' + byte / 100);
    }
    if byte >= 10 {
        out.push(b'0' + byte / 10 % 10);
    }
    out.push(b'0' + byte % 10);
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
    #[inline]
    fn name(&mut self, key: &'static str) {
        self.out.extend_from_slice(key.as_bytes());
    }

    #[inline]
    fn text(&mut self, key: &'static str, value: &[u8]) {
        self.name(key);
        json_string(value, self.out);
    }

    /// A word of ours or of HTTP's, in which nothing has to be escaped.
    #[inline]
    fn word(&mut self, key: &'static str, word: &str) {
        self.name(key);
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    /// A name from the configuration.
    fn text_named(&mut self, name: &str, value: &[u8]) {
        self.out.push(b',');
        json_string(name.as_bytes(), self.out);
        self.out.push(b':');
        json_string(value, self.out);
    }

    #[inline]
    fn number(&mut self, key: &'static str, value: u64) {
        self.name(key);
        number(value, self.out);
    }

    #[inline]
    fn flag(&mut self, key: &'static str, value: bool) {
        self.name(key);
        self.out.extend_from_slice(if value { b"true".as_slice() } else { b"false" });
    }

    #[inline]
    fn null(&mut self, key: &'static str) {
        self.name(key);
        self.out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_type_has_its_member() {
        let names = crate::metric::TOKEN_TYPES.map(|kind| format!(",\"gen_ai.usage.{kind}_tokens\":"));
        assert_eq!(names, TOKEN_KEYS);
    }

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
