use http::{HeaderName, Method};
use tollgate_snapshot::UrlRewrite;

use super::*;

const AUTHORIZATION: HeaderName = http::header::AUTHORIZATION;

fn outgoing(headers: &[(HeaderName, &'static str)]) -> Outgoing {
    Outgoing {
        method: Method::GET,
        path: "/a?b".to_owned(),
        host: Some(HeaderValue::from_static("shop.example")),
        headers: headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect(),
        body: AttemptBody::Client,
        upgrade: None,
    }
}

fn values(outgoing: &Outgoing, name: &HeaderName) -> Vec<String> {
    outgoing.headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_default_header_goes_only_where_the_client_sent_none() {
    let filter = Filter::DefaultHeader(AUTHORIZATION, HeaderValue::from_static("ours"));
    for (sent, want) in [(None, "ours"), (Some((AUTHORIZATION, "theirs")), "theirs")] {
        let mut outgoing = outgoing(sent.as_slice());
        apply(&filter, &mut outgoing);
        assert_eq!(values(&outgoing, &AUTHORIZATION), [want]);
    }
}

#[test]
fn a_new_host_leaves_the_old_one_in_x_forwarded_host_unless_it_is_told_not_to() {
    for (forwarded, want) in [
        (ForwardedHost::Append, &["edge.example", "shop.example"][..]),
        (ForwardedHost::Leave, &["edge.example"]),
    ] {
        let host = Some(HostRewrite::To(HeaderValue::from_static("inner.example")));
        let mut outgoing = outgoing(&[(headers::FORWARDED_HOST, "edge.example")]);
        apply(&Filter::Rewrite(UrlRewrite { host, path: None, forwarded }), &mut outgoing);
        assert_eq!(outgoing.host, Some(HeaderValue::from_static("inner.example")));
        assert_eq!(values(&outgoing, &headers::FORWARDED_HOST), want);
    }
}

#[test]
fn a_new_path_leaves_the_host_alone() {
    let path = Some(tollgate_snapshot::PathRewrite::Full("/new".into()));
    let mut outgoing = outgoing(&[]);
    apply(&Filter::Rewrite(UrlRewrite { host: None, path, forwarded: ForwardedHost::Append }), &mut outgoing);
    assert_eq!((outgoing.path.as_str(), outgoing.host.is_some()), ("/new?b", true));
    assert!(values(&outgoing, &headers::FORWARDED_HOST).is_empty());
}
