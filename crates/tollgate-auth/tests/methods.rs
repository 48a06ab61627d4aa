//! API keys, passwords, authorization and CORS.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use regex::Regex;
use serde_json::json;
use support::*;
use tollgate_auth::{
    Access, Action, ApiKeys, Authorization, BadHtpasswd, Basic, ClaimToHeader, Cors, Denial, Expression,
    HeaderRule, Identity, JwtRule, Operation, OriginRule, PathRule, PathShape, Place, Principal, Provider,
    RequiredClaim, Root, Rule,
};
use tollgate_types::{Cidr, Secret};

fn name(text: &str) -> HeaderName {
    text.parse().unwrap()
}

fn header(text: &str) -> Place {
    Place::Header { name: name(text), prefix: "".into() }
}

fn with_keys(places: Vec<Place>) -> ApiKeys {
    let clients = [("alice", "key-a"), ("bob", "key-b"), ("alice", "key-c"), ("nobody", "")];
    ApiKeys::new(clients.map(|(id, key)| (Arc::from(id), Secret::new(key))), places).unwrap()
}

#[test]
fn a_key_is_found_in_the_first_place_that_has_one() {
    let places = vec![header("authorization"), Place::Param("key".into()), Place::Cookie("key".into())];
    let access = Access { api_keys: Some(with_keys(places)), ..access() };
    let client = |asked: Asked| asked.ask(&access).map(|identity| identity.client_id.unwrap().to_string());
    assert_eq!(client(Asked::get("/").with("authorization", "Bearer key-a")).unwrap(), "alice");
    assert_eq!(client(Asked::get("/").with("authorization", "key-a")).unwrap(), "alice");
    assert_eq!(client(Asked::get("/?key=key%2Db")).unwrap(), "bob");
    assert_eq!(client(Asked::get("/?key=").with("cookie", "key=key-b")).unwrap(), "bob");
    for wrong in [
        Asked::get("/"),
        Asked::get("/?key=key-a").with("authorization", "wrong"),
        Asked::get("/").with("authorization", "key-c"),
        Asked::get("/").with("authorization", "Bearer "),
        Asked::get("/").with("authorization", "KEY-A"),
    ] {
        let denial = wrong.ask(&access).unwrap_err();
        assert_eq!(denial, Denial::ApiKey);
        assert_eq!(denial.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(denial.to_string(), "Client authentication failed.");
    }
}

#[test]
fn a_key_that_two_clients_have_is_refused_without_repeating_it() {
    let clients = [("a", "same"), ("b", "same")].map(|(id, key)| (Arc::from(id), Secret::new(key)));
    let error = ApiKeys::new(clients, vec![]).unwrap_err();
    assert_eq!(error.to_string(), "clients a and b have the same API key");
}

#[test]
fn keys_stay_here_where_they_shall_and_the_client_id_is_ours_to_tell() {
    let places = vec![header("x-key"), Place::Param("key".into()), Place::Cookie("key".into())];
    let keys = with_keys(places).forwarded_as(name("x-client")).sanitized();
    let access = Access { api_keys: Some(keys), ..access() };
    let asked = Asked::get("/?a=1&key=key-a&k%65y=key-b&b=2")
        .with("x-key", "key-a")
        .with("x-client", "root")
        .with("cookie", "a=b; key=key-b; c=d")
        .with("cookie", "key=key-a");
    let identity = asked.ask(&access).unwrap();
    let headers = asked.forwarded(&identity);
    assert_eq!(headers["x-client"], "alice");
    assert!(!headers.contains_key("x-key"));
    let cookies: Vec<_> = headers.get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=b; c=d"]);
    assert!(identity.edits_query());
    assert_eq!(identity.query(asked.query.as_deref().unwrap()).as_deref(), Some("a=1&b=2"));
    assert_eq!(identity.query("key=key-a"), None);
}

#[test]
fn a_password_must_be_its_users() {
    let file =
        "# users\r\nalice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\r\n\r\nbob:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\n";
    let basic = Basic::from_htpasswd(&Secret::new(file)).unwrap().forwarded_as(name("x-user"));
    let access = Access { basic: Some(basic), ..access() };
    let ask = |text: &str| {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let value = format!("Basic {}", STANDARD.encode(text));
        let asked = Asked::get("/").with("authorization", &value).with("x-user", "root");
        asked.ask(&access).map(|identity| asked.forwarded(&identity)["x-user"].to_str().unwrap().to_owned())
    };
    assert_eq!(ask("alice:password").as_deref(), Ok("alice"));
    assert_eq!(ask("bob:admin").as_deref(), Ok("bob"));
    for wrong in ["alice:admin", "alice:", "alice", "carol:password", ":", "", "alice:password:"] {
        assert_eq!(ask(wrong), Err(Denial::Password), "{wrong}");
    }
    let none = Asked::get("/").with("authorization", "Bearer x");
    let denial = none.ask(&access).unwrap_err();
    assert_eq!(denial, Denial::PasswordMissing);
    assert_eq!(denial.www_authenticate(&none.caller()).unwrap(), "Basic realm=\"https://gw.example/\"");
    let garbage = Asked::get("/").with("authorization", "basic !!!");
    assert_eq!(garbage.ask(&access).unwrap_err(), Denial::Password);
}

#[test]
fn an_htpasswd_file_that_cannot_be_used_says_which_line() {
    let hash = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";
    for (file, wanted) in [
        (String::new(), BadHtpasswd::Empty),
        ("a:$apr1$x$y".to_owned(), BadHtpasswd::NotSha(1)),
        (format!("a:{hash}\nb:{{SHA}}short"), BadHtpasswd::NotSha(2)),
        (format!(":{hash}"), BadHtpasswd::NotSha(1)),
        (format!("a:{hash}\n\na:{hash}"), BadHtpasswd::Repeated(3)),
    ] {
        assert_eq!(Basic::from_htpasswd(&Secret::new(file)).unwrap_err(), wanted);
    }
    assert_eq!(Basic::from_htpasswd(&Secret::new([0xff])).unwrap_err(), BadHtpasswd::NotText);
}

#[test]
fn all_methods_must_pass() {
    let signer = Signer::new("ES256", "k");
    let access = Access {
        api_keys: Some(with_keys(vec![header("x-key")])),
        ..by_token(vec![provider(local(&[&signer]))])
    };
    let token = signer.sign(&good());
    assert!(Asked::bearer(&token).with("x-key", "key-a").ask(&access).is_ok());
    assert_eq!(Asked::bearer(&token).ask(&access).unwrap_err(), Denial::ApiKey);
    assert!(matches!(Asked::get("/").with("x-key", "key-a").ask(&access), Err(Denial::Token(_))));
}

fn rule(action: Action, principal: Principal, operation: Operation) -> Rule {
    Rule { name: "rule".into(), action, principal, operation, condition: None }
}

fn only(principal: Principal, operation: Operation) -> Access {
    let rules = vec![rule(Action::Allow, principal, operation)];
    Access { authorization: Some(Authorization { rules, default: Action::Deny }), ..access() }
}

fn may(access: &Access, asked: &Asked) -> bool {
    access.authorize(&asked.caller(), &Identity::default()).is_ok()
}

#[test]
fn without_a_rule_that_matches_the_default_decides_and_the_first_match_wins() {
    for default in [Action::Allow, Action::Deny] {
        let access = Access { authorization: Some(Authorization { rules: vec![], default }), ..access() };
        assert_eq!(may(&access, &Asked::get("/")), default == Action::Allow);
    }
    assert!(may(&access(), &Asked::get("/")));
    let get = || Operation { methods: vec![Method::GET], ..Operation::default() };
    let rules = vec![
        rule(Action::Deny, Principal::default(), get()),
        rule(Action::Allow, Principal::default(), Operation::default()),
    ];
    let access = Access { authorization: Some(Authorization { rules, default: Action::Deny }), ..access() };
    let post = Asked { method: Method::POST, ..Asked::get("/") };
    assert!(may(&access, &post));
    let get = Asked::get("/");
    let denial = access.authorize(&get.caller(), &Identity::default()).unwrap_err();
    assert_eq!(denial, Denial::Forbidden(Some("rule".into())));
    assert_eq!(
        (denial.status(), denial.to_string().as_str()),
        (StatusCode::FORBIDDEN, "RBAC: access denied")
    );
    assert_eq!(denial.www_authenticate(&get.caller()), None);
}

#[test]
fn addresses_are_compared_by_range() {
    for (range, address, inside) in [
        ("10.0.0.0/8", "10.255.1.2", true),
        ("10.0.0.0/8", "11.0.0.0", false),
        ("10.0.0.0/8", "::ffff:10.1.2.3", true),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7/32", "192.0.2.6", false),
        ("2001:db8::/33", "2001:db8:7fff::1", true),
        ("2001:db8::/33", "2001:db8:8000::1", false),
        ("::/0", "2001:db8::1", true),
    ] {
        let clients = vec![range.parse::<Cidr>().unwrap()];
        let access = only(Principal { clients, ..Principal::default() }, Operation::default());
        let asked = Asked { ip: address.parse().unwrap(), ..Asked::get("/") };
        assert_eq!(may(&access, &asked), inside, "{range} {address}");
    }
    for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "host"] {
        assert!(bad.parse::<Cidr>().is_err(), "{bad}");
    }
}

#[test]
fn paths_are_compared_whole_by_elements_or_by_pattern() {
    let exact = || PathShape::Exact("/v1".into());
    let prefix = || PathShape::Prefix("/v1".into());
    let regex = || PathShape::Regex(Regex::new("^(?:/v[0-9])$").unwrap());
    for (shape, path, covered) in [
        (exact(), "/v1", true),
        (exact(), "/v1/", false),
        (prefix(), "/v1", true),
        (prefix(), "/v1/chat", true),
        (prefix(), "/v10", false),
        (regex(), "/v7", true),
        (regex(), "/v77", false),
    ] {
        for invert in [false, true] {
            let path_rule = PathRule { shape: shape.clone(), invert };
            let operation = Operation { path: Some(path_rule), ..Operation::default() };
            let access = only(Principal::default(), operation);
            assert_eq!(may(&access, &Asked::get(path)), covered != invert, "{shape:?} {path} {invert}");
        }
    }
}

#[test]
fn headers_are_seen_as_backends_see_them() {
    let signer = Signer::new("ES256", "k");
    let told = Provider {
        claims_to_headers: vec![ClaimToHeader { header: name("x-tenant"), claim: "tenant".into() }],
        ..provider(local(&[&signer]))
    };
    let headers = vec![HeaderRule { name: name("x-tenant"), values: vec!["a".into(), "b".into()] }];
    let access = Access {
        jwt: by_token(vec![told]).jwt,
        ..only(Principal { headers, ..Principal::default() }, Operation::default())
    };
    for (tenant, forged, passes) in
        [(json!("a"), None, true), (json!("c"), Some("a"), false), (json!(null), Some("a"), false)]
    {
        let mut claims = good();
        claims["tenant"] = tenant;
        let mut asked = Asked::bearer(&signer.sign(&claims));
        if let Some(forged) = forged {
            asked = asked.with("x-tenant", forged);
        }
        let identity = asked.ask(&access).unwrap();
        assert_eq!(access.authorize(&asked.caller(), &identity).is_ok(), passes);
    }
    assert!(may(&access, &Asked::get("/").with("x-tenant", "z").with("x-tenant", "b")));
}

#[test]
fn tokens_must_have_all_claims_and_scopes_that_are_asked_for() {
    let signer = Signer::new("ES256", "k");
    let rule = JwtRule {
        provider: "issuer".into(),
        claims: vec![
            RequiredClaim::Text { name: "org.name".into(), values: vec!["x".into(), "y".into()] },
            RequiredClaim::List { name: "roles".into(), values: vec!["admin".into(), "dev".into()] },
        ],
        scopes: vec!["read".into(), "chat".into()],
    };
    let access = Access {
        jwt: by_token(vec![provider(local(&[&signer]))]).jwt,
        ..only(Principal { jwt: Some(rule), ..Principal::default() }, Operation::default())
    };
    let org = json!({"name": "y"});
    for (extra, passes) in [
        (json!({"org": org, "roles": ["dev"], "scope": "chat read"}), true),
        (json!({"org": org, "roles": ["dev"], "scp": ["read", "chat"]}), true),
        (json!({"org": org, "roles": ["dev"], "scope": "chat reader"}), false),
        (json!({"org": org, "roles": ["dev"]}), false),
        (json!({"org": org, "roles": "dev", "scope": "chat read"}), false),
        (json!({"org": {"name": ["y"]}, "roles": ["dev"], "scope": "chat read"}), false),
        (json!({"org.name": "x", "roles": ["dev"], "scope": "chat read"}), true),
        (json!({"org": "y", "roles": ["dev"], "scope": "chat read"}), false),
    ] {
        let mut claims = good();
        for (name, value) in extra.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let asked = Asked::bearer(&signer.sign(&claims));
        let identity = asked.ask(&access).unwrap();
        assert_eq!(access.authorize(&asked.caller(), &identity).is_ok(), passes, "{extra}");
    }
    assert!(!may(&access, &Asked::get("/")), "nobody has no claims");
}

fn cors() -> Cors {
    Cors {
        origins: vec![
            OriginRule::Exact("https://app.example".into()),
            OriginRule::Pattern(Regex::new(r"^https://.*\.app\.example$").unwrap()),
        ],
        methods: Some(HeaderValue::from_static("GET, POST")),
        headers: Some(HeaderValue::from_static("*")),
        expose: Some(HeaderValue::from_static("x-request-id")),
        max_age: Some(Duration::from_secs(600)),
        credentials: true,
    }
}

fn preflight(origin: &str) -> Option<HeaderMap> {
    let asked = Asked::get("/")
        .with("origin", origin)
        .with("access-control-request-method", "POST")
        .with("access-control-request-headers", "x-a, authorization");
    cors().preflight(&Method::OPTIONS, &asked.headers)
}

#[test]
fn a_preflight_is_answered_for_those_who_may_call_and_not_forwarded_for_others() {
    for origin in ["https://app.example", "https://eu.app.example"] {
        let reply = preflight(origin).unwrap();
        assert_eq!(reply["access-control-allow-origin"], origin);
        assert_eq!(reply["access-control-allow-methods"], "GET, POST");
        assert_eq!(reply["access-control-allow-headers"], "x-a, authorization", "a star means nothing here");
        assert_eq!(reply["access-control-allow-credentials"], "true");
        assert_eq!(reply["access-control-max-age"], "600");
    }
    for origin in ["https://evil.example", "http://app.example", "https://app.example.evil", "null"] {
        assert!(preflight(origin).unwrap().is_empty(), "{origin}");
    }
    let plain = Asked::get("/").with("origin", "https://app.example");
    assert!(cors().preflight(&Method::OPTIONS, &plain.headers).is_none());
    assert!(cors().preflight(&Method::GET, &plain.headers).is_none());
}

#[test]
fn a_reply_tells_its_browser_what_we_say_and_not_what_the_backend_says() {
    let backend = || {
        let mut reply = HeaderMap::new();
        reply.insert("access-control-allow-origin", HeaderValue::from_static("*"));
        reply.insert("vary", HeaderValue::from_static("accept"));
        reply
    };
    let mut reply = backend();
    cors().decorate(Some(&HeaderValue::from_static("https://app.example")), &mut reply);
    assert_eq!(reply["access-control-allow-origin"], "https://app.example");
    assert_eq!(reply["access-control-expose-headers"], "x-request-id");
    assert_eq!(reply.get_all("vary").iter().collect::<Vec<_>>(), ["accept", "origin"]);
    let mut reply = backend();
    cors().decorate(Some(&HeaderValue::from_static("https://evil.example")), &mut reply);
    assert!(!reply.contains_key("access-control-allow-origin"));
    let mut reply = backend();
    cors().decorate(None, &mut reply);
    assert_eq!(reply, backend());
}

fn judged(action: Action, default: Action, source: &str) -> Access {
    let condition = Some(Arc::new(Expression::condition(source, &Root::OF_CALLERS).unwrap()));
    let rules = vec![Rule { condition, ..rule(action, Principal::default(), Operation::default()) }];
    Access { authorization: Some(Authorization { rules, default }), ..access() }
}

#[test]
fn an_expression_judges_by_what_the_request_shows() {
    let allowed = |source: &str, asked: &Asked| may(&judged(Action::Allow, Action::Deny, source), asked);
    let asked = Asked::get("/v1/models?key=1").with("x-team", "a").with("x-team", "b");
    for source in [
        "request.method == 'GET' && request.url_path == '/v1/models'",
        "request.path == '/v1/models?key=1' && request.query.startsWith('key=')",
        "request.headers['x-team'] == 'a,b'",
        "request.host == 'gw.example' && request.scheme == 'https' && request.protocol == 'HTTP/2'",
        "request.time == timestamp('2027-01-15T08:00:00Z')",
        "source.port == 5000 && destination.port == 443",
        "!connection.mtls && connection.requested_server_name == 'gw.example'",
        "!has(connection.subject_peer_certificate)",
    ] {
        assert!(allowed(source, &asked), "{source}");
    }
    assert!(!allowed("'x-other' in request.headers", &asked));
}

#[test]
fn an_expression_sees_what_was_verified_and_not_what_the_client_says() {
    let signer = Signer::new("ES256", "k");
    let told = Provider {
        claims_to_headers: vec![ClaimToHeader { header: name("x-tenant"), claim: "tenant".into() }],
        ..provider(local(&[&signer]))
    };
    let source = "request.headers['x-tenant'] == 'a' && \
        metadata.filter_metadata['envoy.filters.http.jwt_authn']['issuer'].level >= 3";
    let access = Access { jwt: by_token(vec![told]).jwt, ..judged(Action::Allow, Action::Deny, source) };
    for (level, tenant, passes) in [(3, "a", true), (2, "a", false), (3, "b", false)] {
        let mut claims = good();
        (claims["tenant"], claims["level"]) = (json!(tenant), json!(level));
        let asked = Asked::bearer(&signer.sign(&claims)).with("x-tenant", "a");
        let identity = asked.ask(&access).unwrap();
        assert_eq!(access.authorize(&asked.caller(), &identity).is_ok(), passes, "{level} {tenant}");
    }
}

#[test]
fn an_expression_that_fails_lets_nobody_in() {
    let source = "request.headers['x-level'] == 'low'";
    let asked = Asked::get("/");
    assert!(!may(&judged(Action::Allow, Action::Deny, source), &asked));
    assert!(!may(&judged(Action::Deny, Action::Allow, source), &asked));
    let other = asked.with("x-level", "high");
    assert!(may(&judged(Action::Deny, Action::Allow, source), &other));
}
