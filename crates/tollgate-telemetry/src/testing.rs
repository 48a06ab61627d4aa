//! A small gateway and requests through it, for tests.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use smallvec::SmallVec;
use tollgate_core::{
    AttemptRecord, End, Failure, Live, Now, Record, RequestHead, Sampler, Settled, TraceContext,
};
use tollgate_llm::{BodyMutation, Delivery, Target};
use tollgate_snapshot::{
    AccessLogSettings, Action, Address, AddressHost, Backend, Choice, Entry, Guard, HeaderEdit, HostPattern,
    HostTable, Listener, LlmAction, Matcher, ModelEntry, ModelMatch, PathMatch, Port, PortProtocol, Retry,
    Rule, Service, Snapshot, Table, Timeouts, Upstream, UpstreamProtocol,
};
use tollgate_types::{ApiSchema, Endpoint, ModelId, ObjectRef, Tokens, Usage};

use crate::{AccessLog, Build, HeaderAttributes, LogFormat, Options, Telemetry};

/// 2026-11-21T08:00:00.123Z
pub(crate) const T0: u64 = 1_795_248_000_123;

/// One port, one listener, one rule for `gpt-4o-mini` with two backends: OpenAI's and, overriding the model,
/// Anthropic's.
pub(crate) fn live() -> Arc<Live> {
    live_logging(None)
}

/// The same, with logs of its own.
pub(crate) fn live_logging(access_log: Option<Arc<AccessLogSettings>>) -> Arc<Live> {
    let backends = vec![
        backend(0, "default/openai", ApiSchema::OpenAi),
        backend(1, "default/claude", ApiSchema::Anthropic),
    ];
    let choice = |position: usize, model_override: Option<&str>| Choice {
        backend: Ok(Arc::clone(&backends[position])),
        weight: 1,
        priority: u32::try_from(position).unwrap(),
        model_override: model_override.map(ModelId::from),
        headers: HeaderEdit::default(),
        body: BodyMutation::default(),
        filters: Vec::new(),
        quota: None,
    };
    let rule = Arc::new(Rule {
        index: 0,
        id: "default/chat/0".into(),
        route: "default/chat".into(),
        source: ObjectRef { kind: "AIGatewayRoute".into(), namespace: "default".into(), name: "chat".into() },
        service: Service::Llm,
        guard: Guard::Open,
        limits: None,
        policies: Vec::new(),
        filters: Vec::new(),
        action: Action::Llm(LlmAction {
            choices: vec![choice(0, None), choice(1, Some("claude-opus"))],
            costs: Arc::new([]),
        }),
        timeouts: Timeouts::LLM,
        retry: Retry::llm(),
        traffic: Arc::default(),
    });
    let matcher = Matcher {
        path: PathMatch::Prefix("".into()),
        method: None,
        headers: Vec::new(),
        query: Vec::new(),
        model: Some(ModelMatch::Exact("gpt-4o-mini".into())),
    };
    let models = vec![ModelEntry {
        id: "gpt-4o-mini".into(),
        owned_by: "openai".into(),
        created: 0,
        guard: Guard::Open,
    }];
    let table = Table::new(vec![Entry { matcher, rule: Arc::clone(&rule) }], models);
    let listener = Arc::new(Listener {
        id: "default/gw/http".into(),
        hostname: HostPattern::Any,
        tls: None,
        guard: Guard::Open,
        access_log,
        client: Arc::default(),
        hosts: HostTable::new([(HostPattern::Any, table)]),
    });
    let port =
        Port { number: 80, protocol: PortProtocol::Http, client: Arc::default(), listeners: vec![listener] };
    let snapshot = Snapshot { ports: vec![port], backends, rules: vec![rule], ..Snapshot::default() };
    Arc::new(Live::new(snapshot, None).sampling(Some(Sampler::ParentOrOn)))
}

pub(crate) fn backend(index: u32, id: &str, schema: ApiSchema) -> Arc<Backend> {
    let address =
        Address { host: AddressHost::Name("provider.test".into()), port: 443, hostname: None, zone: None };
    Arc::new(Backend {
        index,
        id: id.into(),
        target: Some(Target { schema, prefix: "v1".to_owned(), version: None }),
        credential: None,
        proxy: None,
        upstream: Upstream { addresses: vec![address], tls: None, protocol: UpstreamProtocol::Auto },
        traffic: Arc::default(),
    })
}

pub(crate) fn options() -> Options {
    Options {
        build: Build { version: "1.2.3", commit: "abc" },
        access_log: None,
        traces: None,
        metrics: None,
        attributes: HeaderAttributes::default(),
        origins: |_| Vec::new(),
        response_models: 3,
    }
}

pub(crate) fn telemetry() -> Telemetry {
    Telemetry::start(options()).unwrap()
}

/// Runs `act` with a telemetry that logs, and gives what it logged.
pub(crate) fn logged(format: LogFormat, act: impl FnOnce(&Telemetry)) -> String {
    use crate::lock::Slot;

    struct Shared(Arc<Slot<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.with(|out| out.extend_from_slice(bytes));
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let out = Arc::new(Slot::default());
    let access_log = Some(AccessLog { format, to: Box::new(Shared(Arc::clone(&out))) });
    let attributes = HeaderAttributes::from_env(&|_| None).unwrap();
    let telemetry = Telemetry::start(Options { access_log, attributes, ..options() }).unwrap();
    act(&telemetry);
    drop(telemetry);
    String::from_utf8(out.with(|out| out.clone())).unwrap()
}

/// A request to `POST /v1/chat/completions` that took 120 ms.
pub(crate) struct Request {
    pub(crate) record: Box<Record>,
    end: End,
    began: Instant,
}

pub(crate) fn request(live: &Arc<Live>) -> Request {
    let began = Instant::now();
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", HeaderValue::from_static("test/1"));
    let listener = live.snapshot.ports[0].listeners[0].clone();
    let record = Box::new(Record {
        live: Arc::clone(live),
        began: Now { instant: began, unix_ms: T0 },
        request_id: "r-1".to_owned(),
        trace: TraceContext { trace_id: [0xab; 16], span_id: [0xcd; 8], parent: None, sampled: true },
        head: RequestHead {
            method: Method::POST,
            uri: "/v1/chat/completions".parse().unwrap(),
            version: Version::HTTP_11,
            headers,
            port: 80,
            server_name: None,
            secure: false,
            certificate: None,
            peer: ([192, 0, 2, 1], 5000).into(),
        },
        host: "gw.test".to_owned(),
        client: Arc::default(),
        client_ip: [192, 0, 2, 1].into(),
        listener: Some(listener),
        endpoint: Some(Endpoint::ChatCompletions),
        gate: tollgate_core::Gate::default(),
        rule: None,
        model_asked: None,
        model_sent: None,
        model_served: None,
        delivery: None,
        attempts: SmallVec::new(),
        status: None,
        usage: Usage::default(),
        usage_estimated: false,
        bytes_in: 100,
        bytes_out: 0,
        first_byte: None,
        content: None,
        found: None,
        issued: None,
    });
    Request { record, end: End::Complete, began }
}

// === impl Request ===

impl Request {
    /// The client asked for this model, whole.
    pub(crate) fn asks(mut self, model: &str) -> Self {
        self.record.model_asked = Some(model.into());
        self.record.model_sent = Some(model.into());
        self.record.delivery = Some(Delivery::Whole);
        self.record.rule = self.record.live.snapshot.rules.first().cloned();
        self
    }

    /// An attempt that came to nothing after 10 ms.
    pub(crate) fn fails(self, backend: usize, failure: Failure) -> Self {
        self.attempt(backend, None, Some(failure))
    }

    /// The backend answers after 10 ms; the client gets it.
    pub(crate) fn answered(mut self, backend: usize, status: u16) -> Self {
        self.record.status = Some(StatusCode::from_u16(status).unwrap());
        self.record.bytes_out = 200;
        self.attempt(backend, Some(status), None)
    }

    fn attempt(mut self, backend: usize, status: Option<u16>, failure: Option<Failure>) -> Self {
        let began = self.began + Duration::from_millis(10 * self.record.attempts.len() as u64);
        self.record.attempts.push(AttemptRecord {
            backend: Arc::clone(&self.record.live.snapshot.backends[backend]),
            address: Some("provider.test:443".into()),
            path: Some("/v1/chat/completions".parse().unwrap()),
            began,
            ended: Some(began + Duration::from_millis(10)),
            status: status.map(|status| StatusCode::from_u16(status).unwrap()),
            failure,
        });
        self
    }

    pub(crate) fn served(mut self, model: &str, usage: [u64; 2]) -> Self {
        self.record.model_served = Some(model.to_owned());
        self.record.usage.input = Some(Tokens(usage[0]));
        self.record.usage.output = Some(Tokens(usage[1]));
        self
    }

    /// Streamed, with its first piece after 20 ms.
    pub(crate) fn streamed(mut self) -> Self {
        self.record.delivery = Some(Delivery::Streamed);
        self.record.first_byte = Some(self.began + Duration::from_millis(20));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &[u8]) -> Self {
        let value = HeaderValue::from_bytes(value).unwrap();
        self.record.head.headers.insert(HeaderName::from_static(name), value);
        self
    }

    pub(crate) fn ends(mut self, end: End) -> Self {
        if let End::Refused(refusal) = &end {
            self.record.status = Some(refusal.status());
        }
        self.end = end;
        self
    }

    pub(crate) fn settled(self) -> Settled {
        Settled {
            record: self.record,
            end: self.end,
            ended: self.began + Duration::from_millis(120),
            costs: vec![("total".into(), 42)],
            settlements: Vec::new(),
            broken_cost: None,
        }
    }
}
