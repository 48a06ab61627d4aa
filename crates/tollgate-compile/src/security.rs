//! SecurityPolicy: who may call.

mod authorization;
mod ext_auth;

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Uri};
use tollgate_auth::{
    Access, ApiKeys, Basic, ClaimToHeader, Cors, ExtAuthId, Jwt, KeyOrigin, KeySet, KeySourceId, Keys,
    Leniency, OriginRule, Place, Provider,
};
use tollgate_resources::{
    ApiKeyAuth, BackendObjectRef, BasicAuth, JwksSource, JwtAuth, JwtProvider, LocalJwks, PolicyCors,
    RemoteJwks, SecretRef, SecurityPolicy,
};
use tollgate_snapshot::{
    Address, AddressHost, Authorizer, CaCertificates, KeySource, Problem, Upstream, UpstreamProtocol,
    UpstreamTls,
};
use tollgate_types::Secret;

use crate::{
    Fault,
    backends::Backends,
    grants::Party,
    matches::{header_name, whole},
    notes::{At, Broken, Notes},
    policies::Winner,
    tls::keys_of,
    world::{World, group},
};

/// How long keys are good unless the policy says otherwise (Envoy Gateway, `cacheDuration`).
const CACHE: Duration = Duration::from_secs(300);
/// First pause after a failed fetch (`failedRefetchDuration`).
const RETRY: Duration = Duration::from_secs(1);
/// How long one fetch may take.
const FETCH: Duration = Duration::from_secs(10);

/// What is asked in the background or beside requests, collected from all policies.
#[derive(Debug, Default)]
pub(crate) struct Services {
    pub(crate) key_sources: Vec<KeySource>,
    pub(crate) authorizers: Vec<Authorizer>,
}

/// What a policy is made with.
pub(crate) struct Making<'w, 'a> {
    pub(crate) world: &'w World<'a>,
    pub(crate) backends: &'w Backends<'a>,
    pub(crate) services: &'w mut Services,
    pub(crate) notes: &'w mut Notes,
    /// Where the policy stands: its namespace is where its references lead.
    pub(crate) namespace: &'w str,
}

// === impl Services ===

impl Services {
    fn authorizer(&mut self, id: &ExtAuthId, name: &str, upstream: Upstream) {
        if self.authorizers.iter().any(|known| known.id == *id) {
            return;
        }
        let authority = match upstream.addresses.first() {
            Some(Address { host: AddressHost::Name(host), port, .. }) => format!("{host}:{port}"),
            Some(Address { host: AddressHost::Ip(ip), port, .. }) => format!("{ip}:{port}"),
            None => name.to_owned(),
        };
        let (authority, upstream) = (authority.into(), Arc::new(upstream));
        self.authorizers.push(Authorizer { id: id.clone(), authority, upstream });
    }
}

/// A compiled policy; one that is broken anywhere lets nobody in.
pub(crate) fn access(
    spec: &SecurityPolicy,
    winner: &Winner<'_, SecurityPolicy>,
    making: &mut Making<'_, '_>,
) -> Result<Access, Arc<Problem>> {
    let at = At::new(winner.object, "spec");
    let mut access = Access::new(at.reference());
    let SecurityPolicy { api_key_auth, cors, basic_auth, jwt, ext_auth, authorization, oidc, csrf, .. } =
        spec;
    for (given, field) in [(oidc, "oidc"), (csrf, "csrf")] {
        if given.is_some() {
            return Err(making.notes.error(&at.to(format!(".{field}")), Fault::not_served(field)));
        }
    }
    let tell =
        |making: &mut Making<'_, '_>, field: &str, broken: Broken| making.notes.broken(&at.to(field), broken);
    if let Some(spec) = cors {
        access.cors = Some(self::cors(spec).map_err(|fault| tell(making, ".cors", fault.into()))?);
    }
    if let Some(spec) = ext_auth {
        access.ext_auth = Some(ext_auth::ext_auth(spec, &at.to(".extAuth"), making)?);
    }
    if let Some(spec) = api_key_auth {
        let made = api_keys(spec, making).map_err(|fault| tell(making, ".apiKeyAuth", fault.into()))?;
        access.api_keys = Some(made);
    }
    if let Some(spec) = basic_auth {
        let made = basic(spec, making).map_err(|fault| tell(making, ".basicAuth", fault.into()))?;
        access.basic = Some(made);
    }
    if let Some(spec) = jwt {
        access.jwt = Some(self::jwt(spec, &at.to(".jwt"), making)?);
    }
    if let Some(spec) = authorization {
        access.authorization =
            Some(authorization::authorization(spec, &at.to(".authorization"), making.notes)?);
    }
    Ok(access)
}

fn header_value(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text)
        .map_err(|_| Fault::new("invalid-header-value", format!("{text:?} cannot stand in a header")))
}

fn cors(spec: &PolicyCors) -> Result<Cors, Fault> {
    let PolicyCors {
        allow_origins,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age,
        allow_credentials,
    } = spec;
    let list = |values: &[String]| match values {
        [] => Ok(None),
        values if values.iter().any(|value| value == "*") => Ok(Some(HeaderValue::from_static("*"))),
        values => header_value(&values.join(", ")).map(Some),
    };
    Ok(Cors {
        origins: allow_origins.iter().map(|origin| self::origin(origin)).collect::<Result<_, _>>()?,
        methods: list(allow_methods)?,
        headers: list(allow_headers)?,
        expose: list(expose_headers)?,
        max_age: *max_age,
        credentials: allow_credentials.unwrap_or(false),
    })
}

fn origin(text: &str) -> Result<OriginRule, Fault> {
    Ok(match text {
        "*" => OriginRule::Any,
        pattern if pattern.contains('*') => {
            let pattern = pattern.split('*').map(regex::escape).collect::<Vec<_>>().join(".*");
            OriginRule::Pattern(whole(&pattern)?)
        }
        exact => OriginRule::Exact(exact.into()),
    })
}

/// A Secret that a policy refers to.
fn secret<'a>(
    reference: &SecretRef,
    making: &Making<'_, 'a>,
) -> Result<&'a tollgate_resources::SecretData, Fault> {
    let SecretRef { group, kind, name, namespace } = reference;
    if group != group::CORE || kind != "Secret" {
        return Err(Fault::new("invalid-kind", format!("{kind} {name} is no Secret")));
    }
    let namespace = namespace.as_deref().unwrap_or(making.namespace);
    let from = Party { group: group::ENVOY, kind: "SecurityPolicy", namespace: making.namespace };
    let object = making.world.secrets.get(namespace, name)?;
    making.world.grants.check(from, Party { group: group::CORE, kind: "Secret", namespace }, name)?;
    Ok(&object.spec)
}

fn api_keys(spec: &ApiKeyAuth, making: &Making<'_, '_>) -> Result<ApiKeys, Fault> {
    let ApiKeyAuth { credential_refs, extract_from, forward_client_id_header, sanitize } = spec;
    let mut clients = Vec::<(Arc<str>, Secret)>::new();
    for reference in credential_refs {
        let data = secret(reference, making)?;
        clients.extend(data.data.iter().map(|(client, key)| (client.as_str().into(), key.clone())));
    }
    let mut places = Vec::new();
    for from in extract_from {
        for name in &from.headers {
            places.push(Place::Header { name: header_name(name)?, prefix: "".into() });
        }
        places.extend(from.params.iter().map(|name| Place::Param(name.as_str().into())));
        places.extend(from.cookies.iter().map(|name| Place::Cookie(name.as_str().into())));
    }
    let mut keys =
        ApiKeys::new(clients, places).map_err(|error| Fault::new("repeated-key", error.to_string()))?;
    if let Some(name) = forward_client_id_header {
        keys = keys.forwarded_as(header_name(name)?);
    }
    Ok(if *sanitize { keys.sanitized() } else { keys })
}

fn basic(spec: &BasicAuth, making: &Making<'_, '_>) -> Result<Basic, Fault> {
    const KEY: &str = ".htpasswd";
    let data = secret(&spec.users, making)?;
    let name = &spec.users.name;
    let file = data.data.get(KEY).ok_or_else(|| {
        Fault::new("secret-key-not-found", format!("Secret {name} has no key {KEY}")).help(keys_of(data))
    })?;
    let made = Basic::from_htpasswd(file)
        .map_err(|error| Fault::new("invalid-htpasswd", format!("{KEY} of Secret {name}: {error}")))?;
    Ok(match &spec.forward_username_header {
        Some(name) => made.forwarded_as(header_name(name)?),
        None => made,
    })
}

fn jwt(spec: &JwtAuth, at: &At<'_>, making: &mut Making<'_, '_>) -> Result<Jwt, Arc<Problem>> {
    let JwtAuth { optional, fail_open, providers } = spec;
    let mut all = Vec::with_capacity(providers.len());
    for (i, spec) in providers.iter().enumerate() {
        let at = at.to(format!(".providers[{i}]"));
        if spec.remote_jwks.as_ref().is_some_and(|remote| remote.backend_settings.is_some()) {
            // Its usual use is retries, which there are.
            let message = "backendSettings have no effect here: a fetch that failed is tried again, less and less often";
            making.notes.info(&at.to(".remoteJWKS.backendSettings"), Fault::new("no-effect", message));
        }
        all.push(provider(spec, making).map_err(|broken| making.notes.broken(&at, broken))?);
    }
    let leniency = match (optional, fail_open) {
        (_, true) => Leniency::FailOpen,
        (true, false) => Leniency::Optional,
        (false, false) => Leniency::Required,
    };
    Ok(Jwt { providers: all, leniency })
}

fn provider(spec: &JwtProvider, making: &mut Making<'_, '_>) -> Result<Provider, Broken> {
    let JwtProvider {
        name,
        issuer,
        audiences,
        remote_jwks,
        local_jwks,
        claim_to_headers,
        recompute_route,
        extract_from,
    } = spec;
    let keys = match (remote_jwks, local_jwks) {
        (Some(remote), _) => Keys::Remote(remote_keys(remote, making)?),
        (None, Some(local)) => Keys::Local(Arc::new(local_keys(local, making)?)),
        (None, None) => return Err(Fault::new("no-keys", "the provider has no keys").into()),
    };
    let places = match extract_from {
        None => Provider::usual_places(),
        Some(from) => {
            let mut places = Vec::new();
            for header in &from.headers {
                let prefix = header.value_prefix.as_deref().unwrap_or_default().into();
                places.push(Place::Header { name: header_name(&header.name)?, prefix });
            }
            places.extend(from.cookies.iter().map(|name| Place::Cookie(name.as_str().into())));
            places.extend(from.params.iter().map(|name| Place::Param(name.as_str().into())));
            places
        }
    };
    let mut claims_to_headers = Vec::new();
    for claim in claim_to_headers {
        claims_to_headers
            .push(ClaimToHeader { header: header_name(&claim.header)?, claim: claim.claim.as_str().into() });
    }
    Ok(Provider {
        name: name.as_str().into(),
        issuer: (!issuer.is_empty()).then(|| issuer.as_str().into()),
        audiences: audiences.iter().map(|audience| audience.as_str().into()).collect(),
        keys,
        places,
        claims_to_headers,
        recompute_route: recompute_route.unwrap_or(false),
    })
}

fn local_keys(spec: &LocalJwks, making: &Making<'_, '_>) -> Result<KeySet, Fault> {
    let text = match (spec.source, &spec.inline, &spec.value_ref) {
        (JwksSource::Inline, Some(inline), _) => inline.as_bytes(),
        (JwksSource::ValueRef, _, Some(reference)) => {
            if reference.kind != "ConfigMap" {
                return Err(Fault::new(
                    "invalid-kind",
                    format!("{} {} is no ConfigMap", reference.kind, reference.name),
                ));
            }
            let map = making.world.config_maps.get(making.namespace, &reference.name)?;
            let text = map.spec.data.get("jwks").or_else(|| map.spec.data.values().next());
            text.ok_or_else(|| Fault::new("no-keys", format!("ConfigMap {} is empty", reference.name)))?
                .as_bytes()
        }
        _ => return Err(Fault::new("no-keys", "the provider has no keys")),
    };
    KeySet::parse(text, KeyOrigin::Local).map_err(|error| Fault::new("invalid-jwks", error.to_string()))
}

fn remote_keys(spec: &RemoteJwks, making: &mut Making<'_, '_>) -> Result<KeySourceId, Broken> {
    let RemoteJwks {
        uri,
        backend_refs,
        backend_ref: _,
        backend_settings: _,
        cache_duration,
        failed_refetch_duration,
    } = spec;
    let parsed: Uri = uri.parse().map_err(|_| Fault::new("invalid-uri", format!("{uri:?} is no URL")))?;
    let (id, upstream) = match backend_refs.as_slice() {
        [] => (uri.clone(), of_uri(&parsed)?),
        references => {
            let (name, upstream) = service(references, making)?;
            (format!("{uri} at {name}"), upstream)
        }
    };
    let (cache, retry) = (cache_duration.unwrap_or(CACHE), failed_refetch_duration.unwrap_or(RETRY));
    let id = KeySourceId(format!("{id}, every {cache:?}").into());
    if !making.services.key_sources.iter().any(|known| known.id == id) {
        let upstream = Arc::new(upstream);
        making.services.key_sources.push(KeySource {
            id: id.clone(),
            uri: parsed,
            upstream,
            cache,
            retry,
            timeout: FETCH,
        });
    }
    Ok(id)
}

/// Settings of connections that this version does not heed.
fn unheeded(at: &At<'_>, notes: &mut Notes) {
    let fault = Fault::new("no-effect", "backendSettings have no effect here");
    notes.warning(at, fault.help("the service is asked with the gateway's own timeouts and connections"));
}

/// The backends that a policy refers to as one service: their names, and where they are. A request goes to the first
/// that can be reached, so they have to be spoken to in the same way.
fn service(
    references: &[BackendObjectRef],
    making: &mut Making<'_, '_>,
) -> Result<(String, Upstream), Broken> {
    let from = Party { group: group::ENVOY, kind: "SecurityPolicy", namespace: making.namespace };
    let mut all: Option<(String, Upstream)> = None;
    for reference in references {
        let upstream = making.backends.upstream(reference, from, making.notes)?;
        let namespace = reference.namespace.as_deref().unwrap_or(making.namespace);
        let name = format!("{} {namespace}/{}", reference.kind, reference.name);
        match &mut all {
            None => all = Some((name, upstream)),
            Some((names, first)) if (&first.tls, first.protocol) == (&upstream.tls, upstream.protocol) => {
                first.addresses.extend(upstream.addresses);
                *names = format!("{names}, {name}");
            }
            Some((names, _)) => {
                let message =
                    format!("{name} is not spoken to as {names} is: the TLS or the protocol differs");
                return Err(Fault::new("mixed-backends", message).into());
            }
        }
    }
    all.ok_or_else(|| Fault::new("no-backends", "the service has no backendRefs").into())
}

fn of_uri(uri: &Uri) -> Result<Upstream, Fault> {
    let host = uri.host().ok_or_else(|| Fault::new("invalid-uri", format!("{uri} has no host")))?;
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = Address {
        host: bare.parse::<IpAddr>().map_or_else(|_| AddressHost::Name(host.into()), AddressHost::Ip),
        port,
        hostname: None,
        zone: None,
    };
    let tls = secure.then(|| UpstreamTls {
        sni: None,
        ca: CaCertificates::System,
        subject_alt_names: Vec::new(),
        client: None,
    });
    Ok(Upstream { addresses: vec![address], tls, protocol: UpstreamProtocol::Auto })
}
