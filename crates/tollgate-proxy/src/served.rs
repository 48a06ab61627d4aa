use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use http::HeaderValue;
use tollgate_auth::ExtAuthId;
use tollgate_core::Live;
use tollgate_net::{
    ClientIdentity, Introduction, Origin, Peer, Protocol, ProxyVersion, Trust, Tuning, UpstreamTls, Via,
};
use tollgate_ports::{ExtAuthTarget, KeySource};
use tollgate_snapshot::{
    Address, AddressHost, Authorizer, Backend, CaCertificates, ForwardProxy, HealthCheck, Probe, Upstream,
    UpstreamProtocol,
};
use tollgate_types::BackendId;

use crate::tuning;

/// What is in service: the tables, and how to reach what they name. Loaded once per request.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) live: Arc<Live>,
    /// At the index of each backend.
    backends: Vec<Endpoints>,
    authorizers: HashMap<ExtAuthId, ExtAuthTarget>,
}

/// Where one backend can be reached.
#[derive(Debug)]
struct Endpoints {
    list: Box<[Endpoint]>,
    next: AtomicUsize,
}

/// One endpoint that is checked.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) backend: BackendId,
    pub(crate) endpoint: Arc<tollgate_balance::Endpoint>,
    pub(crate) check: HealthCheck,
    /// Where the check goes, over connections of its own.
    pub(crate) at: Endpoint,
}

/// One address of a backend.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) origin: Origin,
    /// `host:port`, for logs and error texts.
    pub(crate) address: Arc<str>,
    /// What it is called in the `host` header unless the request says otherwise.
    pub(crate) host: Option<HeaderValue>,
    /// Its connections begin with the client's address.
    pub(crate) introduce: Option<ProxyVersion>,
}

// === impl Served ===

impl Served {
    pub(crate) fn new(live: Arc<Live>, cores: usize) -> Self {
        let backends = live.snapshot.backends.iter().map(|backend| Endpoints::new(backend, cores)).collect();
        let authorizers = live.snapshot.authorizers.iter().filter_map(target).collect();
        Self { live, backends, authorizers }
    }

    /// The endpoints that are to be checked, and how.
    pub(crate) fn checks(&self) -> impl Iterator<Item = Target> {
        let backends = self.live.snapshot.backends.iter().zip(&self.live.clusters);
        let checked = backends
            .filter_map(|(backend, cluster)| Some((backend, cluster, backend.traffic.check.as_ref()?)));
        checked.flat_map(|(backend, cluster, check)| {
            let addresses = backend.upstream.addresses.iter().zip(cluster.endpoints());
            addresses.map(move |(address, endpoint)| Target {
                backend: backend.id.clone(),
                endpoint: Arc::clone(endpoint),
                check: check.clone(),
                at: Endpoint::checked(address, backend, check)
                    .introducing(backend.traffic.connections.introduce),
            })
        })
    }

    /// The key sets to fetch.
    pub(crate) fn key_sources(&self) -> Vec<KeySource> {
        self.live.snapshot.key_sources.iter().filter_map(source).collect()
    }

    /// Who is asked about callers under this name.
    pub(crate) fn authorizer(&self, id: &ExtAuthId) -> Option<&ExtAuthTarget> {
        self.authorizers.get(id)
    }

    /// The addresses of every backend.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = (&BackendId, &[Endpoint])> {
        let backends = self.live.snapshot.backends.iter();
        backends.zip(&self.backends).map(|(backend, endpoints)| (&backend.id, &*endpoints.list))
    }

    /// The backend's address at this position.
    pub(crate) fn endpoint_at(&self, backend: &Backend, position: usize) -> Option<&Endpoint> {
        self.backends.get(backend.index as usize)?.list.get(position)
    }

    /// The backend's next address, for copies that nobody waits for; `None` where it has none.
    pub(crate) fn endpoint(&self, backend: &Backend) -> Option<&Endpoint> {
        self.backends.get(backend.index as usize)?.next()
    }
}

fn target(authorizer: &Authorizer) -> Option<(ExtAuthId, ExtAuthTarget)> {
    let Authorizer { id, authority, upstream } = authorizer;
    let authority = HeaderValue::from_str(authority).ok()?;
    Some((id.clone(), ExtAuthTarget { origins: origins(upstream), authority }))
}

fn source(source: &tollgate_snapshot::KeySource) -> Option<KeySource> {
    let tollgate_snapshot::KeySource { id, uri, upstream, cache, retry, timeout } = source;
    let mut made = KeySource::at(id.clone(), &uri.to_string()).ok()?.through(origins(upstream));
    (made.cache, made.retry, made.timeout) = (*cache, *retry, *timeout);
    Some(made)
}

/// Where a service is that is asked beside requests: by each of its addresses.
#[must_use]
pub fn origins(upstream: &Upstream) -> Vec<Origin> {
    upstream
        .addresses
        .iter()
        .map(|address| Endpoint::new(address, upstream, &Tuning::default()).origin)
        .collect()
}

/// The proxy that connections to a backend go through.
fn via(backend: &Backend) -> Option<Arc<Via>> {
    let ForwardProxy { host, port, user } = backend.proxy.as_deref()?;
    let via = Via::new(host, *port);
    Some(Arc::new(match user {
        Some((user, password)) => via.authorized(user.expose().trim_ascii(), password.expose().trim_ascii()),
        None => via,
    }))
}

// === impl Endpoints ===

impl Endpoints {
    fn new(backend: &Backend, cores: usize) -> Self {
        let upstream = &backend.upstream;
        let connections = &backend.traffic.connections;
        let tuning = tuning::of(connections, upstream.addresses.len(), cores);
        let tuning = Tuning { via: via(backend), ..tuning };
        let made = |address| Endpoint::new(address, upstream, &tuning).introducing(connections.introduce);
        let list = upstream.addresses.iter().map(made).collect();
        Self { list, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> Option<&Endpoint> {
        match &*self.list {
            [] => None,
            [only] => Some(only),
            // A core that races another one skips an address now and then; the shares stay even.
            list => list.get(self.next.fetch_add(1, Relaxed) % list.len()),
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn checked(address: &Address, backend: &Backend, check: &HealthCheck) -> Self {
        let upstream = &backend.upstream;
        let address = Address { port: check.port.unwrap_or(address.port), ..address.clone() };
        let protocol = match &check.probe {
            Probe::Grpc(_) => UpstreamProtocol::Http2,
            Probe::Http(_) | Probe::Tcp(_) => upstream.protocol,
        };
        let upstream = Upstream { protocol, ..upstream.clone() };
        // Several backends may be at one address, each with its own check: none of them may keep another one waiting.
        let tuning = Tuning { connect_timeout: Some(check.timeout), via: via(backend), ..Tuning::default() };
        Self::new(&address, &upstream, &tuning)
    }

    fn new(address: &Address, upstream: &Upstream, tuning: &Tuning) -> Self {
        let host = match &address.host {
            AddressHost::Name(name) => name.to_string(),
            AddressHost::Ip(ip) => ip.to_string(),
        };
        let tls = upstream.tls.as_ref().map(|tls| UpstreamTls {
            server_name: tls.sni.clone().or_else(|| address.hostname.clone()),
            verify_names: tls.subject_alt_names.clone(),
            trust: match &tls.ca {
                CaCertificates::System => Trust::System,
                CaCertificates::Pem(pem) => Trust::Pem(Arc::clone(pem)),
                CaCertificates::Unverified => Trust::InsecureSkipVerify,
            },
            identity: tls.client.as_ref().map(|client| {
                Arc::new(ClientIdentity { chain: Arc::clone(&client.chain), key: client.key.clone() })
            }),
            ..UpstreamTls::default()
        });
        let protocol = match upstream.protocol {
            UpstreamProtocol::Auto => Protocol::Auto,
            UpstreamProtocol::Http1 => Protocol::Http1,
            UpstreamProtocol::Http2 => Protocol::Http2,
        };
        let secure = tls.is_some();
        let origin = Origin::new(&host, address.port, protocol, tls).tuned(tuning.clone());
        let authority = address.authority(secure);
        let address = match origin.host().contains(':') {
            true => format!("[{}]:{}", origin.host(), origin.port()),
            false => format!("{}:{}", origin.host(), origin.port()),
        };
        Self { origin, address: address.into(), host: HeaderValue::try_from(authority).ok(), introduce: None }
    }

    /// The same, where connections have to begin with a PROXY header; of a request that is nobody's it says so.
    fn introducing(self, version: Option<tollgate_snapshot::ProxyVersion>) -> Self {
        let Some(version) = version.map(tuning::version) else { return self };
        let origin = self.origin.introducing(Introduction { version, addresses: None });
        Self { origin, introduce: Some(version), ..self }
    }

    /// Where a request of this client goes, if not to `origin`: connections that begin with its address are its own.
    pub(crate) fn origin_of(&self, client: IpAddr, peer: &Peer) -> Option<Origin> {
        let version = self.introduce?;
        let remote = peer.remote();
        // Of a client that others speak for the port is not known.
        let port = if remote.ip().to_canonical() == client { remote.port() } else { 0 };
        let addresses = Some((SocketAddr::new(client, port), peer.local()));
        Some(self.origin.introducing(Introduction { version, addresses }))
    }
}
