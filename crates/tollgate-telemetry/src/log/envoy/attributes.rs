use cel::Value as Cel;
use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value as Json};
use tollgate_auth::{Attributes, Caller, Root};
use tollgate_core::{Record, Settled};
use tollgate_snapshot::{Namespace, is_credential};

use super::{
    super::{json::transport_failure, mask::masked},
    Escape, metadata,
    value::details,
};
use crate::attributes::HeaderAttribute;

/// What stands for a credential.
const HIDDEN: HeaderValue = HeaderValue::from_static("***");

/// Whether an expression sees credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// It decides only whether there is a line
    Seen,
    /// What it says stands in the line
    Hidden,
}

/// Envoy's attributes of a request.
pub(super) fn of(
    root: Root,
    (settled, attributes): (&Settled, &[HeaderAttribute]),
    credentials: Credentials,
) -> Cel {
    let record = &settled.record;
    let mut members = Attributes::default();
    match root {
        Root::Request => request(settled, credentials, &mut members),
        Root::Response => response(settled, credentials, &mut members),
        Root::Source => record.caller().source(&mut members),
        Root::Destination => members.number("port", u64::from(record.head.port)),
        Root::Connection => record.caller().connection(&mut members),
        Root::Upstream => {
            members.optional("address", record.attempts.last().and_then(|last| last.address.as_deref()));
            members.number("request_attempt_count", record.attempts.len() as u64);
            let failure = record.attempts.iter().rev().find_map(transport_failure);
            members.optional("transport_failure_reason", failure.as_deref());
        }
        Root::Metadata => {
            let namespaces = [Namespace::AiGateway, Namespace::Jwt, Namespace::ExtAuth];
            let all = namespaces.map(|namespace| {
                (namespace.name().to_owned(), Json::Object(metadata::all(namespace, settled, attributes)))
            });
            members.json("filter_metadata", &Json::Object(Map::from_iter(all)));
        }
        Root::Xds => {
            members.optional("route_name", record.rule.as_ref().map(|rule| rule.id.as_str()));
            members.optional("cluster_name", record.backend().map(|backend| backend.id.as_str()));
            let listener = record.listener.as_ref();
            members.optional("filter_chain_name", listener.map(|listener| listener.id.as_str()));
        }
    }
    members.done()
}

fn request(settled: &Settled, credentials: Credentials, members: &mut Attributes) {
    let record = &settled.record;
    let caller = record.caller();
    if credentials == Credentials::Seen {
        caller.request(members);
    } else {
        let target = record.head.uri.path_and_query().map_or("/", |path| path.as_str());
        let target = masked(target);
        let query = target.split_once('?').map(|(_, query)| query);
        let headers = shown(caller.headers);
        Caller { query, headers: &headers, ..caller }.request(members);
    }
    members.number("size", record.bytes_in);
    if let Ok(took) = TimeDelta::from_std(settled.ended.saturating_duration_since(record.began.instant)) {
        members.put("duration", Cel::Duration(took));
    }
}

fn response(settled: &Settled, credentials: Credentials, members: &mut Attributes) {
    let record = &settled.record;
    members.number("code", record.status.map_or(0, |status| u64::from(status.as_u16())));
    let mut text = Vec::new();
    details(settled).text(None, Escape::Later, &mut text);
    members.text("code_details", &String::from_utf8_lossy(&text));
    members.number("size", record.bytes_out);
    let headers = kept(record);
    members.headers(&if credentials == Credentials::Seen { headers } else { shown(&headers) });
}

/// What was kept of the reply's headers.
fn kept(record: &Record) -> HeaderMap {
    let names = record.access_log().map_or([].as_slice(), |settings| settings.reply_headers());
    names.iter().filter_map(|name| Some((name.clone(), record.reply_header(name)?.clone()))).collect()
}

/// Headers as lines may show them.
fn shown(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for (name, value) in &mut headers {
        if value.is_sensitive() || is_credential(name) {
            *value = HIDDEN;
        }
    }
    headers
}
