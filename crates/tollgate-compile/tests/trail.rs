//! The decision trail says what serving does: its winner is the table's.
#![expect(clippy::unwrap_used, reason = "a test may fail")]
use http::{HeaderMap, HeaderValue, Method};
use tollgate_compile::{Options, compile};
use tollgate_resources::{Source, load};
use tollgate_snapshot::{Outcome, Question, RequestView, Snapshot, Trail, Verdict, explain};
use tollgate_types::ModelId;

const PRECEDENCE: &str = include_str!("../golden/http/precedence/in.yaml");
const MODELS: &str = include_str!("../golden/llm/models-listing/in.yaml");
const HEADERS: &str = include_str!("../golden/llm/regex-and-headers/in.yaml");
const QUOTAS: &str = include_str!("../golden/policies/quotas/in.yaml");
const LIMITS: &str = include_str!("../golden/policies/limits/in.yaml");
const HOSTS: &str = include_str!("../golden/listeners/hostnames/in.yaml");

fn snapshot(text: &str) -> Snapshot {
    let loaded = load(&[Source { name: "in.yaml", text }], &|_| None);
    compile(&loaded.set, &Options::default()).snapshot
}

/// Method, path with query, host, `x-a` and `x-team`, model.
type Asked<'a> = (&'a str, &'a str, &'a str, &'a str, Option<&'a str>);

fn ask(snapshot: &Snapshot, asked: Asked<'_>) -> (Trail, Option<String>) {
    let (method, target, host, header, model) = asked;
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut headers = HeaderMap::new();
    if !header.is_empty() {
        headers.insert("x-a", HeaderValue::from_str(header).unwrap());
        headers.insert("x-team", HeaderValue::from_str(header).unwrap());
    }
    let method: Method = method.parse().unwrap();
    let endpoint = snapshot.settings.prefixes.endpoint(path);
    let request = RequestView { method: &method, path, query, headers: &headers, endpoint };
    let model = model.map(ModelId::from);
    let trail = explain(snapshot, &Question { port: 80, host, request, model: model.as_ref() });
    let listener = snapshot.port(80).and_then(|port| port.listener(host));
    let served = listener.and_then(|listener| {
        listener.hosts.tables(host).find_map(|table| table.find(&request, model.as_ref()))
    });
    (trail, served.map(|entry| entry.rule.id.to_string()))
}

#[test]
fn the_winner_is_the_one_that_serves() {
    let mut asked = 0;
    for text in [PRECEDENCE, MODELS, HEADERS, HOSTS] {
        let snapshot = snapshot(text);
        for target in
            ["/", "/api", "/api?q=1", "/api/v1/x", "/abc", "/v1/chat/completions", "/v1/embeddings?x"]
        {
            for host in
                ["localhost", "a.example", "b.example", "www.example.com", "x.a.example.com", "other.org"]
            {
                for header in ["", "1", "blue", "red"] {
                    for model in [None, Some("gpt-4o"), Some("claude-x"), Some("shared"), Some("wild")] {
                        let (trail, served) = ask(&snapshot, ("GET", target, host, header, model));
                        let won = match &trail.outcome {
                            Outcome::Rule(decision) => Some(decision.rule.clone()),
                            _ => None,
                        };
                        assert_eq!(won, served, "{trail}");
                        let wins = trail.candidates.iter().filter(|c| c.verdict == Verdict::Wins).count();
                        assert_eq!(wins, usize::from(served.is_some()), "{trail}");
                        asked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(asked, 4 * 7 * 6 * 4 * 5);
}

#[test]
fn everyone_who_lost_says_why() {
    let (trail, _) = ask(&snapshot(PRECEDENCE), ("POST", "/api", "localhost", "9", None));
    expect_test::expect![[r#"
        request   POST /api host=localhost port=80
        listener  default/edge/http
          > default/b/exact [*] path = /api
          - default/b/regex [*] path ~ /a.* (matches too, but comes later)
          x default/b/long-prefix [*] path /api/v1/* (path: /api/v1/ is not a prefix of /api)
          x default/b/prefix-method [*] path /api/*, method GET (method: want GET, got POST)
          x default/b/prefix-header [*] path /api/*, header x-a = 1 (header x-a: want = 1, got 9)
          - default/b/prefix-header-regex [*] path /api/*, header x-a ~ [0-9] (matches too, but comes later)
          x default/b/prefix-query [*] path /api/*, query q = 1 (query q: want = 1)
          - default/z-oldest/0 [*] path /api/* (matches too, but comes later)
          - default/a/0 [*] path /api/* (matches too, but comes later)
          - default/b/prefix [*] path /api/* (matches too, but comes later)
          - default/a/1 [*] path /* (matches too, but comes later)
        rule      default/b/exact of HTTPRoute default/b
        action    http
        backend   default/Service/web:80 priority 0, weight 1 (100 %)
                  POST http://web.default.svc.cluster.local:80/api
        timeouts  request 15s, attempt none
        retry     up to 2 attempts, on connection failure, pause 25ms or more
    "#]]
    .assert_eq(&trail.to_string());
}

#[test]
fn a_model_that_nobody_serves_is_named_beside_those_that_are() {
    let (trail, _) = ask(&snapshot(MODELS), ("POST", "/v1/chat/completions", "b.example", "", Some("gpt-5")));
    expect_test::expect![[r#"
        request   POST /v1/chat/completions host=b.example port=80 model=gpt-5
        endpoint  chat
        listener  default/edge/http
          x default/w/0 [*.example] path /*, model = wild (model: want = wild, got gpt-5)
          x default/all/0 [*] path /*, model = shared (model: want = shared, got gpt-5)
          x default/all/1 [*] path /*, model = everywhere (model: want = everywhere, got gpt-5)
        outcome   404: model gpt-5 is not configured; the models here are: wild, shared, everywhere
    "#]]
    .assert_eq(&trail.to_string());
}

#[test]
fn a_trail_is_data_too() {
    let (trail, _) = ask(&snapshot(MODELS), ("GET", "/v1/models", "a.example", "", None));
    let json = serde_json::to_value(&trail).unwrap();
    assert_eq!(json["outcome"]["outcome"], "models");
    assert_eq!(json["outcome"]["models"][0], "shared");
}

#[test]
fn limits_and_the_quotas_of_the_model_that_is_asked_for_are_told() {
    let told =
        |text, model| match ask(&snapshot(text), ("POST", "/v1/chat/completions", "localhost", "", model)) {
            (Trail { outcome: Outcome::Rule(decision), .. }, _) => decision,
            (trail, _) => panic!("{trail}"),
        };
    let quotas = told(QUOTAS, Some("gpt-4o"));
    let of = |at: usize| quotas.backends.get(at).unwrap().quotas.join("\n");
    assert_eq!(of(0).lines().count(), 4, "of its own model and of all: {}", of(0));
    assert!(of(0).contains("for header x-tenant (each value)"), "{}", of(0));
    assert_eq!(
        of(1),
        "quota default/second (all models of default/on-demand): 1000000 per day of quota_cost = total tokens"
    );
    let limits = told(LIMITS, Some("gpt-4o"));
    assert_eq!(limits.limits.first().unwrap(), "local default/limits/local/0: 50 per second");
    assert_eq!(limits.limits.len(), 7, "{limits}");
}
