use std::collections::HashMap;

use cel::Value as Cel;
use chrono::{DateTime, TimeDelta};
use http::{
    HeaderMap, HeaderName,
    header::{REFERER, USER_AGENT},
};
use serde_json::Value as Json;
use tollgate_core::{Record, Settled};
use tollgate_snapshot::{LogRoot, Namespace};

use super::{
    super::json::{protocol, transport_failure},
    Escape, metadata,
    value::details,
};
use crate::attributes::HeaderAttribute;

/// Members of one root. Those for which there is nothing are left out, so that `has()` tells.
#[derive(Default)]
struct Members(HashMap<String, Cel>);

/// Envoy's attributes of a request.
pub(super) fn of(root: LogRoot, settled: &Settled, attributes: &[HeaderAttribute]) -> Cel {
    let record = &settled.record;
    let mut members = Members::default();
    match root {
        LogRoot::Request => request(settled, &mut members),
        LogRoot::Response => response(settled, &mut members),
        LogRoot::Source => {
            members.text("address", &record.head.peer.to_string());
            members.number("port", u64::from(record.head.peer.port()));
        }
        LogRoot::Destination => members.number("port", u64::from(record.head.port)),
        LogRoot::Connection => connection(record, &mut members),
        LogRoot::Upstream => {
            members.optional("address", record.attempts.last().and_then(|last| last.address.as_deref()));
            members.number("request_attempt_count", record.attempts.len() as u64);
            let failure = record.attempts.iter().rev().find_map(transport_failure);
            members.optional("transport_failure_reason", failure.as_deref());
        }
        LogRoot::Metadata => {
            let of = |namespace| cel(&Json::Object(metadata::all(namespace, settled, attributes)));
            let namespaces = HashMap::from([
                ("io.envoy.ai_gateway".to_owned(), of(Namespace::AiGateway)),
                ("envoy.filters.http.jwt_authn".to_owned(), of(Namespace::Jwt)),
            ]);
            members.put("filter_metadata", Cel::from(namespaces));
        }
        LogRoot::Xds => {
            members.optional("route_name", record.rule.as_ref().map(|rule| rule.id.as_str()));
            members.optional("cluster_name", record.backend().map(|backend| backend.id.as_str()));
            let listener = record.listener.as_ref();
            members.optional("filter_chain_name", listener.map(|listener| listener.id.as_str()));
        }
    }
    Cel::from(members.0)
}

fn request(settled: &Settled, members: &mut Members) {
    let record = &settled.record;
    let head = &record.head;
    members.text("path", head.uri.path_and_query().map_or("/", |path| path.as_str()));
    members.text("url_path", head.uri.path());
    members.optional("query", head.uri.query());
    members.text("host", &record.host);
    members.text("scheme", if head.secure { "https" } else { "http" });
    members.text("method", head.method.as_str());
    members.text("protocol", protocol(head.version));
    members.text("id", &record.request_id);
    members.number("size", record.bytes_in);
    let began = i64::try_from(record.began.unix_ms).ok().and_then(DateTime::from_timestamp_millis);
    if let Some(began) = began {
        members.put("time", Cel::Timestamp(began.fixed_offset()));
    }
    if let Ok(took) = TimeDelta::from_std(settled.ended.saturating_duration_since(record.began.instant)) {
        members.put("duration", Cel::Duration(took));
    }
    let one = |name| head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    members.optional("referer", one(REFERER).as_deref());
    members.optional("useragent", one(USER_AGENT).as_deref());
    members.put("headers", headers(&head.headers));
}

fn response(settled: &Settled, members: &mut Members) {
    let record = &settled.record;
    // Codes are compared with plain numbers, which are signed.
    members.put("code", Cel::Int(record.status.map_or(0, |status| i64::from(status.as_u16()))));
    let mut text = Vec::new();
    details(settled).text(None, Escape::Later, &mut text);
    members.text("code_details", &String::from_utf8_lossy(&text));
    members.number("size", record.bytes_out);
    let kept = record.access_log().map_or([].as_slice(), |settings| settings.reply_headers());
    let kept = kept.iter().filter_map(|name| Some((name, record.reply_header(name)?)));
    members.put("headers", map(kept));
}

fn connection(record: &Record, members: &mut Members) {
    let head = &record.head;
    members.put("mtls", Cel::Bool(head.certificate.is_some()));
    members.optional("requested_server_name", head.server_name.as_deref());
    if let Some(facts) = &head.certificate {
        members.text("subject_peer_certificate", &facts.subject);
        members.text("sha256_peer_certificate_digest", &facts.hash);
        members.optional("dns_san_peer_certificate", facts.dns_names.first().map(String::as_str));
        members.optional("uri_san_peer_certificate", facts.uris.first().map(String::as_str));
    }
}

fn headers(headers: &HeaderMap) -> Cel {
    map(headers.keys().filter_map(|name| Some((name, headers.get(name)?))))
}

fn map<'a>(headers: impl Iterator<Item = (&'a HeaderName, &'a http::HeaderValue)>) -> Cel {
    let text = |value: &http::HeaderValue| Cel::from(String::from_utf8_lossy(value.as_bytes()).into_owned());
    let all: HashMap<String, Cel> =
        headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    Cel::from(all)
}

/// Whole numbers are signed, as literals in expressions are.
fn cel(json: &Json) -> Cel {
    match json {
        Json::Null => Cel::Null,
        Json::Bool(flag) => Cel::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Cel::Int(whole),
            None => Cel::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Cel::from(text.as_str()),
        Json::Array(list) => Cel::from(list.iter().map(cel).collect::<Vec<_>>()),
        Json::Object(members) => {
            let all: HashMap<String, Cel> =
                members.iter().map(|(key, value)| (key.clone(), cel(value))).collect();
            Cel::from(all)
        }
    }
}

// === impl Members ===

impl Members {
    fn put(&mut self, name: &str, value: Cel) {
        self.0.insert(name.to_owned(), value);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.put(name, Cel::from(text.to_owned()));
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn number(&mut self, name: &str, number: u64) {
        self.put(name, Cel::Int(i64::try_from(number).unwrap_or(i64::MAX)));
    }
}
