use std::{
    cell::{RefCell, RefMut},
    collections::BTreeMap,
    ops::DerefMut,
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};
use tollgate_auth::{KeyRing, KeySet, KeySourceId, TokenCache};
use tollgate_limit::{
    Cost as Charge, Embedded, Estimator, Limit, LimitRuleSpec, ModelQuota, QuotaMode, QuotaOf, Scope, Unit,
};
use tollgate_llm::{BodyMutation, Head, Output, Target};
use tollgate_snapshot::{
    Action, Address, AddressHost, Backend, Cost, CostKind, Entry, Guard, HeaderEdit, HostPattern, HostTable,
    Listener, LlmAction, Matcher, PathMatch, Port, PortProtocol, Retry, Rule, Service, Snapshot, Table,
    Timeouts, Upstream, UpstreamProtocol,
};
use tollgate_types::{ApiSchema, ObjectRef};

use super::*;
use crate::{Admission, Attempt, Failure, Live, RequestHead, Reserved, Routed, Settled, Step, receive};

/// A gateway with backends `a` and `b`, the second one for when the first is spent.
struct World {
    live: Arc<Live>,
    store: Embedded,
    tokens: RefCell<TokenCache>,
    now: Now,
}

struct NoKeys;

impl KeyRing for NoKeys {
    fn keys(&self, _: &KeySourceId) -> Option<Arc<KeySet>> {
        None
    }
}

impl Ports for World {
    type Keys = NoKeys;
    type Limits = Embedded;

    fn keys(&self) -> &NoKeys {
        &NoKeys
    }

    fn tokens(&self) -> impl DerefMut<Target = TokenCache> {
        RefMut::map(self.tokens.borrow_mut(), |tokens| tokens)
    }

    fn limits(&self) -> &Embedded {
        &self.store
    }
}

fn budget(backend: &str, model: &str, amount: u64) -> Budget {
    let of = QuotaOf { backend: backend.into(), model: model.into() };
    let rule = LimitRule::new(LimitRuleSpec {
        id: format!("quota of {backend} for {model}").into(),
        scope: Scope::QuotaWhole(of),
        number: 0,
        conditions: Vec::new(),
        limit: Limit { amount, unit: Unit::Hour },
        request_cost: Charge::Number(0),
        response_cost: None,
        shadow: false,
        show_headers: true,
    });
    Budget {
        cost: Cost { key: ModelQuota::COST_KEY.into(), kind: CostKind::Total },
        buckets: ModelQuota::new(Vec::new(), Some(Arc::new(rule)), QuotaMode::Shared),
        estimator: Estimator::new(tollgate_limit::Basis::Total),
    }
}

fn quota(backend: &str, model: Option<u64>, service: Option<u64>) -> Arc<Quota> {
    let models = model.map(|amount| (ModelId::from("m"), budget(backend, "m", amount)));
    let service = service.map(|amount| budget(backend, "*", amount));
    Arc::new(Quota { models: BTreeMap::from_iter(models), service })
}

fn backend(index: u32, id: &str) -> Arc<Backend> {
    let address =
        Address { host: AddressHost::Name("provider.test".into()), port: 443, hostname: None, zone: None };
    Arc::new(Backend {
        index,
        id: id.into(),
        target: Some(Target { schema: ApiSchema::OpenAi, prefix: "v1".to_owned(), version: None }),
        credential: None,
        proxy: None,
        upstream: Upstream { addresses: vec![address], tls: None, protocol: UpstreamProtocol::Auto },
        traffic: Arc::default(),
    })
}

fn rule(choices: Vec<Choice>) -> Arc<Rule> {
    Arc::new(Rule {
        index: 0,
        id: "ns/chat/0".into(),
        route: "ns/chat".into(),
        source: ObjectRef { kind: "AIGatewayRoute".into(), namespace: "ns".into(), name: "chat".into() },
        service: Service::Llm,
        guard: Guard::Open,
        limits: None,
        policies: Vec::new(),
        filters: Vec::new(),
        action: Action::Llm(LlmAction { choices, costs: Arc::new([]) }),
        timeouts: Timeouts::LLM,
        retry: Retry::llm(),
        traffic: Arc::default(),
    })
}

impl World {
    fn new(quotas: [Option<Arc<Quota>>; 2]) -> Self {
        let backends = vec![backend(0, "ns/a"), backend(1, "ns/b")];
        let choices = backends.iter().zip(quotas).zip(0..).map(|((backend, quota), priority)| Choice {
            backend: Ok(Arc::clone(backend)),
            weight: 1,
            priority,
            model_override: None,
            headers: HeaderEdit::default(),
            body: BodyMutation::default(),
            filters: Vec::new(),
            quota,
        });
        let rule = rule(choices.collect());
        let matcher = Matcher {
            path: PathMatch::Prefix("".into()),
            method: None,
            headers: Vec::new(),
            query: Vec::new(),
            model: None,
        };
        let table = Table::new(vec![Entry { matcher, rule: Arc::clone(&rule) }], Vec::new());
        let listener = Arc::new(Listener {
            id: "ns/gw/http".into(),
            hostname: HostPattern::Any,
            tls: None,
            guard: Guard::Open,
            client: Arc::default(),
            access_log: None,
            hosts: HostTable::new([(HostPattern::Any, table)]),
        });
        let listeners = vec![listener];
        let port = Port { number: 80, protocol: PortProtocol::Http, client: Arc::default(), listeners };
        let snapshot = Snapshot { ports: vec![port], backends, rules: vec![rule], ..Snapshot::default() };
        // 60 s before the hour is over.
        let now = Now { instant: Instant::now(), unix_ms: 1_755_734_400_000 - 60_000 };
        let tokens = RefCell::new(TokenCache::new(2, 64));
        Self { live: Arc::new(Live::new(snapshot, None)), store: Embedded::new(1000), tokens, now }
    }

    fn routed(&self) -> Routed {
        let head = RequestHead {
            method: Method::POST,
            uri: http::Uri::from_static("/v1/chat/completions"),
            version: Version::HTTP_11,
            headers: HeaderMap::from_iter([(http::header::HOST, http::HeaderValue::from_static("gw.test"))]),
            port: 80,
            server_name: None,
            secure: false,
            certificate: None,
            peer: ([192, 0, 2, 1], 5000).into(),
        };
        let received = receive(Arc::clone(&self.live), head, self.now, [1; 4]).expect("received");
        let Ok(Admission::Admitted(admitted)) = received.admit(self, self.now) else {
            unreachable!("nobody guards it")
        };
        let Ok(Step::Body(body)) = admitted.route() else { unreachable!("the model decides") };
        let chat = r#"{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"hello"}]}"#;
        body.body(Bytes::from_static(chat.as_bytes())).expect("there is a rule for it")
    }

    /// A request with an attempt under way.
    fn asks(&self) -> Result<(Plan, Attempt), Refused> {
        let Reserved::Forward(mut plan) = self.routed().reserve(self, self.now)? else {
            unreachable!("backends answer")
        };
        match plan.next_attempt(self, self.now, 0) {
            Ok(attempt) => Ok((plan, attempt)),
            Err(refusal) => Err(plan.refuse(refusal)),
        }
    }

    /// The backend answers, with this many tokens in all.
    fn answer(&self, (mut plan, mut attempt): (Plan, Attempt), tokens: u64) {
        let head = Head { status: StatusCode::OK, headers: HeaderMap::new() };
        plan.answered(&mut attempt, head, self.now);
        let mut exchange = plan.accept(attempt, StatusCode::OK, self.now);
        let reply = format!(
            r#"{{"id":"1","object":"chat.completion","model":"m","choices":[],"usage":{{"prompt_tokens":0,"completion_tokens":{tokens},"total_tokens":{tokens}}}}}"#
        );
        let mut out = Output::default();
        exchange.push(reply.into(), &mut out).and_then(|()| exchange.finish(&mut out)).expect("a good reply");
        self.settle(exchange.settle(crate::End::Complete, self.now.instant));
    }

    fn settle(&self, settled: Settled) {
        self.store.settle(&settled.settlements, UnixMillis(self.now.unix_ms));
    }

    /// A whole request; who answered it.
    fn pays(&self, tokens: u64) -> String {
        match self.asks() {
            Ok(asked) => {
                let id = asked.1.backend.id.as_str().to_owned();
                self.answer(asked, tokens);
                id
            }
            Err(refused) => {
                let message = refused.refusal.to_string();
                self.settle(refused.settle(self.now.instant).1);
                message
            }
        }
    }
}

#[test]
fn the_next_priority_is_asked_when_a_quota_is_spent_and_429_when_all_are() {
    let world = World::new([quota("ns/a", Some(1000), None).into(), quota("ns/b", Some(200), None).into()]);
    assert_eq!(world.pays(600), "ns/a");
    assert_eq!(world.pays(600), "ns/a", "400 were left");
    assert_eq!(world.pays(300), "ns/b");
    let refused = world.asks().expect_err("all are spent");
    assert_eq!(refused.refusal.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.reply().headers["retry-after"], "60");
    let message = "limit quota of ns/a for m of 1000 per hour is reached; try again in 60 s";
    assert_eq!(refused.refusal.to_string(), message);
}

#[test]
fn what_is_under_way_counts_and_is_given_back() {
    let world = World::new([quota("ns/a", Some(40), None).into(), None]);
    let first = world.asks().expect("all is left");
    let (plan, second) = world.asks().expect("nothing limits b");
    assert_eq!(second.backend.id.as_str(), "ns/b", "the first may cost 50 and its prompt");
    world.settle(plan.into_record().abandon(world.now.instant));
    world.settle(first.0.into_record().abandon(world.now.instant));
    assert_eq!(world.pays(40), "ns/a", "nobody has paid");
    assert_eq!(world.pays(1), "ns/a", "at exactly the limit one more passes");
    assert_eq!(world.pays(1), "ns/b");
}

#[test]
fn a_backend_that_fails_is_charged_nothing() {
    let world = World::new([quota("ns/a", Some(60), None).into(), quota("ns/b", Some(60), None).into()]);
    let (mut plan, attempt) = world.asks().expect("all is left");
    plan.failed(&attempt, Failure::Reset, world.now).expect("there is another");
    let second = plan.next_attempt(&world, world.now, 0).expect("there is another");
    assert_eq!(second.backend.id.as_str(), "ns/b");
    let now = UnixMillis(world.now.unix_ms);
    let (a, _) = budget("ns/a", "m", 60).buckets.claims(&plan.record().view(), 0);
    let standing = world.store.decide(&a, now).standings;
    assert!(!standing[0].over && standing[0].remaining == 60, "a's hold is gone: {standing:?}");
    world.answer((plan, second), 61);
    let (b, _) = budget("ns/b", "m", 60).buckets.claims(&world.asks().expect("a").0.record().view(), 0);
    let admits = |claims| world.store.look(claims, now).is_admitted();
    assert!(!admits(&b) && admits(&a));
}

#[test]
fn all_models_together_have_a_quota_as_well() {
    let world = World::new([quota("ns/a", Some(1000), Some(100)).into(), None]);
    assert_eq!(world.pays(101), "ns/a");
    assert_eq!(world.pays(1), "ns/b");
    let now = UnixMillis(world.now.unix_ms);
    let (plan, _) = world.asks().expect("b");
    let (model, _) = budget("ns/a", "m", 1000).buckets.claims(&plan.record().view(), 0);
    let left = world.store.decide(&model, now).standings[0].remaining;
    assert_eq!(left, 899, "charged once, and nothing is held where the other budget refused");
}

#[test]
fn clients_hear_what_is_left_of_the_quota_that_they_use() {
    let world = World::new([quota("ns/a", Some(1000), None).into(), quota("ns/b", Some(200), None).into()]);
    let told = |headers: &HeaderMap| {
        ["limit", "remaining", "reset"]
            .map(|name| headers[format!("x-ratelimit-{name}")].to_str().expect("a text").to_owned())
    };
    let left = || {
        let (plan, _) = world.asks().expect("something is left");
        let mut headers = HeaderMap::new();
        plan.record.gate.left.tell(&mut headers);
        world.settle(plan.into_record().abandon(world.now.instant));
        told(&headers)
    };
    assert_eq!(left(), ["1000, 1000;w=3600", "1000", "60"]);
    world.pays(400);
    assert_eq!(left(), ["1000, 1000;w=3600", "600", "60"]);
    world.pays(601);
    assert_eq!(left(), ["200, 200;w=3600", "200", "60"], "of the backend that is asked");
    world.pays(201);
    let refused = world.asks().expect_err("all are spent");
    let (reply, _) = refused.settle(world.now.instant);
    assert_eq!(told(&reply.headers), ["1000, 1000;w=3600, 200;w=3600", "0", "60"]);
}
