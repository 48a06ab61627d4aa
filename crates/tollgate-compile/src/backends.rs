use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use tollgate_auth::{Credential, TokenSource};
use tollgate_llm::{BodyMutation, Target};
use tollgate_resources::{AiServiceBackend, BackendObjectRef, Meta, Object, VersionedSchema};
use tollgate_snapshot::{Backend, ForwardProxy, HeaderEdit, Problem, Traffic, Upstream, UpstreamProtocol};
use tollgate_types::{ApiSchema, BackendId};

use crate::{
    Fault,
    beside_envoy::Host,
    credentials,
    grants::Party,
    mutations,
    notes::{At, Broken, Notes},
    upstreams,
    world::{World, group},
};

/// An AIServiceBackend and the changes that it makes to what it is asked.
#[derive(Clone, Debug)]
pub(crate) struct AiBackend {
    pub(crate) backend: Arc<Backend>,
    pub(crate) headers: HeaderEdit,
    pub(crate) body: BodyMutation,
}

/// How requests go to a backend: the policy for it, and a proxy.
pub(crate) type How = (Arc<Traffic>, Option<Arc<ForwardProxy>>);

/// Something compiled, or why it is not.
type Made<T> = Result<T, Arc<Problem>>;

/// Every backend that is asked for, compiled once however many rules share it.
#[derive(Debug)]
pub(crate) struct Backends<'a> {
    world: &'a World<'a>,
    list: Vec<Arc<Backend>>,
    /// By namespace, name and how requests go to it.
    ai: HashMap<(String, String, How), Made<AiBackend>>,
    plain: HashMap<(BackendId, Arc<Traffic>), Made<Arc<Backend>>>,
    /// Namespace and name of each AIServiceBackend that a route refers to, broken ones included.
    used: BTreeSet<(String, String)>,
    /// Tokens that credentials need, each once.
    tokens: Vec<TokenSource>,
}

// === impl Backends ===

impl<'a> Backends<'a> {
    pub(crate) fn new(world: &'a World<'a>) -> Self {
        let (ai, plain) = (HashMap::new(), HashMap::new());
        Self { world, list: Vec::new(), ai, plain, used: BTreeSet::new(), tokens: Vec::new() }
    }

    /// The backends, and the tokens that their credentials need.
    pub(crate) fn into_parts(self) -> (Vec<Arc<Backend>>, Vec<TokenSource>) {
        (self.list, self.tokens)
    }

    pub(crate) fn is_used(&self, namespace: &str, name: &str) -> bool {
        self.used.contains(&(namespace.to_owned(), name.to_owned()))
    }

    /// An AIServiceBackend, for a route of this kind and namespace.
    pub(crate) fn ai(
        &mut self,
        from: Party<'_>,
        (namespace, name): (&str, &str),
        how: &How,
        notes: &mut Notes,
    ) -> Result<AiBackend, Broken> {
        self.used.insert((namespace.to_owned(), name.to_owned()));
        let key = (namespace.to_owned(), name.to_owned(), how.clone());
        let to = Party { group: group::AI, kind: "AIServiceBackend", namespace };
        let object = self.world.ai_backends.get(namespace, name)?;
        self.world.grants.check(from, to, name)?;
        if let Some(known) = self.ai.get(&key) {
            return known.clone().map_err(Broken::Known);
        }
        let made = self.make_ai(object, how, notes);
        self.ai.insert(key, made.clone());
        made.map_err(Broken::Known)
    }

    fn make_ai(
        &mut self,
        object: &Object<AiServiceBackend>,
        how: &How,
        notes: &mut Notes,
    ) -> Result<AiBackend, Arc<Problem>> {
        let AiServiceBackend { schema, backend_ref, header_mutation, body_mutation } = &object.spec;
        let (namespace, name) = (&*object.meta.namespace, &*object.meta.name);
        let at = At::new(object, "spec");
        let from = Party { group: group::AI, kind: "AIServiceBackend", namespace };
        let upstream = match (self.upstream(backend_ref, from, notes), self.world.host) {
            (Ok(upstream), _) => upstream,
            (Err(_), Host::Envoy) => nowhere(),
            (Err(broken), Host::Native) => return Err(notes.broken(&at.to(".backendRef"), broken)),
        };
        let credential = self.credential(("AIServiceBackend", &object.meta), notes)?;
        let headers = mutations::headers(header_mutation.as_ref(), &at.to(".headerMutation"), notes);
        let backend = self.add(
            BackendId::from(format!("{namespace}/{name}")),
            (Some(target(schema)), credential),
            upstream,
            how.clone(),
        );
        Ok(AiBackend { backend, headers, body: mutations::body(body_mutation.as_ref()) })
    }

    /// An InferencePool, where Envoy finds its endpoints: it speaks OpenAI's dialect.
    pub(crate) fn pool(
        &mut self,
        (namespace, name): (&str, &str),
        how: &How,
        notes: &mut Notes,
    ) -> Result<AiBackend, Arc<Problem>> {
        let key = (namespace.to_owned(), format!("InferencePool/{name}"), how.clone());
        if let Some(known) = self.ai.get(&key) {
            return known.clone();
        }
        let meta = Meta { namespace: namespace.into(), name: name.into(), ..Meta::default() };
        let made = self.credential(("InferencePool", &meta), notes).map(|credential| {
            let target = Target { schema: ApiSchema::OpenAi, prefix: "v1".to_owned(), version: None };
            let id = BackendId::from(format!("{namespace}/InferencePool/{name}"));
            let backend = self.add(id, (Some(target), credential), nowhere(), how.clone());
            AiBackend { backend, headers: HeaderEdit::default(), body: BodyMutation::default() }
        });
        self.ai.insert(key, made.clone());
        made
    }

    fn credential(
        &mut self,
        of: (&str, &Meta),
        notes: &mut Notes,
    ) -> Result<Option<Credential>, Arc<Problem>> {
        let Some(made) = credentials::of(self.world, of, notes)? else { return Ok(None) };
        if let Some(source) = made.source.filter(|source| made.credential.token() == Some(&source.id))
            && !self.tokens.contains(&source)
        {
            self.tokens.push(source);
        }
        Ok(Some(made.credential))
    }

    /// A Service or Backend as a plain HTTP backend.
    pub(crate) fn plain(
        &mut self,
        reference: &BackendObjectRef,
        from: Party<'_>,
        traffic: &Arc<Traffic>,
        notes: &mut Notes,
    ) -> Result<Arc<Backend>, Broken> {
        let key = (self.identify(reference, from)?, Arc::clone(traffic));
        if let Some(known) = self.plain.get(&key) {
            return known.clone().map_err(Broken::Known);
        }
        let made = self.resolve(reference, from, notes);
        let made =
            made.map(|upstream| self.add(key.0.clone(), (None, None), upstream, (Arc::clone(traffic), None)));
        self.plain.insert(key, made.clone());
        made.map_err(Broken::Known)
    }

    pub(crate) const fn world(&self) -> &'a World<'a> {
        self.world
    }

    /// The address behind a reference, without a backend of its own.
    pub(crate) fn upstream(
        &self,
        reference: &BackendObjectRef,
        from: Party<'_>,
        notes: &mut Notes,
    ) -> Result<Upstream, Broken> {
        self.identify(reference, from)?;
        self.resolve(reference, from, notes).map_err(Broken::Known)
    }

    /// Checks that the reference leads to something, and that it is permitted.
    fn identify(&self, reference: &BackendObjectRef, from: Party<'_>) -> Result<BackendId, Fault> {
        let BackendObjectRef { group, kind, name, namespace, port } = reference;
        let namespace = namespace.as_deref().filter(|ns| !ns.is_empty()).unwrap_or(from.namespace);
        let to = Party { group, kind, namespace };
        match (group.as_str(), kind.as_str()) {
            (group::CORE, "Service") => {
                self.world.services.get(namespace, name)?;
                self.world.grants.check(from, to, name)?;
                let port =
                    port.ok_or_else(|| Fault::new("port-not-found", format!("Service {name} needs a port")))?;
                Ok(BackendId::from(format!("{namespace}/Service/{name}:{port}")))
            }
            (group::ENVOY, "Backend") => {
                self.world.backends.get(namespace, name)?;
                self.world.grants.check(from, to, name)?;
                Ok(BackendId::from(format!("{namespace}/Backend/{name}")))
            }
            (group::INFERENCE, "InferencePool") => {
                Err(Fault::not_served(format!("InferencePool {name} as a backend")))
            }
            _ => Err(Fault::new("invalid-kind", format!("{kind} {name} of group {group:?} is no backend"))
                .help("a backend is a Service, or a Backend of group gateway.envoyproxy.io")),
        }
    }

    /// What is wrong with the target itself is reported at the target, whoever refers to it.
    fn resolve(
        &self,
        reference: &BackendObjectRef,
        from: Party<'_>,
        notes: &mut Notes,
    ) -> Result<Upstream, Arc<Problem>> {
        let BackendObjectRef { group: _, kind, name, namespace, port } = reference;
        let namespace = namespace.as_deref().filter(|ns| !ns.is_empty()).unwrap_or(from.namespace);
        if kind == "Service" {
            let object = self.world.services.find(namespace, name).expect("identify found it");
            let upstream = upstreams::of_service(self.world, object, port.unwrap_or_default(), notes);
            upstream.map_err(|fault| notes.error(&At::new(object, "spec"), fault))
        } else {
            let object = self.world.backends.find(namespace, name).expect("identify found it");
            let upstream = upstreams::of_backend(self.world, object, notes);
            upstream.map_err(|fault| notes.error(&At::new(object, "spec"), fault))
        }
    }

    fn add(
        &mut self,
        id: BackendId,
        (target, credential): (Option<Target>, Option<Credential>),
        upstream: Upstream,
        (traffic, proxy): How,
    ) -> Arc<Backend> {
        let index = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let backend = Arc::new(Backend { index, id, target, credential, upstream, proxy, traffic });
        self.list.push(Arc::clone(&backend));
        backend
    }
}

/// What only Envoy can reach.
const fn nowhere() -> Upstream {
    Upstream { addresses: Vec::new(), tls: None, protocol: UpstreamProtocol::Auto }
}

/// OpenAI and Anthropic have a prefix, all others a version; what does not belong to the schema is dropped.
fn target(schema: &VersionedSchema) -> Target {
    let VersionedSchema { name, version, prefix } = schema;
    let (prefix, version) = match name {
        ApiSchema::OpenAi | ApiSchema::Anthropic => (prefix.as_deref().unwrap_or("v1"), None),
        ApiSchema::AzureOpenAi
        | ApiSchema::AwsBedrock
        | ApiSchema::AwsAnthropic
        | ApiSchema::GcpVertexAi
        | ApiSchema::GcpAnthropic
        | ApiSchema::Cohere => ("", version.clone()),
    };
    Target { schema: *name, prefix: prefix.trim_matches('/').to_owned(), version }
}
