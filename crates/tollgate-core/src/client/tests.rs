use http::Method;
use tollgate_snapshot::{ClientHeaderEdit, EscapedSlashes, HeadRules, HeaderEdit};
use tollgate_types::Cidr;

use super::*;

fn head(target: &'static str, headers: &[(&'static str, &'static str)]) -> RequestHead {
    RequestHead {
        method: Method::GET,
        uri: Uri::from_static(target),
        version: Version::HTTP_11,
        headers: headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect(),
        port: 80,
        server_name: None,
        secure: false,
        certificate: None,
        peer: ([10, 0, 0, 9], 4000).into(),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn rules(heads: HeadRules) -> ClientSettings {
    ClientSettings { heads, ..ClientSettings::default() }
}

#[test]
fn hops_are_counted_from_the_right() {
    let sent = [("x-forwarded-for", "1.1.1.1, 2.2.2.2"), ("x-forwarded-for", "3.3.3.3")];
    for (hops, want) in [(0, "10.0.0.9"), (1, "3.3.3.3"), (2, "2.2.2.2"), (3, "1.1.1.1"), (4, "10.0.0.9")] {
        let found = address(&ClientAddress::TrustedHops(hops), &head("/", &sent));
        assert_eq!(found, Ok(ip(want)), "{hops}");
    }
}

#[test]
fn trusted_proxies_are_skipped_and_nobody_else() {
    let trusted: Vec<Cidr> =
        ["10.0.0.0/8", "fd00::/8"].iter().map(|range| range.parse().expect("a range")).collect();
    for (sent, want) in [
        ("1.1.1.1, 2.2.2.2, 10.1.1.1", "2.2.2.2"),
        ("2.2.2.2:8080", "2.2.2.2"),
        ("[2001:db8::1]:80, fd00::1", "2001:db8::1"),
        ("::ffff:2.2.2.2", "2.2.2.2"),
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("2.2.2.2, unknown, 10.1.1.1", "10.0.0.9"),
        ("", "10.0.0.9"),
    ] {
        let head = head("/", &[("x-forwarded-for", sent)]);
        assert_eq!(address(&ClientAddress::TrustedRanges(trusted.clone()), &head), Ok(ip(want)), "{sent}");
    }
    let mut stranger = head("/", &[("x-forwarded-for", "2.2.2.2")]);
    stranger.peer = ([9, 9, 9, 9], 1).into();
    assert_eq!(address(&ClientAddress::TrustedRanges(trusted), &stranger), Ok(ip("9.9.9.9")));
}

#[test]
fn nobody_is_believed_without_being_asked() {
    let head = head("/", &[("x-forwarded-for", "1.1.1.1")]);
    assert_eq!(address(&ClientAddress::Peer, &head), Ok(ip("10.0.0.9")));
}

#[test]
fn a_header_names_the_client_or_the_request_is_refused() {
    let name = HeaderName::from_static("x-real-ip");
    let rule = |required| ClientAddress::Header { name: name.clone(), required };
    let good = head("/", &[("x-real-ip", " 1.1.1.1 ")]);
    assert_eq!(address(&rule(true), &good), Ok(ip("1.1.1.1")));
    for sent in [&[][..], &[("x-real-ip", "me")], &[("x-real-ip", "1.1.1.1"), ("x-real-ip", "2.2.2.2")]] {
        let head = head("/", sent);
        assert_eq!(address(&rule(true), &head), Err(HeadFault::NoAddress(name.clone())));
        assert_eq!(address(&rule(false), &head), Ok(ip("10.0.0.9")));
    }
    assert_eq!(HeadFault::NoAddress(name).status(), StatusCode::FORBIDDEN);
}

#[test]
fn without_a_policy_a_head_stays_as_it_came() {
    let mut old = head("/a%2Fb", &[("x_y", "1"), ("host", "a.example.")]);
    old.version = Version::HTTP_10;
    assert_eq!(apply(&ClientSettings::default(), &mut old), None);
    assert_eq!(old.uri, "/a%2Fb");
    assert_eq!(old.headers["host"], "a.example.");
    assert!(old.headers.contains_key("x_y"));
}

#[test]
fn a_policy_of_envoy_gateway_is_stricter() {
    let strict = ClientSettings::envoy_gateway();
    let mut old = head("/", &[]);
    old.version = Version::HTTP_10;
    for (mut head, want) in [
        (head("/", &[("x_y", "1")]), Some(HeadFault::Underscore)),
        (head("/a%2Fb?c", &[]), Some(HeadFault::PlainSlashes("/a/b?c".to_owned()))),
        (head("/a%2Fb", &[("content-type", "application/grpc")]), Some(HeadFault::EscapedSlash)),
        (old, Some(HeadFault::Http10)),
        (head("/a", &[("x-y", "1")]), None),
    ] {
        assert_eq!(apply(&strict, &mut head), want);
    }
    let redirect = HeadFault::PlainSlashes("/a/b?c".to_owned());
    let location = HeaderValue::from_static("/a/b?c");
    assert_eq!(redirect.header(), Some((header::LOCATION, location)));
}

#[test]
fn headers_with_underscores_can_be_dropped() {
    let drop = HeadRules { underscores: Underscores::Drop, ..HeadRules::default() };
    let mut sent = head("/", &[("x_y", "1"), ("x-y", "2")]);
    assert_eq!(apply(&rules(drop), &mut sent), None);
    assert!(!sent.headers.contains_key("x_y") && sent.headers.contains_key("x-y"));
}

#[test]
fn slashes_are_judged_before_dots() {
    let unescape = HeadRules { escaped_slashes: EscapedSlashes::Unescape, ..HeadRules::default() };
    let mut sent = head("/web/..%2F..%5cadmin", &[]);
    assert_eq!(apply(&rules(unescape), &mut sent), None);
    assert_eq!(sent.uri, "/admin");
}

#[test]
fn a_trailing_dot_is_no_part_of_a_host() {
    let strip = HeadRules { strip_trailing_dot: true, ..HeadRules::default() };
    for (host, want) in
        [("a.example.:80", "a.example:80"), ("a.example.", "a.example"), ("[::1]:80", "[::1]:80"), (".", ".")]
    {
        let mut sent = head("/", &[("host", host)]);
        assert_eq!(apply(&rules(strip.clone()), &mut sent), None);
        assert_eq!(sent.headers["host"], want);
    }
    let mut absolute = head("http://a.example.:80/b?c", &[]);
    assert_eq!(apply(&rules(strip), &mut absolute), None);
    assert_eq!(absolute.uri, "http://a.example:80/b?c");
}

#[test]
fn old_clients_can_be_given_a_host() {
    let named = HeaderValue::from_static("a.example");
    let old = HeadRules { http10: Http10::DefaultHost(named), ..HeadRules::default() };
    let mut sent = head("/", &[]);
    sent.version = Version::HTTP_10;
    assert_eq!(apply(&rules(old), &mut sent), None);
    assert_eq!(sent.headers["host"], "a.example");
}

#[test]
fn early_changes_cannot_forge_an_address() {
    let edit = HeaderEdit {
        set: vec![(headers::FORWARDED_FOR, HeaderValue::from_static("1.1.1.1"))],
        ..HeaderEdit::default()
    };
    let early = ClientHeaderEdit { edit, ..ClientHeaderEdit::default() };
    let settings = ClientSettings {
        address: ClientAddress::TrustedHops(1),
        ..rules(HeadRules { early, ..HeadRules::default() })
    };
    let mut sent = head("/", &[("x-forwarded-for", "2.2.2.2")]);
    assert_eq!(address(&settings.address, &sent), Ok(ip("2.2.2.2")));
    assert_eq!(apply(&settings, &mut sent), None);
    assert_eq!(sent.headers["x-forwarded-for"], "1.1.1.1");
}
