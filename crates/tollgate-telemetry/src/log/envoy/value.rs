use std::{
    borrow::Cow,
    io::Write as _,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use chrono::SecondsFormat;
use http::{HeaderValue, header::HOST};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value as Json;
use tollgate_core::{AttemptRecord, End, Record, Refusal, Settled};
use tollgate_snapshot::{
    AddressPart, CelType, CertificatePart, LoggedHeader, LoggedHeaders, Operator, Remote, TimeFormat,
};

use super::{
    super::{
        Clock,
        escape::{hex, json_string, number, plain},
        json::{address, protocol, transport_failure},
        mask::masked,
    },
    Escape, Lines,
    attributes::Credentials,
    metadata,
};
use crate::end;

/// What stands for a credential.
const HIDDEN: &[u8] = b"***";

/// What an operator says of a request.
pub(super) enum Value<'a> {
    Missing,
    Text(Cow<'a, [u8]>),
    Number(u64),
    Address(SocketAddr),
    Ip(IpAddr),
    Hex(&'a [u8]),
    Rfc3339(u64, &'a mut Clock),
    /// From a token
    Claim(&'a serde_json::Value),
    /// Lists and objects
    Json(serde_json::Value),
}

/// What the operator says of the request.
pub(super) fn value<'a>(operator: &'a Operator, lines: &'a mut Lines<'_>) -> Value<'a> {
    if let Operator::Cel(expression, kind) = operator {
        let value = expression.value(|root| lines.attribute(root, Credentials::Hidden));
        return value.map_or(Value::Missing, |value| expressed(&value, *kind));
    }
    let Lines { settled, attributes, clock } = lines;
    let record: &'a Record = &settled.record;
    match operator {
        Operator::StartTime(TimeFormat::Rfc3339) => Value::Rfc3339(record.began.unix_ms, clock),
        Operator::StartTime(TimeFormat::Strftime(format)) => {
            Value::string(time(record.began.unix_ms, format))
        }
        Operator::BytesReceived => Value::Number(record.bytes_in),
        Operator::BytesSent => Value::Number(record.bytes_out),
        Operator::Protocol => Value::str(protocol(record.head.version)),
        Operator::ResponseCode => Value::Number(record.status.map_or(0, |status| u64::from(status.as_u16()))),
        Operator::ResponseCodeDetails => details(settled),
        Operator::ResponseFlags => Value::str(end::flags(settled)),
        Operator::ResponseFlagsLong => Value::str(end::long_flags(end::flags(settled))),
        Operator::Attempts => Value::Number(record.attempts.len() as u64),
        Operator::Duration => between(Some(record.began.instant), Some(settled.ended)),
        Operator::ResponseDuration => between(Some(record.began.instant), answered(record)),
        Operator::ResponseTxDuration => between(answered(record), Some(settled.ended)),
        Operator::RouteName => Value::optional(record.rule.as_ref().map(|rule| rule.id.as_str())),
        Operator::UpstreamHost(part) => upstream(record, *part),
        Operator::UpstreamCluster => Value::optional(record.backend().map(|backend| backend.id.as_str())),
        Operator::UpstreamFailure => {
            record.attempts.iter().rev().find_map(transport_failure).map_or(Value::Missing, Value::string)
        }
        Operator::Downstream(remote, part) => downstream(record, *remote, *part),
        Operator::LocalPort => Value::Number(u64::from(record.head.port)),
        Operator::Request(headers) => first(headers, |header| request(record, header)),
        Operator::RequestWithoutQuery(headers) => {
            without_query(first(headers, |header| request(record, header)))
        }
        Operator::Response(headers) => first(headers, |header| response(record, header)),
        Operator::Metadata(path) => metadata::value(path, settled, attributes),
        Operator::ServerName => Value::optional(record.head.server_name.as_deref()),
        Operator::Certificate(part) => certificate(record, *part),
        Operator::TraceId if record.trace.parent.is_some() || record.live.sampler.is_some() => {
            Value::Hex(&record.trace.trace_id)
        }
        Operator::StreamId => Value::str(&record.request_id),
        Operator::Listener => Value::optional(record.listener.as_ref().map(|listener| listener.id.as_str())),
        Operator::LogType => Value::str("DownstreamEnd"),
        Operator::TraceId | Operator::Cel(..) | Operator::Empty(_) => Value::Missing,
    }
}

/// What an expression came to; as text, or as what it is.
fn expressed(value: &cel::Value, kind: CelType) -> Value<'static> {
    match (json(value), kind) {
        (Json::Null, _) => Value::Missing,
        (Json::String(text), _) => Value::string(text),
        (value, CelType::Own) => Value::Json(value),
        (value, CelType::Text) => Value::string(value.to_string()),
    }
}

fn json(value: &cel::Value) -> Json {
    match value {
        cel::Value::Bool(flag) => Json::Bool(*flag),
        cel::Value::Int(number) => Json::from(*number),
        cel::Value::UInt(number) => Json::from(*number),
        cel::Value::Float(number) => serde_json::Number::from_f64(*number).map_or(Json::Null, Json::Number),
        cel::Value::String(text) => Json::String(text.to_string()),
        cel::Value::Bytes(bytes) => Json::String(String::from_utf8_lossy(bytes).into_owned()),
        cel::Value::Timestamp(time) => Json::String(time.to_rfc3339_opts(SecondsFormat::Millis, true)),
        cel::Value::Duration(took) => Json::String(format!("{}s", took.as_seconds_f64())),
        cel::Value::List(list) => Json::Array(list.iter().map(json).collect()),
        cel::Value::Map(map) => map.map.iter().map(|(key, value)| (key.to_string(), json(value))).collect(),
        cel::Value::Null | cel::Value::Function(..) | cel::Value::Opaque(_) | cel::Value::Struct(_) => {
            Json::Null
        }
    }
}

fn time(unix_ms: u64, format: &str) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let time = time.unwrap_or_default().to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format(format, &time).unwrap_or_default()
}

/// Envoy's word where it has one, our reason otherwise.
pub(super) fn details(settled: &Settled) -> Value<'static> {
    let word = match &settled.end {
        End::Complete => "via_upstream",
        End::Local => "direct_response",
        End::ClientGone => "downstream_remote_disconnect",
        End::Deadline | End::Refused(Refusal::Deadline(_)) => "response_timeout",
        End::Refused(Refusal::NoRoute(_) | Refusal::NoModel(_)) => "route_not_found",
        End::Refused(Refusal::Limited(_)) => "request_rate_limited",
        End::Refused(Refusal::NoEndpoints) => "no_healthy_upstream",
        End::Refused(_) | End::UpstreamBroke(_) | End::Drained => {
            return end::detail(settled).map_or(Value::Missing, Value::string);
        }
    };
    Value::str(word)
}

/// When the head of the reply was there.
fn answered(record: &Record) -> Option<Instant> {
    record.attempts.last().filter(|attempt| attempt.status.is_some())?.ended
}

fn between(from: Option<Instant>, to: Option<Instant>) -> Value<'static> {
    match (from, to) {
        (Some(from), Some(to)) => Value::Number(ms(to.saturating_duration_since(from))),
        _ => Value::Missing,
    }
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn upstream(record: &Record, part: AddressPart) -> Value<'_> {
    let Some(whole) = record.attempts.last().and_then(|attempt| attempt.address.as_deref()) else {
        return Value::Missing;
    };
    let (host, port) = whole.rsplit_once(':').unwrap_or((whole, ""));
    match part {
        AddressPart::Whole => Value::str(whole),
        AddressPart::Host => Value::str(host.trim_start_matches('[').trim_end_matches(']')),
        AddressPart::Port => port.parse().map_or(Value::Missing, Value::Number),
    }
}

fn downstream(record: &Record, remote: Remote, part: AddressPart) -> Value<'static> {
    let peer = record.head.peer;
    // The port of a client that others told of is not known; Envoy writes 0 for it.
    let who = match remote {
        Remote::Client if record.client_ip != peer.ip() => SocketAddr::new(record.client_ip, 0),
        Remote::Client | Remote::Peer => peer,
    };
    match part {
        AddressPart::Whole => Value::Address(who),
        AddressPart::Host => Value::Ip(who.ip()),
        AddressPart::Port => Value::Number(u64::from(who.port())),
    }
}

fn first<'a>(headers: &LoggedHeaders, find: impl Fn(&LoggedHeader) -> Value<'a>) -> Value<'a> {
    headers.iter().map(find).find(|value| !matches!(value, Value::Missing)).unwrap_or(Value::Missing)
}

fn without_query(value: Value<'_>) -> Value<'_> {
    let Value::Text(text) = value else { return value };
    let Some(end) = text.iter().position(|byte| *byte == b'?') else { return Value::Text(text) };
    Value::Text(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or_default()),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    })
}

fn request<'a>(record: &'a Record, header: &LoggedHeader) -> Value<'a> {
    let head = &record.head;
    let own = || head.uri.path_and_query().map_or("/", |path| path.as_str());
    let sent = || record.attempts.last().and_then(|attempt| Some(attempt.path.as_ref()?.as_str()));
    match header {
        LoggedHeader::Method => Value::str(head.method.as_str()),
        LoggedHeader::Path => Value::path(sent().unwrap_or_else(own)),
        LoggedHeader::OriginalPath => match sent() {
            Some(sent) if sent != own() => Value::path(own()),
            Some(_) | None => Value::Missing,
        },
        LoggedHeader::Authority => match (head.headers.get(HOST), head.uri.authority()) {
            (Some(host), _) => Value::header(host),
            (None, Some(authority)) => Value::str(authority.as_str()),
            (None, None) => Value::str(&record.host),
        },
        LoggedHeader::Scheme => Value::str(if head.secure { "https" } else { "http" }),
        LoggedHeader::RequestId => Value::str(&record.request_id),
        LoggedHeader::ServiceTime => Value::Missing,
        LoggedHeader::Named(name) => head.headers.get(name).map_or(Value::Missing, Value::header),
        LoggedHeader::Hidden(name) if head.headers.contains_key(name) => Value::Text(HIDDEN.into()),
        LoggedHeader::Hidden(_) => Value::Missing,
    }
}

fn response<'a>(record: &'a Record, header: &LoggedHeader) -> Value<'a> {
    match header {
        LoggedHeader::ServiceTime => {
            let answered = |last: &AttemptRecord| last.status.and(last.ended);
            let last = record.attempts.last();
            between(last.map(|last| last.began), last.and_then(answered))
        }
        LoggedHeader::Named(name) => record.reply_header(name).map_or(Value::Missing, Value::header),
        LoggedHeader::Hidden(name) if record.reply_header(name).is_some() => Value::Text(HIDDEN.into()),
        LoggedHeader::Hidden(_)
        | LoggedHeader::Method
        | LoggedHeader::Path
        | LoggedHeader::OriginalPath
        | LoggedHeader::Authority
        | LoggedHeader::Scheme
        | LoggedHeader::RequestId => Value::Missing,
    }
}

fn certificate(record: &Record, part: CertificatePart) -> Value<'_> {
    let Some(facts) = &record.head.certificate else { return Value::Missing };
    let names = |names: &[String]| match names {
        [] => Value::Missing,
        names => Value::string(names.join(",")),
    };
    match part {
        CertificatePart::Subject if facts.subject.is_empty() => Value::Missing,
        CertificatePart::Subject => Value::str(&facts.subject),
        CertificatePart::Fingerprint => Value::str(&facts.hash),
        CertificatePart::Uris => names(&facts.uris),
        CertificatePart::DnsNames => names(&facts.dns_names),
    }
}

// === impl Value ===

impl<'a> Value<'a> {
    pub(super) fn str(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text.as_bytes()))
    }

    pub(super) fn string(text: String) -> Self {
        Self::Text(Cow::Owned(text.into_bytes()))
    }

    pub(super) fn optional(text: Option<&'a str>) -> Self {
        text.map_or(Self::Missing, Self::str)
    }

    /// A path with its query, less the credentials in it.
    fn path(path: &'a str) -> Self {
        Self::Text(match masked(path) {
            Cow::Borrowed(path) => Cow::Borrowed(path.as_bytes()),
            Cow::Owned(path) => Cow::Owned(path.into_bytes()),
        })
    }

    pub(super) fn header(value: &'a HeaderValue) -> Self {
        Self::Text(Cow::Borrowed(if value.is_sensitive() { HIDDEN } else { value.as_bytes() }))
    }

    /// Appends it to a text; `-` where there is nothing.
    pub(super) fn text(self, most: Option<usize>, escape: Escape, out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::Missing => out.push(b'-'),
            Self::Text(text) if text.is_empty() => out.push(b'-'),
            Self::Text(text) => return shown(clipped(&text, most), escape, out),
            Self::Claim(serde_json::Value::String(text)) => {
                return shown(clipped(text.as_bytes(), most), escape, out);
            }
            other => other.bare(out),
        }
        // Nothing but ASCII here, or JSON that nobody reads once it is cut.
        if let Some(most) = most {
            out.truncate(start + clipped(out.get(start..).unwrap_or_default(), Some(most)).len());
        }
    }

    /// Appends it as a JSON value that keeps its type; `null` where there is nothing.
    pub(super) fn json(self, most: Option<usize>, out: &mut Vec<u8>) {
        match self {
            Self::Missing => out.extend_from_slice(b"null"),
            Self::Text(text) => json_string(clipped(&text, most), out),
            value @ (Self::Number(_) | Self::Claim(_) | Self::Json(_)) => value.bare(out),
            value @ (Self::Address(_) | Self::Ip(_) | Self::Hex(_) | Self::Rfc3339(..)) => {
                out.push(b'"');
                value.bare(out);
                out.push(b'"');
            }
        }
    }

    /// Writing to a vector cannot fail.
    fn bare(self, out: &mut Vec<u8>) {
        match self {
            Self::Missing => {}
            Self::Text(text) => out.extend_from_slice(&text),
            Self::Number(count) => number(count, out),
            Self::Address(who) => address(who, out),
            Self::Ip(ip) => drop(write!(out, "{ip}")),
            Self::Hex(bytes) => hex(bytes, out),
            Self::Rfc3339(unix_ms, clock) => clock.write(unix_ms, out),
            Self::Claim(value) => drop(serde_json::to_writer(out, value)),
            Self::Json(value) => drop(serde_json::to_writer(out, &value)),
        }
    }
}

fn shown(text: &[u8], escape: Escape, out: &mut Vec<u8>) {
    match escape {
        Escape::Here => plain(text, out),
        Escape::Later => out.extend_from_slice(text),
    }
}

/// At most so many bytes of it, and no half character.
fn clipped(text: &[u8], most: Option<usize>) -> &[u8] {
    let Some(mut end) = most.filter(|most| *most < text.len()) else { return text };
    while end > 0 && text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
