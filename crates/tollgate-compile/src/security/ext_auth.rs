use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tollgate_auth::{BodyToAuth, ExtAuth, ExtAuthId, ExtAuthProtocol, HttpPath, OnFailure};
use tollgate_resources::{BackendObjectRef, ContextValueRef, ExtAuth as ExtAuthSpec};
use tollgate_snapshot::{Problem, UpstreamProtocol};
use tollgate_types::Secret;

use super::{Making, service, unheeded};
use crate::{
    Fault,
    matches::header_name,
    notes::{At, Broken, Notes},
    tls::keys_of,
    world::group,
};

/// How long an external service may take (`timeout`).
const ASK: Duration = Duration::from_secs(10);

/// A service that is asked about each request.
pub(super) fn ext_auth(
    spec: &ExtAuthSpec,
    at: &At<'_>,
    making: &mut Making<'_, '_>,
) -> Result<ExtAuth, Arc<Problem>> {
    review(spec, at, making.notes);
    let context = context(spec, at, making)?;
    made(spec, context, making).map_err(|broken| making.notes.broken(at, broken))
}

/// What is not heeded.
fn review(spec: &ExtAuthSpec, at: &At<'_>, notes: &mut Notes) {
    let grpc = spec.grpc.as_ref().is_some_and(|service| service.backend_settings.is_some());
    let http = spec.http.as_ref().is_some_and(|service| service.backend_settings.is_some());
    for (given, field) in [(grpc, ".grpc.backendSettings"), (http, ".http.backendSettings")] {
        if given {
            unheeded(&at.to(field), notes);
        }
    }
    if spec.include_route_metadata {
        let fault = Fault::new("no-effect", "the service is not told of the route's metadata");
        notes.warning(
            &at.to(".includeRouteMetadata"),
            fault.help("contextExtensions tell it what belongs to the policy"),
        );
    }
}

/// Facts of the policy, some of which stand in other objects.
fn context(
    spec: &ExtAuthSpec,
    at: &At<'_>,
    making: &mut Making<'_, '_>,
) -> Result<Vec<(Box<str>, Secret)>, Arc<Problem>> {
    let mut context = Vec::with_capacity(spec.context_extensions.len());
    for (i, extension) in spec.context_extensions.iter().enumerate() {
        let value = match (&extension.value, &extension.value_ref) {
            (Some(value), _) => Ok(Secret::new(value.clone().into_bytes())),
            (None, Some(reference)) => referred(reference, making),
            (None, None) => Err(Fault::new("missing-field", "it has neither a value nor a valueRef")),
        };
        let at = at.to(format!(".contextExtensions[{i}]"));
        let value = value.map_err(|fault| making.notes.error(&at, fault))?;
        context.push((extension.name.as_str().into(), value));
    }
    Ok(context)
}

/// The value behind a key of a Secret or ConfigMap of the policy's namespace.
fn referred(reference: &ContextValueRef, making: &Making<'_, '_>) -> Result<Secret, Fault> {
    let ContextValueRef { group, kind, name, key } = reference;
    let missing = || {
        let message = format!("{kind} {name} has no key {key}");
        Fault::new(if kind == "Secret" { "secret-key-not-found" } else { "key-not-found" }, message)
    };
    match (group.as_str(), kind.as_str()) {
        (group::CORE, "Secret") => {
            let data = &making.world.secrets.get(making.namespace, name)?.spec;
            data.data.get(key).cloned().ok_or_else(|| missing().help(keys_of(data)))
        }
        (group::CORE, "ConfigMap") => {
            let map = &making.world.config_maps.get(making.namespace, name)?.spec;
            let text = map.data.get(key).map(|text| text.clone().into_bytes());
            text.or_else(|| map.binary_data.get(key).cloned()).map(Secret::new).ok_or_else(missing)
        }
        _ => Err(Fault::new("invalid-kind", format!("{kind} {name} is neither a Secret nor a ConfigMap"))),
    }
}

/// The list, or the one that was written before there was a list.
fn references<'a>(
    list: &'a [BackendObjectRef],
    single: Option<&'a BackendObjectRef>,
) -> &'a [BackendObjectRef] {
    if list.is_empty() { single.map(std::slice::from_ref).unwrap_or_default() } else { list }
}

fn made(
    spec: &ExtAuthSpec,
    context: Vec<(Box<str>, Secret)>,
    making: &mut Making<'_, '_>,
) -> Result<ExtAuth, Broken> {
    let headers = spec.headers_to_ext_auth.as_ref();
    let headers =
        headers.map(|names| names.iter().map(|name| header_name(name)).collect::<Result<Vec<_>, _>>());
    let (references, protocol) = match (&spec.grpc, &spec.http) {
        (Some(grpc), _) => (references(&grpc.backend_refs, grpc.backend_ref.as_ref()), ExtAuthProtocol::Grpc),
        (None, Some(http)) => {
            let path = match &http.path_override {
                Some(path) => HttpPath::Fixed(path.as_str().into()),
                None => HttpPath::Prefix(http.path.as_deref().unwrap_or_default().into()),
            };
            let to_backend: Result<Vec<_>, _> =
                http.headers_to_backend.iter().map(|name| header_name(name)).collect();
            let references = references(&http.backend_refs, http.backend_ref.as_ref());
            (references, ExtAuthProtocol::Http { path, to_backend: to_backend? })
        }
        (None, None) => (&[][..], ExtAuthProtocol::Grpc),
    };
    let (name, mut upstream) = service(references, making)?;
    if protocol == ExtAuthProtocol::Grpc {
        upstream.protocol = UpstreamProtocol::Http2;
    }
    let kind = if protocol == ExtAuthProtocol::Grpc { "grpc" } else { "http" };
    let id = ExtAuthId(format!("{kind} {name}").into());
    making.services.authorizer(&id, &name, upstream);
    let on_failure = match (spec.fail_open, spec.status_on_error) {
        (true, _) => OnFailure::Pass,
        (false, status) => OnFailure::Refuse(
            status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::FORBIDDEN),
        ),
    };
    Ok(ExtAuth {
        id,
        protocol,
        headers: headers.transpose()?,
        body: spec.body_to_ext_auth.as_ref().map(|body| BodyToAuth {
            max_bytes: usize::try_from(body.max_request_bytes).unwrap_or(usize::MAX),
        }),
        timeout: spec.timeout.unwrap_or(ASK),
        on_failure,
        context,
        recompute_route: spec.recompute_route,
    })
}
