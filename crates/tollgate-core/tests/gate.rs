//! Who is let in, asked stage by stage: several policies, questions, listings, limits.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::{cell::RefCell, net::Ipv4Addr, ops::DerefMut, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use tollgate_auth::{
    Access, ApiKeys, Authorization, Brings as _, Cors, Expression, ExtAuth, ExtAuthId, ExtAuthProtocol,
    HeaderChange, HeaderRule, HttpPath, KeyRing, KeySet, KeySourceId, OnFailure, Operation, OriginRule,
    Place, Principal, Root, TokenCache, Vetted,
};
use tollgate_core::{
    Admission, Admitted, Answer, ExtAuthVerdict, Live, Now, Ports, Question, Refusal, Refused, RequestHead,
    Reserved, Routed, Step, receive,
};
use tollgate_limit::{
    Basis, Claim, Cost, Decision, Embedded, Estimator, Fact, Limit, LimitRule, LimitRuleSpec, Namespace,
    Scope, Settlement, Store, TryReserve, Unit, UnixMillis,
};
use tollgate_llm::BodyMutation;
use tollgate_snapshot::{
    Action, Address, AddressHost, Backend, Choice, Entry, GlobalLimit, Guard, HeaderEdit, HostPattern,
    HostTable, Limits, Listener, LlmAction, Matcher, ModelEntry, ModelMatch, PathMatch, Port, PortProtocol,
    Problem, Retry, Rule, Service, Snapshot, Table, Timeouts, Upstream, UpstreamProtocol,
};
use tollgate_types::{ApiSchema, ModelId, ObjectRef, Secret};

/// Nothing is fetched; counters are real.
struct Host {
    tokens: RefCell<TokenCache>,
    limits: Counters,
}

/// Real ones, that may have to be asked for as if they were elsewhere.
#[derive(Default)]
struct Counters {
    store: Embedded,
    elsewhere: bool,
}

impl Store for Counters {
    fn try_reserve(&self, claims: &[Claim], now: UnixMillis) -> TryReserve {
        if self.elsewhere { TryReserve::Ask } else { self.store.try_reserve(claims, now) }
    }

    fn reserve(&self, claims: &[Claim], now: UnixMillis) -> impl Future<Output = Decision> + Send {
        self.store.reserve(claims, now)
    }

    fn look(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        self.store.look(claims, now)
    }

    fn is_sure(&self, _: &[Claim], _: UnixMillis) -> bool {
        !self.elsewhere
    }

    fn hold(&self, claims: &[Claim], now: UnixMillis) -> Decision {
        self.store.hold(claims, now)
    }

    fn settle(&self, settlements: &[Settlement], now: UnixMillis) {
        self.store.settle(settlements, now);
    }
}

struct NoKeys;

impl KeyRing for NoKeys {
    fn keys(&self, _: &KeySourceId) -> Option<Arc<KeySet>> {
        None
    }
}

impl Ports for Host {
    type Keys = NoKeys;
    type Limits = Counters;

    fn keys(&self) -> &NoKeys {
        &NoKeys
    }

    fn tokens(&self) -> impl DerefMut<Target = TokenCache> {
        self.tokens.borrow_mut()
    }

    fn limits(&self) -> &Counters {
        &self.limits
    }
}

fn host() -> Host {
    Host { tokens: RefCell::new(TokenCache::new(16, 65_536)), limits: Counters::default() }
}

fn now() -> Now {
    Now { instant: Instant::now(), unix_ms: 1_800_000_000_000 }
}

fn access(name: &str) -> Access {
    Access::new(ObjectRef::new("SecurityPolicy", "default", name))
}

/// Lets in whoever shows this key, as the client of the same name, and tells backends so.
fn keyed(key: &str) -> Guard {
    let place = Place::Header { name: "x-api-key".parse().unwrap(), prefix: "".into() };
    let keys = ApiKeys::new([(Arc::from(key), Secret::new(key))], vec![place]).unwrap();
    let keys = keys.forwarded_as("x-client".parse().unwrap());
    Guard::Access(Arc::new(Access { api_keys: Some(keys), ..access(key) }))
}

fn rule(index: u32, guard: Guard) -> Rule {
    let backend = Arc::new(Backend {
        index: 0,
        id: "default/openai".into(),
        target: Some(tollgate_llm::Target {
            schema: ApiSchema::OpenAi,
            prefix: "v1".to_owned(),
            version: None,
        }),
        credential: None,
        proxy: None,
        upstream: Upstream {
            addresses: vec![Address {
                host: AddressHost::Ip(Ipv4Addr::LOCALHOST.into()),
                port: 1,
                hostname: None,
                zone: None,
            }],
            tls: None,
            protocol: UpstreamProtocol::Auto,
        },
        traffic: Arc::default(),
    });
    let choice = Choice {
        backend: Ok(backend),
        weight: 1,
        priority: 0,
        model_override: None,
        headers: HeaderEdit::default(),
        body: BodyMutation::default(),
        quota: None,
        filters: Vec::new(),
    };
    Rule {
        index,
        id: format!("default/route/{index}").as_str().into(),
        route: "default/route".into(),
        source: ObjectRef::new("AIGatewayRoute", "default", "route"),
        service: Service::Llm,
        guard,
        limits: None,
        policies: Vec::new(),
        filters: Vec::new(),
        action: Action::Llm(LlmAction { choices: vec![choice], costs: Arc::new([]) }),
        timeouts: Timeouts::LLM,
        retry: Retry::llm(),
        traffic: Arc::default(),
    }
}

/// A rule for each model, and what holds where none of them does.
fn live(rules: Vec<(&str, Rule)>, otherwise: Guard) -> Arc<Live> {
    let mut entries = Vec::new();
    let mut models = Vec::new();
    let mut all = Vec::new();
    for (model, rule) in rules {
        let rule = Arc::new(rule);
        let id = ModelId::from(model);
        let guard = rule.guard.clone();
        models.push(ModelEntry { id: id.clone(), owned_by: "tests".into(), created: 1, guard });
        let matcher = Matcher {
            path: PathMatch::Prefix("".into()),
            method: None,
            headers: Vec::new(),
            query: Vec::new(),
            model: Some(ModelMatch::Exact(id)),
        };
        entries.push(Entry { matcher, rule: Arc::clone(&rule) });
        all.push(rule);
    }
    let listener = Listener {
        id: "default/gateway/http".into(),
        hostname: HostPattern::Any,
        tls: None,
        guard: otherwise,
        access_log: None,
        client: Arc::default(),
        hosts: HostTable::new([(HostPattern::Any, Table::new(entries, models))]),
    };
    let port = Port {
        number: 80,
        protocol: PortProtocol::Http,
        client: Arc::default(),
        listeners: vec![Arc::new(listener)],
    };
    Arc::new(Live::new(Snapshot { ports: vec![port], rules: all, ..Snapshot::default() }, None))
}

fn head(method: Method, path: &'static str, headers: &[(&'static str, &'static str)]) -> RequestHead {
    let mut map = HeaderMap::new();
    map.insert("host", HeaderValue::from_static("gateway.example"));
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_static(value));
    }
    RequestHead {
        method,
        uri: path.parse().unwrap(),
        version: Version::HTTP_11,
        headers: map,
        port: 80,
        server_name: None,
        secure: false,
        certificate: None,
        peer: ([192, 0, 2, 1], 5000).into(),
    }
}

fn admit(live: &Arc<Live>, host: &Host, head: RequestHead) -> Result<Admission, Refused> {
    receive(Arc::clone(live), head, now(), [1, 2, 3, 4]).unwrap().admit(host, now())
}

fn admitted(live: &Arc<Live>, host: &Host, head: RequestHead) -> Admitted {
    match admit(live, host, head) {
        Ok(Admission::Admitted(admitted)) => admitted,
        other => panic!("not admitted: {other:?}"),
    }
}

fn chat(key: &'static str) -> RequestHead {
    head(Method::POST, "/v1/chat/completions", &[("x-api-key", key)])
}

fn routed(admitted: Admitted, model: &str) -> Routed {
    let Ok(Step::Body(awaiting)) = admitted.route() else { panic!("no body is wanted") };
    let body =
        format!(r#"{{"model":"{model}","max_tokens":10,"messages":[{{"role":"user","content":"Hi"}}]}}"#);
    awaiting.body(Bytes::from(body)).unwrap()
}

fn status(refused: Refused) -> StatusCode {
    let (reply, settled) = refused.settle(Instant::now());
    assert_eq!(settled.record.status, Some(reply.status));
    reply.status
}

#[test]
fn a_stranger_is_turned_away_before_the_body_is_read() {
    let live = live(vec![("m", rule(0, keyed("a")))], Guard::Open);
    let Err(refused) = admit(&live, &host(), chat("wrong")) else { panic!("a stranger got in") };
    let reply = refused.reply();
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert!(reply.headers.contains_key("www-authenticate"));
    assert!(!String::from_utf8_lossy(&reply.body).contains("wrong"));
}

#[test]
fn a_refusal_names_the_request_where_the_clients_sdk_looks() {
    let live = live(vec![("m", rule(0, keyed("a")))], Guard::Open);
    let refused = |path| {
        let head = head(Method::POST, path, &[("x-api-key", "wrong"), ("x-request-id", "r-1")]);
        let Err(refused) = admit(&live, &host(), head) else { panic!("a stranger got in") };
        refused.settle(Instant::now()).0.headers
    };
    let openai = refused("/v1/chat/completions");
    assert_eq!(openai["x-request-id"], "r-1");
    assert!(!openai.contains_key("request-id"));
    let anthropic = refused("/anthropic/v1/messages");
    assert_eq!(
        (&anthropic["request-id"], &anthropic["x-request-id"]),
        (&"r-1".parse().unwrap(), &"r-1".parse().unwrap())
    );
    let made_up = admit(&live, &host(), chat("wrong")).unwrap_err().settle(Instant::now());
    assert_eq!(made_up.0.headers["x-request-id"], made_up.1.record.request_id.as_str());
}

#[test]
fn what_no_route_takes_is_guarded_by_the_listeners_own_policy() {
    let live = live(vec![("m", rule(0, Guard::Open))], keyed("a"));
    let nowhere = |key| head(Method::GET, "/nowhere", &[("x-api-key", key)]);
    let Err(refused) = admit(&live, &host(), nowhere("b")) else { panic!("a stranger got in") };
    assert_eq!(status(refused), StatusCode::UNAUTHORIZED);
    let Err(refused) = admitted(&live, &host(), nowhere("a")).route() else { panic!("it was routed") };
    assert_eq!(status(refused), StatusCode::NOT_FOUND);
}

#[test]
fn a_key_for_one_model_does_not_open_another_ones() {
    let live = live(vec![("a", rule(0, keyed("a"))), ("b", rule(1, keyed("b")))], Guard::Open);
    let host = host();
    let own = routed(admitted(&live, &host, chat("a")), "a").reserve(&host, now()).unwrap();
    assert!(matches!(own, Reserved::Forward(_)));
    let Err(refused) = routed(admitted(&live, &host, chat("a")), "b").reserve(&host, now()) else {
        panic!("the key of one opened the other")
    };
    assert_eq!(status(refused), StatusCode::UNAUTHORIZED);
    let Err(refused) = admit(&live, &host, chat("c")) else { panic!("a stranger got in") };
    assert_eq!(status(refused), StatusCode::UNAUTHORIZED);
}

#[test]
fn backends_are_told_who_calls_and_not_what_the_client_says_of_itself() {
    let live = live(
        vec![("a", rule(0, keyed("a"))), ("b", rule(1, keyed("b"))), ("c", rule(2, Guard::Open))],
        Guard::Open,
    );
    let host = host();
    let spoofed = || head(Method::POST, "/v1/chat/completions", &[("x-api-key", "a"), ("x-client", "b")]);
    let Ok(Reserved::Forward(plan)) = routed(admitted(&live, &host, spoofed()), "a").reserve(&host, now())
    else {
        panic!("not let in")
    };
    assert_eq!(plan.record().head.headers["x-client"], "a");
    assert_eq!(plan.record().head.headers["x-ai-eg-model"], "a");
    // A route without a policy promises nothing, and gets nothing that another one's policy verified.
    let Ok(Reserved::Forward(plan)) = routed(admitted(&live, &host, chat("a")), "c").reserve(&host, now())
    else {
        panic!("not let in")
    };
    assert!(!plan.record().head.headers.contains_key("x-client"));
}

#[test]
fn models_are_listed_for_those_who_may_call_them() {
    let live = live(vec![("a", rule(0, keyed("a"))), ("b", rule(1, keyed("b")))], Guard::Open);
    let host = host();
    let list = |key| head(Method::GET, "/v1/models", &[("x-api-key", key)]);
    let Ok(Step::Answered(answered)) = admitted(&live, &host, list("a")).route() else {
        panic!("no listing")
    };
    let text = String::from_utf8_lossy(&answered.reply.body).into_owned();
    assert!(text.contains(r#""a""#) && !text.contains(r#""b""#), "{text}");
    let Err(refused) = admit(&live, &host, list("c")) else { panic!("a stranger saw the models") };
    assert_eq!(status(refused), StatusCode::UNAUTHORIZED);
}

#[test]
fn a_model_is_not_listed_for_what_another_models_policy_has_verified() {
    let headers = vec![HeaderRule { name: HeaderName::from_static("x-client"), values: vec!["a".into()] }];
    let rule_of_policy = tollgate_auth::Rule {
        name: "client a".into(),
        action: tollgate_auth::Action::Allow,
        principal: Principal { headers, ..Principal::default() },
        operation: Operation::default(),
        condition: None,
    };
    let authorization = Authorization { rules: vec![rule_of_policy], default: tollgate_auth::Action::Deny };
    let other = Access { authorization: Some(authorization), ..access("other") };
    let live =
        live(vec![("a", rule(0, keyed("a"))), ("b", rule(1, Guard::Access(Arc::new(other))))], Guard::Open);
    let host = host();
    let list = head(Method::GET, "/v1/models", &[("x-api-key", "a")]);
    let Ok(Step::Answered(answered)) = admitted(&live, &host, list).route() else { panic!("no listing") };
    let text = String::from_utf8_lossy(&answered.reply.body).into_owned();
    assert!(text.contains(r#""a""#) && !text.contains(r#""b""#), "{text}");
    let Err(refused) = routed(admitted(&live, &host, chat("a")), "b").reserve(&host, now()) else {
        panic!("the header of one policy opened the other")
    };
    assert_eq!(status(refused), StatusCode::FORBIDDEN);
}

#[test]
fn a_broken_policy_lets_nobody_in() {
    let problem = Problem {
        code: "secret-not-found",
        object: ObjectRef::new("SecurityPolicy", "default", "p"),
        field: "spec.apiKeyAuth".to_owned(),
        message: "Secret default/keys does not exist".to_owned(),
    };
    let live = live(vec![("m", rule(0, Guard::Broken(Arc::new(problem))))], Guard::Open);
    let Err(refused) = admit(&live, &host(), chat("a")) else { panic!("it was let in") };
    assert_eq!(refused.reply().status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(&refused.reply().body).contains("default/keys"));
}

#[test]
fn nobody_is_allowed_what_no_rule_allows() {
    let authorization = Authorization { rules: Vec::new(), default: tollgate_auth::Action::Deny };
    let guard = Guard::Access(Arc::new(Access { authorization: Some(authorization), ..access("deny") }));
    let live = live(vec![("m", rule(0, guard))], Guard::Open);
    let host = host();
    let Err(refused) = routed(admitted(&live, &host, chat("a")), "m").reserve(&host, now()) else {
        panic!("allowed")
    };
    assert_eq!(status(refused), StatusCode::FORBIDDEN);
}

#[test]
fn a_preflight_is_answered_without_credentials_and_refusals_can_be_read() {
    let cors = Cors { origins: vec![OriginRule::Exact("https://app.example".into())], ..Cors::default() };
    let Guard::Access(keyed) = keyed("a") else { panic!() };
    let guard = Guard::Access(Arc::new(Access { cors: Some(cors), ..Access::clone(&keyed) }));
    let live = live(vec![("m", rule(0, guard))], Guard::Open);
    let origin = ("origin", "https://app.example");
    let preflight =
        head(Method::OPTIONS, "/v1/chat/completions", &[origin, ("access-control-request-method", "POST")]);
    let Ok(Admission::Answered(answered)) = admit(&live, &host(), preflight) else { panic!("not answered") };
    assert_eq!(answered.reply.status, StatusCode::OK);
    assert_eq!(answered.reply.headers["access-control-allow-origin"], "https://app.example");
    let Err(refused) = admit(&live, &host(), head(Method::POST, "/v1/chat/completions", &[origin])) else {
        panic!()
    };
    let (reply, _) = refused.settle(Instant::now());
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.headers["access-control-allow-origin"], "https://app.example");
}

fn service(on_failure: OnFailure) -> ExtAuth {
    ExtAuth {
        id: ExtAuthId("http default/authz".into()),
        protocol: ExtAuthProtocol::Http { path: HttpPath::Prefix("".into()), to_backend: Vec::new() },
        headers: None,
        body: None,
        timeout: std::time::Duration::from_secs(10),
        on_failure,
        context: Vec::new(),
        recompute_route: false,
    }
}

fn vetted(on_failure: OnFailure) -> Arc<Live> {
    let guard = Guard::Access(Arc::new(Access { ext_auth: Some(service(on_failure)), ..access("ext") }));
    live(vec![("m", rule(0, guard))], Guard::Open)
}

/// What becomes of a request whose service says this; it is asked once.
fn told(live: &Arc<Live>, verdict: ExtAuthVerdict) -> Result<Admission, Refused> {
    let host = host();
    let Ok(Admission::Ask(asking)) = admit(live, &host, chat("a")) else { panic!("nobody was asked") };
    assert!(matches!(asking.question(), Question::ExtAuth(_)));
    asking.answer(Answer::ExtAuth(Box::new(verdict))).admit(&host, now())
}

#[test]
fn an_external_service_has_the_last_word() {
    let live = vetted(OnFailure::Refuse(StatusCode::SERVICE_UNAVAILABLE));
    let allowed = ExtAuthVerdict::Allowed(Vetted::default());
    assert!(matches!(told(&live, allowed), Ok(Admission::Admitted(_))));
    let denied = ExtAuthVerdict::Denied {
        status: StatusCode::PAYMENT_REQUIRED,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"pay first"),
        metadata: serde_json::Map::new(),
    };
    let Err(refused) = told(&live, denied) else { panic!("it was let in") };
    assert_eq!(
        (refused.reply().status, &refused.reply().body[..]),
        (StatusCode::PAYMENT_REQUIRED, &b"pay first"[..])
    );
    let Err(refused) = told(&live, ExtAuthVerdict::Failed) else { panic!("it was let in") };
    assert_eq!(status(refused), StatusCode::SERVICE_UNAVAILABLE);
    assert!(matches!(told(&vetted(OnFailure::Pass), ExtAuthVerdict::Failed), Ok(Admission::Admitted(_))));
}

fn vouching() -> ExtAuthVerdict {
    let change = |name: &'static str, value| {
        (HeaderName::from_static(name), HeaderChange::Append(HeaderValue::from_static(value)))
    };
    let metadata = serde_json::json!({"tenant": "a"});
    ExtAuthVerdict::Allowed(Vetted {
        request: vec![change("x-user", "jo")],
        reply: vec![change("set-cookie", "a=1"), change("set-cookie", "b=2")],
        metadata: metadata.as_object().unwrap().clone(),
    })
}

#[test]
fn what_a_service_adds_reaches_the_backend_and_the_client_and_rules_see_the_rest() {
    let source = "request.headers['x-user'] == 'jo' && \
        metadata.filter_metadata['envoy.filters.http.ext_authz'].tenant == 'a'";
    let condition = Expression::condition(source, &Root::OF_CALLERS).unwrap();
    let rule_of_policy = tollgate_auth::Rule {
        name: "tenant".into(),
        action: tollgate_auth::Action::Allow,
        principal: Principal::default(),
        operation: Operation::default(),
        condition: Some(Arc::new(condition)),
    };
    let authorization = Authorization { rules: vec![rule_of_policy], default: tollgate_auth::Action::Deny };
    let service = Access {
        ext_auth: Some(service(OnFailure::Pass)),
        authorization: Some(authorization),
        ..access("ext")
    };
    let live = live(vec![("m", rule(0, Guard::Access(Arc::new(service))))], Guard::Open);
    let Ok(Admission::Admitted(admitted)) = told(&live, vouching()) else { panic!("not let in") };
    let Ok(Reserved::Forward(plan)) = routed(admitted, "m").reserve(&host(), now()) else {
        panic!("not allowed")
    };
    let users: Vec<_> = plan.record().head.headers.get_all("x-user").iter().collect();
    assert_eq!(users, ["jo"], "it is appended once");
    let (reply, settled) = plan.refuse(Refusal::NoEndpoints).settle(Instant::now());
    assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(settled.record.vetted().unwrap()["tenant"], "a");
    // A credential may be taken from it.
    let brought = settled.record.metadata("envoy.filters.http.ext_authz", "tenant").unwrap();
    assert_eq!(*brought, "a");
    // A service that failed says nothing, and the rule that asks for it keeps the caller out.
    let Ok(Admission::Admitted(admitted)) = told(&live, ExtAuthVerdict::Failed) else { panic!("not let in") };
    let Err(refused) = routed(admitted, "m").reserve(&host(), now()) else { panic!("allowed") };
    assert_eq!(status(refused), StatusCode::FORBIDDEN);
}

#[test]
fn where_a_service_fails_open_the_client_cannot_speak_in_its_place() {
    let protocol = ExtAuthProtocol::Http {
        path: HttpPath::Prefix("".into()),
        to_backend: vec![HeaderName::from_static("x-api-key")],
    };
    let service = ExtAuth { protocol, ..service(OnFailure::Pass) };
    let guard = Guard::Access(Arc::new(Access { ext_auth: Some(service), ..access("ext") }));
    let live = live(vec![("m", rule(0, guard))], Guard::Open);
    let Ok(Admission::Admitted(admitted)) = told(&live, ExtAuthVerdict::Failed) else { panic!("not let in") };
    let Ok(Reserved::Forward(plan)) = routed(admitted, "m").reserve(&host(), now()) else {
        panic!("not let in")
    };
    assert!(!plan.record().head.headers.contains_key("x-api-key"));
}

#[test]
fn what_one_policys_service_adds_does_not_reach_the_backend_of_another() {
    let guard = Guard::Access(Arc::new(Access { ext_auth: Some(service(OnFailure::Pass)), ..access("ext") }));
    let live = live(vec![("a", rule(0, guard)), ("b", rule(1, Guard::Open))], Guard::Open);
    for (model, users) in [("a", 1), ("b", 0)] {
        let Ok(Admission::Admitted(admitted)) = told(&live, vouching()) else { panic!("not let in") };
        let Ok(Reserved::Forward(plan)) = routed(admitted, model).reserve(&host(), now()) else {
            panic!("not let in")
        };
        assert_eq!(plan.record().head.headers.get_all("x-user").iter().count(), users, "{model}");
    }
}

fn hourly(amount: u64, request_cost: Cost) -> LimitRule {
    LimitRule::new(LimitRuleSpec {
        id: "default/limits/0".into(),
        scope: Scope::Shared { policy: "default/limits".into(), index: 0 },
        number: 0,
        conditions: Vec::new(),
        limit: Limit { amount, unit: Unit::Hour },
        request_cost,
        response_cost: None::<Cost>,
        shadow: false,
        show_headers: true,
    })
}

/// Tokens per hour, charged with `total`; with as many requests as one likes.
fn limited(amount: u64) -> Arc<Live> {
    let limit = hourly(amount, Cost::Number(1));
    let global = vec![GlobalLimit { rule: limit, estimator: Some(Estimator::new(Basis::Learned)) }];
    let limits = Some(Arc::new(Limits { global, ..Limits::default() }));
    live(vec![("m", Rule { limits, ..rule(0, Guard::Open) })], Guard::Open)
}

#[test]
fn a_limit_that_is_reached_is_named_with_the_time_to_come_back() {
    let (live, host) = (limited(1), host());
    let first = routed(admitted(&live, &host, chat("a")), "m").reserve(&host, now()).unwrap();
    assert!(matches!(first, Reserved::Forward(_)));
    let Err(refused) = routed(admitted(&live, &host, chat("a")), "m").reserve(&host, now()) else {
        panic!("the limit was not kept")
    };
    let (reply, settled) = refused.settle(Instant::now());
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(String::from_utf8_lossy(&reply.body).contains("default/limits/0 of 1 per hour"));
    assert!(reply.headers.contains_key("retry-after"));
    assert_eq!(reply.headers["x-ratelimit-remaining"], "0");
    assert!(settled.settlements.is_empty(), "what was refused has taken nothing");
}

#[test]
fn what_a_service_says_of_a_caller_counts_in_limits() {
    let fact = |key: &str| Fact { namespace: Namespace::ExtAuth, key: key.into() };
    let limit = hourly(1000, Cost::Metadata(fact("price"))).limited_by(fact("plan:hourly"));
    let limits = Limits { global: vec![GlobalLimit { rule: limit, estimator: None }], ..Limits::default() };
    let guard = Guard::Access(Arc::new(Access { ext_auth: Some(service(OnFailure::Pass)), ..access("ext") }));
    let rule = Rule { limits: Some(Arc::new(limits)), ..rule(0, guard) };
    let (live, host) = (live(vec![("m", rule)], Guard::Open), host());
    let said = serde_json::json!({"price": 3, "plan": {"hourly": {"requests_per_unit": 5, "unit": "HOUR"}}});
    let reserve = || {
        let metadata = said.as_object().unwrap().clone();
        let verdict = ExtAuthVerdict::Allowed(Vetted { metadata, ..Vetted::default() });
        let Ok(Admission::Admitted(admitted)) = told(&live, verdict) else { panic!("not let in") };
        routed(admitted, "m").reserve(&host, now())
    };
    assert!(matches!(reserve(), Ok(Reserved::Forward(_))));
    let Err(refused) = reserve() else { panic!("6 of 5 were let through") };
    assert_eq!(status(refused), StatusCode::TOO_MANY_REQUESTS);
}

#[test]
fn whoever_leaves_gives_back_what_was_held() {
    let (live, host) = (limited(10), host());
    let Ok(Reserved::Forward(plan)) = routed(admitted(&live, &host, chat("a")), "m").reserve(&host, now())
    else {
        panic!("not let in")
    };
    let settled = plan.into_record().abandon(Instant::now());
    assert_eq!(settled.settlements.len(), 1);
}

#[test]
fn what_was_asked_for_is_given_back_whatever_was_learnt_meanwhile() {
    let limits = Counters { elsewhere: true, ..Counters::default() };
    let (live, host) = (limited(1000), Host { limits, ..host() });
    let Ok(Reserved::Ask(asking)) = routed(admitted(&live, &host, chat("a")), "m").reserve(&host, now())
    else {
        panic!("the counters are elsewhere")
    };
    let Question::Limits(claims) = asking.question() else { panic!("{asking:?}") };
    let (held, decision) = (claims[0].hold, host.limits.store.decide(claims, UnixMillis(now().unix_ms)));
    let limits = live.snapshot.rules[0].limits.as_ref().unwrap();
    limits.global[0].estimator.as_ref().unwrap().learn(999);
    let Ok(Reserved::Forward(plan)) = asking.answer(Answer::Limits(decision)).reserve(&host, now()) else {
        panic!("not let in")
    };
    let settled = plan.into_record().abandon(Instant::now());
    assert_eq!(settled.settlements.iter().map(|settlement| settlement.hold).collect::<Vec<_>>(), [held]);
}
