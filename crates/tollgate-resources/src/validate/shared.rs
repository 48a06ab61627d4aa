//! Rules of the parts that several kinds share.

use std::time::Duration;

use super::{Rules, text};
use crate::{
    kinds::{
        BackendObjectRef, HeaderMatch, HttpHeader, HttpRouteTimeouts, LocalObjectRef, ParentRef, SecretRef,
    },
    registry::ENVOY_GATEWAY,
};

pub(crate) const HOSTNAME: &str = "a host such as api.example.com or *.example.com in lower case";

pub(crate) fn section_name(rules: &mut Rules, field: &str, name: &str) {
    rules.form(
        "invalid-name",
        (field, name),
        (text::is_subdomain(name), "lower-case letters, digits, `-` and `.`"),
    );
}

pub(crate) fn namespace(rules: &mut Rules, namespace: Option<&String>) {
    if let Some(name) = namespace {
        let expected = "a namespace: lower-case letters, digits and `-`";
        rules.form("invalid-namespace", ("namespace", name), (text::is_label(name), expected));
    }
}

pub(crate) fn group_and_kind(rules: &mut Rules, group: &str, kind: &str) {
    rules.form(
        "invalid-group",
        ("group", group),
        (text::is_group(group), "an API group such as gateway.networking.k8s.io"),
    );
    rules.form("invalid-kind", ("kind", kind), (text::is_kind(kind), "a kind such as Gateway"));
}

pub(crate) fn hostnames(rules: &mut Rules, names: &[String]) {
    rules.count("hostnames", names.len(), 0..=16);
    rules.each("hostnames", names, |rules, name| {
        rules.form("invalid-hostname", ("", name), (text::is_hostname(name), HOSTNAME));
    });
}

pub(crate) fn parent_ref(rules: &mut Rules, parent: &ParentRef) {
    let ParentRef { group, kind, namespace: space, name, section_name: section, port } = parent;
    group_and_kind(rules, group, kind);
    namespace(rules, space.as_ref());
    rules.length("name", name, 1..=253);
    if let Some(section) = section {
        section_name(rules, "sectionName", section);
    }
    rules.port("port", *port);
}

pub(crate) fn secret_ref(rules: &mut Rules, secret: &SecretRef) {
    let SecretRef { group, kind, name, namespace: space } = secret;
    group_and_kind(rules, group, kind);
    rules.length("name", name, 1..=253);
    namespace(rules, space.as_ref());
}

pub(crate) fn local_ref(rules: &mut Rules, reference: &LocalObjectRef) {
    let LocalObjectRef { group, kind, name } = reference;
    group_and_kind(rules, group, kind);
    rules.length("name", name, 1..=253);
}

pub(crate) fn backend_object_ref(rules: &mut Rules, reference: &BackendObjectRef) {
    let BackendObjectRef { group, kind, name, namespace: space, port } = reference;
    group_and_kind(rules, group, kind);
    rules.length("name", name, 1..=253);
    namespace(rules, space.as_ref());
    rules.port("port", *port);
    let service = group.is_empty() && kind == "Service";
    rules.demand(
        !service || port.is_some(),
        "service-without-port",
        ("", "a reference to a Service needs a `port`"),
    );
}

/// True for `gateway.envoyproxy.io` `Backend`.
pub(crate) fn is_backend(reference: &BackendObjectRef) -> bool {
    reference.group == ENVOY_GATEWAY && reference.kind == "Backend"
}

pub(crate) fn header_matches(rules: &mut Rules, headers: &[HeaderMatch]) {
    rules.count("headers", headers.len(), 0..=16);
    rules.unique("duplicate-entry", "headers", headers.iter().map(|header| Some(header.name.as_str())));
    rules.each("headers", headers, |rules, HeaderMatch { match_type: _, name, value }| {
        header_name(rules, "name", name);
        rules.length("value", value, 1..=4096);
    });
}

pub(crate) fn header_name(rules: &mut Rules, field: &str, name: &str) {
    rules.form("invalid-header-name", (field, name), (text::is_header_name(name), "a header name"));
}

/// A list of headers with their values, no name twice. The values are never shown: they may be credentials.
pub(crate) fn headers(rules: &mut Rules, field: &str, headers: &[HttpHeader]) {
    rules.count(field, headers.len(), 0..=16);
    rules.unique("duplicate-entry", field, headers.iter().map(|header| Some(header.name.as_str())));
    rules.each(field, headers, |rules, HttpHeader { name, value }| {
        header_name(rules, "name", name);
        rules.length("value", value, 1..=4096);
    });
}

/// A list of names, none twice.
pub(crate) fn names(rules: &mut Rules, field: &str, names: &[String]) {
    rules.count(field, names.len(), 0..=16);
    rules.unique("duplicate-entry", field, names.iter().map(Some));
}

pub(crate) fn timeouts(rules: &mut Rules, timeouts: HttpRouteTimeouts) {
    let HttpRouteTimeouts { request, backend_request } = timeouts;
    if let (Some(request), Some(attempt)) = (request, backend_request) {
        let fits = request == Duration::ZERO || attempt <= request;
        let message = "`backendRequest` must not be longer than `request`, which holds all attempts";
        rules.demand(fits, "timeout-order", ("backendRequest", message));
    }
}
