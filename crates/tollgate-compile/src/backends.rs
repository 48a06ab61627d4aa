use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use tollgate_auth::{Credential, InvalidCredential};
use tollgate_llm::{BodyMutation, Target};
use tollgate_resources::{
    AiServiceBackend, ApiKeyCredential, BackendObjectRef, BackendSecurityPolicy, BackendSecurityPolicyType,
    Meta, Object, SecretRef, VersionedSchema,
};
use tollgate_snapshot::{Backend, HeaderEdit, Problem, Traffic, Upstream};
use tollgate_types::{ApiSchema, BackendId, Secret};

use crate::{
    Fault,
    grants::Party,
    guards, mutations,
    notes::{At, Broken, Notes},
    tls::keys_of,
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

/// Something compiled, or why it is not.
type Made<T> = Result<T, Arc<Problem>>;

/// Every backend that is asked for, compiled once however many rules share it.
#[derive(Debug)]
pub(crate) struct Backends<'a> {
    world: &'a World<'a>,
    list: Vec<Arc<Backend>>,
    /// By namespace, name and the policy that says how requests go to it.
    ai: HashMap<(String, String, Arc<Traffic>), Made<AiBackend>>,
    plain: HashMap<(BackendId, Arc<Traffic>), Made<Arc<Backend>>>,
    /// Namespace and name of each AIServiceBackend that a route refers to, broken ones included.
    used: BTreeSet<(String, String)>,
}

/// The key of the Secret that holds an API key.
const API_KEY: &str = "apiKey";

// === impl Backends ===

impl<'a> Backends<'a> {
    pub(crate) fn new(world: &'a World<'a>) -> Self {
        Self { world, list: Vec::new(), ai: HashMap::new(), plain: HashMap::new(), used: BTreeSet::new() }
    }

    pub(crate) fn into_list(self) -> Vec<Arc<Backend>> {
        self.list
    }

    pub(crate) fn is_used(&self, namespace: &str, name: &str) -> bool {
        self.used.contains(&(namespace.to_owned(), name.to_owned()))
    }

    /// An AIServiceBackend, for a route of this kind and namespace.
    pub(crate) fn ai(
        &mut self,
        from: Party<'_>,
        (namespace, name): (&str, &str),
        traffic: &Arc<Traffic>,
        notes: &mut Notes,
    ) -> Result<AiBackend, Broken> {
        self.used.insert((namespace.to_owned(), name.to_owned()));
        let key = (namespace.to_owned(), name.to_owned(), Arc::clone(traffic));
        let to = Party { group: group::AI, kind: "AIServiceBackend", namespace };
        let object = self.world.ai_backends.get(namespace, name)?;
        self.world.grants.check(from, to, name)?;
        if let Some(known) = self.ai.get(&key) {
            return known.clone().map_err(Broken::Known);
        }
        let made = self.make_ai(object, traffic, notes);
        self.ai.insert(key, made.clone());
        made.map_err(Broken::Known)
    }

    fn make_ai(
        &mut self,
        object: &Object<AiServiceBackend>,
        traffic: &Arc<Traffic>,
        notes: &mut Notes,
    ) -> Result<AiBackend, Arc<Problem>> {
        let AiServiceBackend { schema, backend_ref, header_mutation, body_mutation } = &object.spec;
        let (namespace, name) = (&*object.meta.namespace, &*object.meta.name);
        let at = At::new(object, "spec");
        let from = Party { group: group::AI, kind: "AIServiceBackend", namespace };
        let upstream = self
            .upstream(backend_ref, from, notes)
            .map_err(|broken| notes.broken(&at.to(".backendRef"), broken))?;
        let credential = credential(self.world, object, notes)?;
        let headers = mutations::headers(header_mutation.as_ref(), &at.to(".headerMutation"), notes);
        if !is_spoken(schema.name) {
            let fault = Fault::not_served(format!("schema {}", schema.name))
                .help("requests that this backend is picked for are answered with an error that names it");
            notes.warning(&at.to(".schema.name"), fault);
        }
        let backend = self.add(
            BackendId::from(format!("{namespace}/{name}")),
            (Some(target(schema)), credential),
            upstream,
            traffic,
        );
        Ok(AiBackend { backend, headers, body: mutations::body(body_mutation.as_ref()) })
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
        let made = made.map(|upstream| self.add(key.0.clone(), (None, None), upstream, traffic));
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
        traffic: &Arc<Traffic>,
    ) -> Arc<Backend> {
        let index = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        let backend =
            Arc::new(Backend { index, id, target, credential, upstream, traffic: Arc::clone(traffic) });
        self.list.push(Arc::clone(&backend));
        backend
    }
}

/// True where requests can be put into this schema; the others answer for themselves.
const fn is_spoken(schema: ApiSchema) -> bool {
    match schema {
        ApiSchema::OpenAi | ApiSchema::AzureOpenAi | ApiSchema::Anthropic | ApiSchema::Cohere => true,
        ApiSchema::AwsBedrock
        | ApiSchema::AwsAnthropic
        | ApiSchema::GcpVertexAi
        | ApiSchema::GcpAnthropic => false,
    }
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

/// The credential for an AIServiceBackend; none where no policy targets it.
fn credential(
    world: &World<'_>,
    object: &Object<AiServiceBackend>,
    notes: &mut Notes,
) -> Result<Option<Credential>, Arc<Problem>> {
    let Meta { namespace, name, .. } = &object.meta;
    let policies = world.security(namespace, name);
    let Some((policy, others)) = policies.split_first() else {
        // Without the credential that it should have given, the client's own would go to the provider.
        let refused = guards::refused(world, "BackendSecurityPolicy", ("AIServiceBackend", &object.meta));
        return match refused {
            None => Ok(None),
            Some(policy) => {
                let message =
                    format!("BackendSecurityPolicy {namespace}/{} for it is broken", policy.meta.name);
                Err(notes.error(&At::new(object, ""), Fault::new("no-credential", message)))
            }
        };
    };
    if let Some(other) = others.first() {
        let message = format!(
            "AIServiceBackend {namespace}/{name} has two BackendSecurityPolicies, {} and {}",
            policy.meta.name, other.meta.name
        );
        let fault = Fault::new("conflicted-policy", message).help("leave one of them");
        return Err(notes.error(&At::new(*other, "spec.targetRefs"), fault));
    }
    let at = At::new(*policy, "spec");
    let (field, key) = match kind(&policy.spec) {
        Ok(kind) => kind,
        Err(fault) => return Err(notes.error(&at.to(".type"), fault)),
    };
    let at = at.to(format!(".{field}.secretRef"));
    let key = key.map_err(|fault| notes.error(&at, fault))?;
    if policy.spec.credential_override.is_some() {
        let at = At::new(*policy, "spec.credentialOverride");
        return Err(notes.error(&at, Fault::not_served("credentialOverride")));
    }
    let secret =
        api_key(world, policy, &key.secret_ref, &at, notes).map_err(|fault| notes.error(&at, fault))?;
    let made = match policy.spec.policy_type {
        BackendSecurityPolicyType::AzureApiKey => Credential::azure_api_key(&secret),
        BackendSecurityPolicyType::AnthropicApiKey => Credential::anthropic_api_key(&secret),
        _ => Credential::api_key(&secret),
    };
    made.map(Some).map_err(|error| {
        let code = match error {
            InvalidCredential::Empty => "empty-key",
            InvalidCredential::Characters => "invalid-key",
        };
        let secret = &key.secret_ref.name;
        notes.error(
            &at,
            Fault::new(code, format!("the key {API_KEY} of Secret {secret} cannot be used: {error}")),
        )
    })
}

/// The field that a policy's type names, and the key in it.
type KeyField<'a> = (&'static str, Result<&'a ApiKeyCredential, Fault>);

fn kind(policy: &BackendSecurityPolicy) -> Result<KeyField<'_>, Fault> {
    let (field, key) = match policy.policy_type {
        BackendSecurityPolicyType::ApiKey => ("apiKey", &policy.api_key),
        BackendSecurityPolicyType::AzureApiKey => ("azureAPIKey", &policy.azure_api_key),
        BackendSecurityPolicyType::AnthropicApiKey => ("anthropicAPIKey", &policy.anthropic_api_key),
        BackendSecurityPolicyType::AwsCredentials => return Err(Fault::not_served("type AWSCredentials")),
        BackendSecurityPolicyType::AzureCredentials => {
            return Err(Fault::not_served("type AzureCredentials"));
        }
        BackendSecurityPolicyType::GcpCredentials => return Err(Fault::not_served("type GCPCredentials")),
    };
    let missing = || Fault::new("missing-key", format!("the policy has no {field}"));
    Ok((field, key.as_ref().ok_or_else(missing)))
}

fn api_key(
    world: &World<'_>,
    policy: &Object<BackendSecurityPolicy>,
    secret: &SecretRef,
    at: &At<'_>,
    notes: &mut Notes,
) -> Result<Secret, Fault> {
    let SecretRef { group, kind, name, namespace } = secret;
    if group != group::CORE || kind != "Secret" {
        return Err(Fault::new("invalid-kind", format!("{kind} {name} is no Secret")));
    }
    let own = &*policy.meta.namespace;
    let namespace = namespace.as_deref().unwrap_or(own);
    let from = Party { group: group::AI, kind: "BackendSecurityPolicy", namespace: own };
    let object = world.secrets.get(namespace, name)?;
    world.grants.check(from, Party { group: group::CORE, kind: "Secret", namespace }, name)?;
    let key = object.spec.data.get(API_KEY).ok_or_else(|| {
        Fault::new("secret-key-not-found", format!("Secret {namespace}/{name} has no key {API_KEY}"))
            .help(keys_of(&object.spec))
    })?;
    if key.expose() != key.expose().trim_ascii() && !key.expose().trim_ascii().is_empty() {
        let message = format!(
            "the key {API_KEY} of Secret {namespace}/{name} has white space around it; it is dropped"
        );
        notes.info(at, Fault::new("white-space-in-key", message));
    }
    Ok(key.clone())
}
