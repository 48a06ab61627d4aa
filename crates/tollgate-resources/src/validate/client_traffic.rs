use std::net::IpAddr;

use super::{
    Rules, Validate,
    backend_settings::{bytes, http2},
    policy,
    shared::{header_name, secret_ref},
};
use crate::kinds::{
    ClientConnection, ClientIpDetection, ClientTlsSettings, ClientTrafficPolicy, ClientValidation,
    ConnectionLimit, ForwardedCertMode, HeaderFilter, HeaderSettings, HttpHeader, StringMatch, TlsVersion,
    XForwardedClientCert, XForwardedFor,
};

const KINDS: [&str; 2] = ["Gateway", "ListenerSet"];
/// Bytes of a request's head.
const HEAD: (u64, u64) = (1 << 10, 8192 << 10);

impl Validate for ClientTrafficPolicy {
    fn validate(&self, rules: &mut Rules) {
        let Self { client_ip_detection, tls, headers, connection, http1, http2: h2, health_check, .. } = self;
        policy::targets(rules, self.targets(), &KINDS);
        rules.optional("clientIPDetection", client_ip_detection.as_ref(), detection);
        rules.optional("tls", tls.as_ref(), tls_settings);
        rules.optional("headers", headers.as_ref(), header_settings);
        rules.optional("connection", connection.as_ref(), connections);
        rules.optional("http1", http1.as_ref(), |rules, http1| {
            rules.each("ignoredUpgradeTypes", &http1.ignored_upgrade_types, string_match);
        });
        rules.optional("http2", h2.as_ref(), http2);
        rules.optional("healthCheck", health_check.as_ref(), |rules, check| {
            rules.length("path", &check.path, 1..=1024);
        });
    }
}

fn detection(rules: &mut Rules, detection: &ClientIpDetection) {
    let ClientIpDetection { x_forwarded_for, custom_header, direct_source_ip } = detection;
    let given = [x_forwarded_for.is_some(), custom_header.is_some(), direct_source_ip.is_some()];
    let message = "expected exactly one of `xForwardedFor`, `customHeader` and `directSourceIP`";
    rules.demand(given.iter().filter(|given| **given).count() == 1, "exactly-one-of", ("", message));
    rules.optional("xForwardedFor", x_forwarded_for.as_ref(), |rules, forwarded| {
        let XForwardedFor { num_trusted_hops, trusted_cidrs, disable_append: _ } = forwarded;
        let message = "expected exactly one of `numTrustedHops` and `trustedCIDRs`";
        let one = num_trusted_hops.is_some() == trusted_cidrs.is_empty();
        rules.demand(one, "exactly-one-of", ("", message));
        rules.each("trustedCIDRs", trusted_cidrs, |rules, text| {
            rules.form("invalid-cidr", ("", text), (is_cidr(text), "a network such as 10.0.0.0/8"));
        });
    });
    rules.optional("customHeader", custom_header.as_ref(), |rules, header| {
        let name = &header.name;
        let holds =
            (1..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        rules.form(
            "invalid-header-name",
            ("name", name),
            (holds, "a header name of letters, digits and `-`"),
        );
    });
}

fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        let most = address.parse::<IpAddr>().map(|address| if address.is_ipv4() { 32 } else { 128 });
        most.is_ok_and(|most| bits.parse::<u8>().is_ok_and(|bits| bits <= most))
    })
}

fn tls_settings(rules: &mut Rules, tls: &ClientTlsSettings) {
    let ClientTlsSettings { min_version, max_version, ciphers, client_validation, fingerprints, .. } = tls;
    let low = min_version.unwrap_or(TlsVersion::V1_2);
    let high = max_version.filter(|version| *version != TlsVersion::Auto);
    let message = "`minVersion` (1.2 unless given) must not be newer than `maxVersion`";
    let ordered = high.is_none_or(|high| low as u8 <= high as u8);
    rules.demand(ordered, "tls-version-order", ("maxVersion", message));
    let message = "suites are chosen for TLS 1.2 and older, and `minVersion` is 1.3";
    let idle = *min_version == Some(TlsVersion::V1_3) && !ciphers.is_empty();
    rules.demand(!idle, "ciphers-without-effect", ("ciphers", message));
    let named = fingerprints.iter().map(|print| Some(format!("{print:?}")));
    rules.unique("duplicate-entry", "fingerprints", named);
    rules.optional("clientValidation", client_validation.as_ref(), validation);
}

fn validation(rules: &mut Rules, validation: &ClientValidation) {
    let ClientValidation { optional, mode, ca_certificate_refs, subject_alt_names, crl, .. } = validation;
    let both = *optional && mode.is_some();
    rules.demand(!both, "at-most-one-of", ("optional", "expected at most one of `optional` and `mode`"));
    rules.count("caCertificateRefs", ca_certificate_refs.len(), 0..=8);
    rules.each("caCertificateRefs", ca_certificate_refs, secret_ref);
    rules.optional("subjectAltNames", subject_alt_names.as_ref(), |rules, names| {
        for (field, list) in [
            ("dnsNames", &names.dns_names),
            ("emailAddresses", &names.email_addresses),
            ("ipAddresses", &names.ip_addresses),
            ("uris", &names.uris),
        ] {
            rules.each(field, list, string_match);
        }
    });
    rules.optional("crl", crl.as_ref(), |rules, crl| {
        rules.count("refs", crl.refs.len(), 1..=8);
        rules.each("refs", &crl.refs, secret_ref);
    });
}

fn string_match(rules: &mut Rules, text: &StringMatch) {
    rules.length("value", &text.value, 1..=1024);
}

fn header_settings(rules: &mut Rules, headers: &HeaderSettings) {
    let HeaderSettings {
        x_forwarded_client_cert,
        preserve_x_request_id,
        request_id,
        early_request_headers,
        late_response_headers,
        max_request_header_limit,
        ..
    } = headers;
    let both = preserve_x_request_id.is_some() && request_id.is_some();
    let message = "expected at most one of `preserveXRequestID` and `requestID`";
    rules.demand(!both, "at-most-one-of", ("preserveXRequestID", message));
    rules.optional("xForwardedClientCert", x_forwarded_client_cert.as_ref(), forwarded_cert);
    rules.optional("earlyRequestHeaders", early_request_headers.as_ref(), header_filter);
    rules.optional("lateResponseHeaders", late_response_headers.as_ref(), header_filter);
    bytes(rules, "maxRequestHeaderLimit", *max_request_header_limit, HEAD);
}

fn forwarded_cert(rules: &mut Rules, forwarded: &XForwardedClientCert) {
    let XForwardedClientCert { mode, cert_details_to_add } = forwarded;
    rules.count("certDetailsToAdd", cert_details_to_add.len(), 0..=5);
    let tells = matches!(mode, ForwardedCertMode::AppendForward | ForwardedCertMode::SanitizeSet);
    let message = "`certDetailsToAdd` needs the mode AppendForward or SanitizeSet";
    rules.demand(tells || cert_details_to_add.is_empty(), "unknown-value", ("certDetailsToAdd", message));
}

fn header_filter(rules: &mut Rules, filter: &HeaderFilter) {
    let HeaderFilter { set, add, add_if_absent, remove, remove_on_match } = filter;
    for (field, headers) in [("set", set), ("add", add), ("addIfAbsent", add_if_absent)] {
        rules.count(field, headers.len(), 0..=64);
        rules.unique("duplicate-entry", field, headers.iter().map(|header| Some(header.name.as_str())));
        rules.each(field, headers, |rules, HttpHeader { name, value }| {
            header_name(rules, "name", name);
            // The value is never shown: it may be a credential.
            rules.length("value", value, 1..=4096);
        });
    }
    rules.count("remove", remove.len(), 0..=64);
    rules.unique("duplicate-entry", "remove", remove.iter().map(Some));
    rules.each("remove", remove, |rules, name| header_name(rules, "", name));
    rules.count("removeOnMatch", remove_on_match.len(), 0..=64);
    rules.each("removeOnMatch", remove_on_match, string_match);
}

fn connections(rules: &mut Rules, connection: &ClientConnection) {
    let ClientConnection { connection_limit, buffer_limit, .. } = connection;
    bytes(rules, "bufferLimit", *buffer_limit, (0, u64::from(u32::MAX)));
    rules.optional("connectionLimit", connection_limit.as_ref(), |rules, limit| {
        let ConnectionLimit { value, close_delay, .. } = limit;
        rules.demand(*value != Some(0), "out-of-range", ("value", "0 is out of range: expected at least 1"));
        let message = "`closeDelay` needs a `value`";
        rules.demand(close_delay.is_none() || value.is_some(), "missing-field", ("closeDelay", message));
    });
}
