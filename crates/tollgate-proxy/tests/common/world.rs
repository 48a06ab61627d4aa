use std::{
    collections::HashMap,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use tollgate_auth::Credential;
use tollgate_core::{Live, Settled};
use tollgate_llm::{BodyMutation, Target};
use tollgate_proxy::{Gateway, Observer, Options, Published};
use tollgate_snapshot::{
    Action, Address, AddressHost, Backend, Choice, Entry, Guard, HeaderEdit, HostPattern, HostTable,
    Listener, LlmAction, Matcher, ModelEntry, ModelMatch, PathMatch, Port, PortProtocol, Retry, Rule,
    Service, Snapshot, Table, Timeouts, Upstream, UpstreamProtocol,
};
use tollgate_types::{ApiSchema, ModelId, ObjectRef, Secret};

/// The Gateway's port in these tests.
pub const PORT: u16 = 80;

/// A gateway in service.
pub struct World {
    pub gateway: Gateway,
    pub address: SocketAddr,
    settled: Receiver<Settled>,
}

#[derive(Debug)]
struct Tell(SyncSender<Settled>);

// === impl World ===

impl World {
    pub fn start(snapshot: Snapshot) -> Self {
        Self::with(snapshot, Options::default())
    }

    pub fn with(snapshot: Snapshot, options: Options) -> Self {
        let (tell, settled) = sync_channel(65536);
        let port_map = HashMap::from([(PORT, 0), (443, 0)]);
        let cores = NonZeroUsize::new(2).unwrap();
        let options = Options { cores, port_map, ..options };
        let mut gateway = Gateway::start(options, Arc::new(Tell(tell))).unwrap();
        let published = gateway.publish(Arc::new(Live::new(snapshot, None)));
        assert!(published.problems.is_empty(), "{:?}", published.problems);
        let address = published.addresses[0].1;
        Self { gateway, address, settled }
    }

    pub fn publish(&mut self, snapshot: Snapshot) -> Published {
        let before = self.gateway.live();
        self.gateway.publish(Arc::new(Live::new(snapshot, Some(&before))))
    }

    /// The next request that ended.
    pub fn settled(&self) -> Settled {
        self.settled.recv_timeout(Duration::from_secs(20)).expect("a request settles")
    }

    /// True where no further request has ended.
    pub fn is_quiet(&self) -> bool {
        self.settled.try_recv().is_err()
    }
}

impl Observer for Tell {
    fn began(&self, _port: u16) {}

    fn settled(&self, settled: Settled) {
        self.0.try_send(settled).expect("a test has fewer requests than its queue");
    }
}

/// An LLM backend of this schema that is called with this key.
pub fn backend(
    index: u32,
    name: &str,
    address: SocketAddr,
    speaks: Option<(ApiSchema, &str)>,
) -> Arc<Backend> {
    let credential = speaks.map(|(schema, key)| {
        let key = Secret::new(key);
        match schema {
            ApiSchema::Anthropic => Credential::anthropic_api_key(&key),
            ApiSchema::AzureOpenAi => Credential::azure_api_key(&key),
            _ => Credential::api_key(&key),
        }
        .unwrap()
    });
    let target = speaks.map(|(schema, _)| Target {
        schema,
        prefix: "v1".to_owned(),
        version: Some("2025-01-01".to_owned()),
    });
    Arc::new(Backend {
        index,
        id: format!("default/{name}").into(),
        target,
        credential,
        proxy: None,
        upstream: Upstream {
            addresses: vec![Address {
                host: AddressHost::Ip(address.ip()),
                port: address.port(),
                hostname: None,
                zone: None,
            }],
            tls: None,
            protocol: UpstreamProtocol::Auto,
        },
        traffic: Arc::default(),
    })
}

pub fn choice(backend: &Arc<Backend>, priority: u32) -> Choice {
    Choice {
        backend: Ok(Arc::clone(backend)),
        weight: 1,
        priority,
        model_override: None,
        headers: HeaderEdit::default(),
        body: BodyMutation::default(),
        filters: Vec::new(),
        quota: None,
    }
}

pub fn llm_rule(choices: Vec<Choice>) -> Rule {
    let action = Action::Llm(LlmAction { choices, costs: Arc::new([]) });
    Rule {
        service: Service::Llm,
        action,
        timeouts: Timeouts::LLM,
        retry: Retry::llm(),
        ..http_rule(Vec::new())
    }
}

pub fn http_rule(choices: Vec<Choice>) -> Rule {
    Rule {
        index: 0,
        id: "default/route/0".into(),
        route: "default/route".into(),
        source: ObjectRef::new("HTTPRoute", "default", "route"),
        service: Service::Http,
        guard: Guard::Open,
        limits: None,
        policies: Vec::new(),
        filters: Vec::new(),
        action: Action::Http(choices),
        timeouts: Timeouts::HTTP,
        retry: Retry::http(),
        traffic: Arc::default(),
    }
}

pub fn models(names: &[&str]) -> Vec<ModelEntry> {
    let entry = |name: &&str| ModelEntry {
        id: ModelId::from(*name),
        owned_by: "tests".into(),
        created: 1,
        guard: Guard::Open,
    };
    names.iter().map(entry).collect()
}

/// One listener for every host: LLM rules by model (`*` for any), plain ones by path prefix (with a slash first).
pub fn snapshot(rules: Vec<(&str, Rule)>, backends: Vec<Arc<Backend>>) -> Snapshot {
    let mut entries = Vec::new();
    let mut all = Vec::new();
    let mut names = Vec::new();
    for (index, (to, mut rule)) in (0..).zip(rules) {
        rule.index = index;
        let rule = Arc::new(rule);
        all.push(Arc::clone(&rule));
        let prefix = if to.starts_with('/') { to.trim_end_matches('/') } else { "" };
        let model = (!to.starts_with('/') && to != "*").then(|| ModelMatch::Exact(to.into()));
        if model.is_some() {
            names.push(to);
        }
        let matcher = Matcher {
            path: PathMatch::Prefix(prefix.into()),
            method: None,
            headers: Vec::new(),
            query: Vec::new(),
            model,
        };
        entries.push(Entry { matcher, rule });
    }
    let table = Table::new(entries, models(&names));
    let listener = Listener {
        id: "default/gateway/http".into(),
        hostname: HostPattern::Any,
        tls: None,
        guard: Guard::Open,
        access_log: None,
        client: Arc::default(),
        hosts: HostTable::new([(HostPattern::Any, table)]),
    };
    let port = Port {
        number: PORT,
        protocol: PortProtocol::Http,
        client: Arc::default(),
        listeners: vec![Arc::new(listener)],
    };
    Snapshot { ports: vec![port], backends, rules: all, ..Snapshot::default() }
}
