use crate::finding::nearest;

pub(crate) const GATEWAY_API: &str = "gateway.networking.k8s.io";
pub(crate) const ENVOY_GATEWAY: &str = "gateway.envoyproxy.io";
pub(crate) const AI_GATEWAY: &str = "aigateway.envoyproxy.io";
pub(crate) const INFERENCE: &str = "inference.networking.k8s.io";

/// The kinds that have a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    GatewayClass,
    Gateway,
    HttpRoute,
    ReferenceGrant,
    Secret,
    ConfigMap,
    Service,
    EndpointSlice,
    Namespace,
    Backend,
    ClientTrafficPolicy,
    BackendTlsPolicy,
    HttpRouteFilter,
    EnvoyProxy,
    AiGatewayRoute,
    AiServiceBackend,
    BackendSecurityPolicy,
    GatewayConfig,
    SecurityPolicy,
    BackendTrafficPolicy,
    QuotaPolicy,
}

/// What is known of a kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) versions: &'static [&'static str],
    pub(crate) scope: Scope,
    pub(crate) role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Namespaced,
    Cluster,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Served(Served),
    /// It would change how traffic is served, and does not yet.
    NotYet,
    /// It has no bearing on a gateway.
    Unrelated,
    /// It says how something beside the gateway is installed: read by checks alone, and nothing is said of the rest.
    Around,
}

const fn served(
    group: &'static str,
    kind: &'static str,
    versions: &'static [&'static str],
    served: Served,
) -> Known {
    let scope = match served {
        Served::GatewayClass | Served::Namespace => Scope::Cluster,
        _ => Scope::Namespaced,
    };
    Known { group, kind, versions, scope, role: Role::Served(served) }
}

const fn not_yet(group: &'static str, kind: &'static str) -> Known {
    Known { group, kind, versions: &[], scope: Scope::Namespaced, role: Role::NotYet }
}

const fn unrelated(group: &'static str, kind: &'static str) -> Known {
    Known { group, kind, versions: &[], scope: Scope::Namespaced, role: Role::Unrelated }
}

const fn around(group: &'static str, kind: &'static str) -> Known {
    Known { group, kind, versions: &[], scope: Scope::Cluster, role: Role::Around }
}

const V1: &[&str] = &["v1"];
const V1_AND_BETA: &[&str] = &["v1", "v1beta1"];
const ALPHA: &[&str] = &["v1alpha1"];
const ALPHA_AND_BETA: &[&str] = &["v1beta1", "v1alpha1"];

const KINDS: &[Known] = &[
    served(GATEWAY_API, "GatewayClass", V1_AND_BETA, Served::GatewayClass),
    served(GATEWAY_API, "Gateway", V1_AND_BETA, Served::Gateway),
    served(GATEWAY_API, "HTTPRoute", V1_AND_BETA, Served::HttpRoute),
    served(GATEWAY_API, "ReferenceGrant", V1_AND_BETA, Served::ReferenceGrant),
    served(GATEWAY_API, "BackendTLSPolicy", &["v1", "v1alpha3"], Served::BackendTlsPolicy),
    served("", "Secret", V1, Served::Secret),
    served("", "ConfigMap", V1, Served::ConfigMap),
    served("", "Service", V1, Served::Service),
    served("", "Namespace", V1, Served::Namespace),
    served("discovery.k8s.io", "EndpointSlice", V1, Served::EndpointSlice),
    served(ENVOY_GATEWAY, "Backend", ALPHA, Served::Backend),
    served(ENVOY_GATEWAY, "ClientTrafficPolicy", ALPHA, Served::ClientTrafficPolicy),
    served(ENVOY_GATEWAY, "HTTPRouteFilter", ALPHA, Served::HttpRouteFilter),
    served(ENVOY_GATEWAY, "EnvoyProxy", ALPHA, Served::EnvoyProxy),
    served(ENVOY_GATEWAY, "SecurityPolicy", ALPHA, Served::SecurityPolicy),
    served(ENVOY_GATEWAY, "BackendTrafficPolicy", ALPHA, Served::BackendTrafficPolicy),
    served(AI_GATEWAY, "AIGatewayRoute", ALPHA_AND_BETA, Served::AiGatewayRoute),
    served(AI_GATEWAY, "AIServiceBackend", ALPHA_AND_BETA, Served::AiServiceBackend),
    served(AI_GATEWAY, "BackendSecurityPolicy", ALPHA_AND_BETA, Served::BackendSecurityPolicy),
    served(AI_GATEWAY, "GatewayConfig", ALPHA_AND_BETA, Served::GatewayConfig),
    served(AI_GATEWAY, "QuotaPolicy", ALPHA, Served::QuotaPolicy),
    not_yet(AI_GATEWAY, "MCPRoute"),
    not_yet(ENVOY_GATEWAY, "EnvoyExtensionPolicy"),
    not_yet(ENVOY_GATEWAY, "EnvoyPatchPolicy"),
    not_yet(GATEWAY_API, "GRPCRoute"),
    not_yet(GATEWAY_API, "TLSRoute"),
    not_yet(GATEWAY_API, "TCPRoute"),
    not_yet(GATEWAY_API, "UDPRoute"),
    not_yet(GATEWAY_API, "ListenerSet"),
    not_yet("gateway.networking.x-k8s.io", "XListenerSet"),
    not_yet("gateway.networking.x-k8s.io", "XBackendTrafficPolicy"),
    not_yet(INFERENCE, "InferencePool"),
    not_yet("inference.networking.x-k8s.io", "InferencePool"),
    not_yet("inference.networking.x-k8s.io", "InferenceObjective"),
    not_yet("inference.networking.x-k8s.io", "InferenceModel"),
    not_yet("inference.networking.x-k8s.io", "InferenceModelRewrite"),
    unrelated("apps", "Deployment"),
    unrelated("apps", "StatefulSet"),
    unrelated("apps", "DaemonSet"),
    unrelated("apps", "ReplicaSet"),
    unrelated("", "Pod"),
    unrelated("", "ServiceAccount"),
    unrelated("", "PersistentVolumeClaim"),
    unrelated("", "PersistentVolume"),
    unrelated("", "Endpoints"),
    unrelated("", "Event"),
    unrelated("", "LimitRange"),
    unrelated("", "ResourceQuota"),
    unrelated("batch", "Job"),
    unrelated("batch", "CronJob"),
    unrelated("rbac.authorization.k8s.io", "Role"),
    unrelated("rbac.authorization.k8s.io", "RoleBinding"),
    unrelated("rbac.authorization.k8s.io", "ClusterRole"),
    unrelated("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    unrelated("autoscaling", "HorizontalPodAutoscaler"),
    unrelated("policy", "PodDisruptionBudget"),
    unrelated("networking.k8s.io", "NetworkPolicy"),
    unrelated("networking.k8s.io", "Ingress"),
    around("apiextensions.k8s.io", "CustomResourceDefinition"),
    unrelated("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    unrelated("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    unrelated("monitoring.coreos.com", "ServiceMonitor"),
    unrelated("monitoring.coreos.com", "PodMonitor"),
    unrelated("monitoring.coreos.com", "PrometheusRule"),
    unrelated("cert-manager.io", "Certificate"),
    unrelated("cert-manager.io", "Issuer"),
    unrelated("cert-manager.io", "ClusterIssuer"),
    around("kustomize.config.k8s.io", "Kustomization"),
    around("kustomize.config.k8s.io", "Component"),
    around("kustomize.toolkit.fluxcd.io", "Kustomization"),
    around("source.toolkit.fluxcd.io", "GitRepository"),
    around("source.toolkit.fluxcd.io", "HelmRepository"),
    around("source.toolkit.fluxcd.io", "OCIRepository"),
    around("helm.toolkit.fluxcd.io", "HelmRelease"),
    around("argoproj.io", "Application"),
    around("helm.crossplane.io", "Release"),
    around("helm.m.crossplane.io", "Release"),
    around(ENVOY_GATEWAY, "EnvoyGateway"),
    unrelated("external-secrets.io", "ExternalSecret"),
    unrelated("external-secrets.io", "SecretStore"),
    around("external-secrets.io", "ClusterSecretStore"),
    unrelated("bitnami.com", "SealedSecret"),
];

/// What is known of a kind, by group and name.
pub(crate) fn find(group: &str, kind: &str) -> Option<&'static Known> {
    KINDS.iter().find(|known| known.group == group && known.kind == kind)
}

/// What an unknown kind most likely meant.
pub(crate) fn suggest(group: &str, kind: &str) -> Option<String> {
    let named = KINDS.iter().find(|known| known.kind == kind && known.group != group);
    if let Some(known) = named {
        return Some(format!("{kind} has apiVersion {}", api_version(known)));
    }
    let name = nearest(kind, KINDS.iter().map(|known| known.kind))?;
    let known = KINDS.iter().find(|known| known.kind == name && known.group == group);
    let known = known.or_else(|| KINDS.iter().find(|known| known.kind == name))?;
    Some(format!("did you mean {name} (apiVersion {})?", api_version(known)))
}

fn api_version(known: &Known) -> String {
    let version = known.versions.first().copied().unwrap_or("…");
    if known.group.is_empty() { version.to_owned() } else { format!("{}/{version}", known.group) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../docs/resources.md");

    #[test]
    fn the_page_of_resources_has_every_kind_that_concerns_traffic_and_says_whether_it_is_served() {
        for known in KINDS {
            let kind = format!("`{}`", known.kind);
            let rows: Vec<_> = PAGE
                .lines()
                .filter(|line| line.starts_with('|'))
                .filter(|line| line.split('|').nth(1).is_some_and(|cell| cell.contains(&kind)))
                .collect();
            match known.role {
                Role::Served(_) => {
                    let states = ["| served", "| not yet", "| no effect"];
                    let says = |row: &&&str| states.iter().any(|state| row.contains(state));
                    assert!(!rows.is_empty() && rows.iter().all(|row| says(&row)), "{kind}: {rows:?}");
                }
                Role::NotYet => {
                    let says = |row: &&&str| row.contains("| not yet") || row.contains("| no effect");
                    assert!(!rows.is_empty() && rows.iter().all(|row| says(&row)), "{kind}: {rows:?}");
                }
                Role::Unrelated | Role::Around => {}
            }
        }
    }
}
