use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value as Json, json};
use tollgate_resources::{BackendSecurityPolicy, Manifest, Object, ResourceSet, SecretData, SecretRef};
use tollgate_types::{Diagnostics, ObjectRef};

use crate::{
    files,
    generate::Generated,
    names::{GENERATED, MANAGED_BY, group},
    numbers, order, services,
};

/// What Envoy Gateway reads, by group and kind. Of any other kind its file provider refuses the whole file.
const KINDS: [(&str, &[&str]); 5] = [
    ("", &["Namespace", "Secret", "ConfigMap", "Service"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    // Known where Envoy Gateway's `backendResources` names it, and so only for routes that need it.
    (group::INFERENCE, &["InferencePool"]),
    (
        group::GATEWAY,
        &[
            "GatewayClass",
            "Gateway",
            "HTTPRoute",
            "GRPCRoute",
            "TLSRoute",
            "TCPRoute",
            "UDPRoute",
            "ReferenceGrant",
            "BackendTLSPolicy",
        ],
    ),
    (
        group::ENVOY,
        &[
            "EnvoyProxy",
            "Backend",
            "HTTPRouteFilter",
            "ClientTrafficPolicy",
            "BackendTrafficPolicy",
            "SecurityPolicy",
            "EnvoyExtensionPolicy",
            "EnvoyPatchPolicy",
        ],
    ),
];

/// What users wrote, as it is translated and as it is passed on.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// What could be read.
    pub set: &'a ResourceSet,
    /// The objects themselves.
    pub manifests: &'a [Manifest],
    /// Those that break their schema: Envoy Gateway would refuse them, and everything beside them in the file.
    pub refused: &'a [ObjectRef],
}

/// Who reads the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A cluster, or a person: no Secrets.
    Cluster,
    /// Envoy Gateway's file provider: with Secrets (certificates, keys of clients and so on, but not the credentials
    /// for providers), and without what it does not understand.
    Files,
}

/// All that Envoy Gateway reads.
#[derive(Clone, Debug, Default)]
pub struct Complete {
    /// The objects, sorted.
    pub objects: Vec<Manifest>,
    /// What was left out of them for the sake of their reader.
    pub diagnostics: Diagnostics,
}

/// All that Envoy Gateway reads: the users' own objects for it as they are, and the generated ones, sorted. What a
/// refused policy is attached to is left out, since nobody knows whom it would have kept away.
#[must_use]
pub fn complete(written: Written<'_>, generated: &Generated, reader: Reader) -> Complete {
    let Written { set, manifests, refused } = written;
    let credentials = credentials(&set.backend_security_policies);
    let ours: BTreeSet<_> = generated.objects.iter().map(Manifest::reference).collect();
    let kept = manifests.iter().filter(|manifest| {
        let reference = manifest.reference();
        is_read(manifest)
            && manifest.kind != "Secret"
            && (manifest.kind != "InferencePool" || is_wanted(set, manifest))
            && !was_generated(manifest)
            && !ours.contains(&reference)
            && !refused.contains(&reference)
    });
    let mut objects: Vec<_> =
        kept.chain(&generated.objects).filter(|object| !is_closed(set, object)).cloned().collect();
    let mut diagnostics = Diagnostics::default();
    if reader == Reader::Files {
        let wanted = |secret: &&Object<SecretData>| {
            let key = (secret.meta.namespace.to_string(), secret.meta.name.to_string());
            secret.spec.secret_type.as_deref() == Some("kubernetes.io/tls") || !credentials.contains(&key)
        };
        objects.extend(set.secrets.iter().filter(wanted).map(secret));
        files::adapt(&mut objects);
        services::replace(set, &mut objects);
        diagnostics.0.extend(objects.iter_mut().flat_map(numbers::remove));
    }
    order::sort(&mut objects);
    Complete { objects, diagnostics }
}

fn is_read(manifest: &Manifest) -> bool {
    KINDS.iter().any(|(group, kinds)| *group == manifest.group() && kinds.contains(&manifest.kind.as_str()))
}

/// Whether a route refers to a pool.
fn is_wanted(set: &ResourceSet, pool: &Manifest) -> bool {
    let is = |kind: Option<&str>, name: &str, namespace: Option<&str>, own: &str| {
        let namespace = namespace.filter(|namespace| !namespace.is_empty()).unwrap_or(own);
        kind == Some(pool.kind.as_str()) && name == pool.name && namespace == pool.namespace
    };
    let of_ai = set.ai_gateway_routes.iter().any(|route| {
        let mut refs = route.spec.rules.iter().flat_map(|rule| &rule.backend_refs);
        refs.any(|to| is(to.kind.as_deref(), &to.name, to.namespace.as_deref(), &route.meta.namespace))
    });
    of_ai
        || set.http_routes.iter().any(|route| {
            let mut refs = route.spec.rules.iter().flat_map(|rule| &rule.backend_refs);
            refs.any(|to| is(Some(&to.kind), &to.name, to.namespace.as_deref(), &route.meta.namespace))
        })
}

/// An object of an earlier translation, which this one makes anew or no longer.
fn was_generated(manifest: &Manifest) -> bool {
    let metadata = manifest.body.get("metadata");
    let has = |map: &str, key: &str| metadata.and_then(|metadata| metadata.get(map)?.get(key)?.as_str());
    has("annotations", GENERATED).is_some() || has("labels", MANAGED_BY.0) == Some(MANAGED_BY.1)
}

/// `data` alone: Envoy Gateway's file provider does not know `stringData`.
fn secret(object: &Object<SecretData>) -> Manifest {
    let mut data = Map::new();
    for (key, value) in &object.spec.data {
        data.insert(key.clone(), BASE64_STANDARD.encode(value.expose()).into());
    }
    let (namespace, name) = (object.meta.namespace.to_string(), object.meta.name.to_string());
    let mut metadata = json!({"name": name, "namespace": namespace});
    if let (Json::Object(fields), false) = (&mut metadata, object.meta.labels.is_empty()) {
        fields.insert("labels".to_owned(), json!(object.meta.labels));
    }
    let body = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": object.spec.secret_type.as_deref().unwrap_or("Opaque"),
        "data": data,
    });
    Manifest { api_version: "v1".to_owned(), kind: "Secret".to_owned(), namespace, name, body }
}

/// The Secrets with credentials for providers, by namespace and name. Envoy never sees them.
fn credentials(policies: &[Object<BackendSecurityPolicy>]) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for policy in policies {
        let refs = refs(&policy.spec).into_iter().flatten();
        found.extend(refs.map(|secret| {
            let namespace = secret.namespace.clone().unwrap_or_else(|| policy.meta.namespace.to_string());
            (namespace, secret.name.clone())
        }));
    }
    found
}

fn refs(policy: &BackendSecurityPolicy) -> [Option<&SecretRef>; 9] {
    let BackendSecurityPolicy {
        api_key, aws_credentials: aws, azure_api_key, azure_credentials: azure, ..
    } = policy;
    let BackendSecurityPolicy { gcp_credentials: gcp, anthropic_api_key, .. } = policy;
    let federation = gcp.as_ref().and_then(|gcp| gcp.workload_identity_federation_config.as_ref());
    [
        api_key.as_ref().map(|key| &key.secret_ref),
        azure_api_key.as_ref().map(|key| &key.secret_ref),
        anthropic_api_key.as_ref().map(|key| &key.secret_ref),
        aws.as_ref().and_then(|aws| aws.credentials_file.as_ref()).map(|file| &file.secret_ref),
        aws.as_ref().and_then(|aws| aws.oidc_exchange_token.as_ref()).map(|token| &token.oidc.client_secret),
        azure.as_ref().and_then(|azure| azure.client_secret_ref.as_ref()),
        azure
            .as_ref()
            .and_then(|azure| azure.oidc_exchange_token.as_ref())
            .map(|token| &token.oidc.client_secret),
        gcp.as_ref().and_then(|gcp| gcp.credentials_file.as_ref()).map(|file| &file.secret_ref),
        federation.map(|federation| &federation.oidc_exchange_token.oidc.client_secret),
    ]
}

/// Whether a refused policy is attached to it.
fn is_closed(set: &ResourceSet, object: &Manifest) -> bool {
    let policies = &set.refused_policies;
    !policies.is_empty() && {
        let meta = object.meta();
        policies.iter().any(|policy| policy.chooses(&object.kind, &meta))
    }
}
