//! Keys that their provider does not take, and keys that everybody can read.

use serde_json::Value;
use tollgate_resources::{
    BackendSecurityPolicy, BackendSecurityPolicyType as Type, Object, ResourceSet, find,
};
use tollgate_types::ApiSchema;

use crate::{
    Fault,
    notes::{At, Located, Notes},
};

pub(super) fn advise(set: &ResourceSet, notes: &mut Notes) {
    for policy in &set.backend_security_policies {
        for target in policy.spec.target_refs.iter().filter(|target| target.kind == "AIServiceBackend") {
            if let Some(backend) = find(&set.ai_service_backends, &policy.meta.namespace, &target.name) {
                kind_of_key(policy, backend.spec.schema.name, &target.name, notes);
            }
        }
    }
    for config in &set.gateway_configs {
        let container = config.spec.ext_proc.as_ref().and_then(|ext_proc| ext_proc.kubernetes.as_ref());
        let env = container.and_then(|container| container.env.as_ref());
        variables(config, "spec.extProc.kubernetes.env", env, notes);
    }
    for proxy in &set.envoy_proxies {
        let kubernetes = proxy.spec.provider.as_ref().and_then(|provider| provider.kubernetes.as_ref());
        let deployment = kubernetes.and_then(|kubernetes| kubernetes.envoy_deployment.as_ref());
        let container = deployment.and_then(|deployment| deployment.container.as_ref());
        let path = "spec.provider.kubernetes.envoyDeployment.container.env";
        variables(proxy, path, container.and_then(|container| container.get("env")), notes);
    }
}

/// `APIKey` is `Authorization: Bearer`, which not every provider reads.
fn kind_of_key(policy: &Object<BackendSecurityPolicy>, schema: ApiSchema, backend: &str, notes: &mut Notes) {
    let (header, wanted) = match (policy.spec.policy_type, schema) {
        (Type::ApiKey, ApiSchema::AzureOpenAi) => ("api-key", "AzureAPIKey with azureAPIKey.secretRef"),
        (Type::ApiKey, ApiSchema::Anthropic) => {
            ("x-api-key", "AnthropicAPIKey with anthropicAPIKey.secretRef")
        }
        _ => return,
    };
    let message = format!(
        "type APIKey sends Authorization: Bearer, and {} backend {backend} reads its key from the header {header}",
        schema.as_str()
    );
    let fault = Fault::new("wrong-kind-of-key", message).help(format!("write type: {wanted}"));
    notes.warning(&At::new(policy, "spec.type"), fault);
}

/// Credentials in the plain values of variables.
fn variables(object: &dyn Located, path: &str, env: Option<&Value>, notes: &mut Notes) {
    for (i, variable) in env.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let text = |key| variable.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, value) = (text("name"), text("value"));
        let bearer = name.ends_with("_HEADERS") && value.to_ascii_lowercase().contains("authorization=");
        let what = match (in_url(value), bearer) {
            (true, _) => "has a user and a password in its URL",
            (false, true) => "has a credential in it",
            (false, false) => continue,
        };
        let message = format!("{name} {what}: whoever reads the manifest, the pod or a log has it");
        let help = "keep it in a Secret: OTEL_EXPORTER_OTLP_HEADERS with valueFrom.secretKeyRef, whose value is \
                    Authorization=Basic …";
        let fault = Fault::new("credential-in-plain-text", message).help(help);
        notes.warning(&At::new(object, format!("{path}[{i}].value")), fault);
    }
}

/// `https://user:password@host/…`
fn in_url(text: &str) -> bool {
    let authority = text.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    let user = authority.and_then(|authority| authority.rsplit_once('@'));
    user.is_some_and(|(user, _)| user.contains(':'))
}
