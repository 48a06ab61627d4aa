//! GatewayConfig: variables for what reports to collectors.
use std::sync::Arc;

use serde_json::Value;
use tollgate_resources::{ExtProcContainer, GatewayConfig, GatewayConfigExtProc, Object};
use tollgate_types::Secret;

use crate::{
    Fault,
    listeners::CONFIG_ANNOTATION,
    notes::{At, Notes},
    world::World,
};

/// The variables of OpenTelemetry that GatewayConfigs give their containers. There is one process, so the first that
/// is said counts.
pub(crate) fn environment(world: &World<'_>, notes: &mut Notes) -> Vec<(Arc<str>, Secret)> {
    let mut all = Vec::<(Arc<str>, Secret)>::new();
    let mut seen = Vec::<&Object<GatewayConfig>>::new();
    for gateway in &world.set.gateways {
        let Some(name) = gateway.meta.annotations.get(CONFIG_ANNOTATION) else { continue };
        // One that is not there is reported with the costs.
        let Ok(config) = world.gateway_configs.get(&gateway.meta.namespace, name) else { continue };
        if !seen.iter().any(|known| std::ptr::eq(*known, config)) {
            seen.push(config);
            of_config(config, &mut all, (world, notes));
        }
    }
    all
}

fn of_config(
    config: &Object<GatewayConfig>,
    all: &mut Vec<(Arc<str>, Secret)>,
    (world, notes): (&World<'_>, &mut Notes),
) {
    let Some(GatewayConfigExtProc { kubernetes, metadata_forwarding_namespaces: _ }) = &config.spec.ext_proc
    else {
        return;
    };
    let Some(ExtProcContainer { env, resources, security_context, image, image_repository, volume_mounts }) =
        kubernetes
    else {
        return;
    };
    let at = At::new(config, "spec.extProc.kubernetes");
    let concerns = [
        (resources.is_some(), "resources"),
        (security_context.is_some(), "securityContext"),
        (image.is_some(), "image"),
        (image_repository.is_some(), "imageRepository"),
        (volume_mounts.is_some(), "volumeMounts"),
    ];
    for (_, field) in concerns.iter().filter(|(given, _)| *given) {
        let message = format!("{field} has no effect: there is no second container, Tollgate does its work");
        notes.info(&at.to(format!(".{field}")), Fault::new("no-effect", message));
    }
    let list = env.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (i, entry) in list.iter().enumerate() {
        let at = at.to(format!(".env[{i}]"));
        let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
        if !is_known(name) {
            let message = format!("variable {name} has no effect: those of OpenTelemetry are read here");
            notes.info(&at, Fault::new("no-effect", message));
            continue;
        }
        match value(entry, &config.meta.namespace, world) {
            Ok(value) => match all.iter().find(|(known, _)| **known == *name) {
                None => all.push((name.into(), value)),
                Some((_, first)) if first.expose() == value.expose() => {}
                Some(_) => {
                    let message = format!("another GatewayConfig sets {name} too, and its value counts");
                    notes.warning(&at, Fault::new("conflicting-variable", message));
                }
            },
            Err(fault) => notes.warning(&at, fault.help("the process's own variable counts, if any")),
        }
    }
}

/// What telemetry reads.
fn is_known(name: &str) -> bool {
    name.starts_with("OTEL_") || name.starts_with("OPENINFERENCE_") || name == "AI_GATEWAY_TRACING_SEMCONV"
}

/// As in a pod: itself, or in a Secret or ConfigMap of the GatewayConfig's namespace.
fn value(entry: &Value, namespace: &str, world: &World<'_>) -> Result<Secret, Fault> {
    if let Some(value) = entry.get("value").and_then(Value::as_str) {
        return Ok(Secret::new(value.as_bytes().to_vec()));
    }
    let Some(from) = entry.get("valueFrom") else { return Ok(Secret::new(Vec::new())) };
    let text = |reference: &Value, key: &str| {
        reference.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if let Some(reference) = from.get("secretKeyRef") {
        let (name, key) = (text(reference, "name"), text(reference, "key"));
        let data = &world.secrets.get(namespace, &name)?.spec.data;
        let missing = || Fault::new("secret-key-not-found", format!("Secret {name} has no key {key}"));
        return data.get(&key).cloned().ok_or_else(missing);
    }
    if let Some(reference) = from.get("configMapKeyRef") {
        let (name, key) = (text(reference, "name"), text(reference, "key"));
        let data = &world.config_maps.get(namespace, &name)?.spec.data;
        let missing = || Fault::new("key-not-found", format!("ConfigMap {name} has no key {key}"));
        return data.get(&key).map(|text| Secret::new(text.as_bytes().to_vec())).ok_or_else(missing);
    }
    Err(Fault::new("not-served-yet", "a variable from a field of the pod or a file is not served"))
}
