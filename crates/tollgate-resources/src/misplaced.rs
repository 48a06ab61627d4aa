//! Fields that charts put where no version of a kind ever had them, and where they belong.

use crate::finding::Finding;

/// Kind, path without indexes, and where to write it instead.
const FIELDS: [(&str, &str, &str); 9] = [
    (
        "ClientTrafficPolicy",
        "spec.connection.connectionTimeout",
        "for connecting to a backend: BackendTrafficPolicy spec.timeout.tcp.connectTimeout",
    ),
    (
        "ClientTrafficPolicy",
        "spec.timeout.http.requestTimeout",
        "for receiving the request: spec.timeout.http.requestReceivedTimeout; for the reply: HTTPRoute \
         spec.rules[].timeouts.request",
    ),
    ("ClientTrafficPolicy", "spec.http", "each version has its own: spec.http1, spec.http2, spec.http3"),
    (
        "EnvoyProxy",
        "spec.provider.kubernetes.envoyDeployment.volumes",
        "volumes are the pod's: spec.provider.kubernetes.envoyDeployment.pod.volumes",
    ),
    ("GatewayConfig", "extProc", "it belongs under spec: spec.extProc.kubernetes.env"),
    (
        "AIServiceBackend",
        "spec.host",
        "make a Backend with endpoints: [{fqdn: {hostname: …, port: 443}}], and name it in spec.backendRef",
    ),
    (
        "AIServiceBackend",
        "spec.backendSecurityPolicyRef",
        "the policy names the backend: BackendSecurityPolicy spec.targetRefs",
    ),
    (
        "AIGatewayRoute",
        "spec.targetRefs",
        "since AI Gateway 0.4 a route names its Gateways in spec.parentRefs",
    ),
    (
        "AIGatewayRoute",
        "spec.schema",
        "since AI Gateway 0.4 the path of a request says which API it speaks; remove it",
    ),
];

/// Says where a field belongs that was found where it does not.
pub(crate) fn explain(kind: &str, finding: &mut Finding) {
    if finding.code != "unknown-field" {
        return;
    }
    let known = FIELDS.iter().find(|(whose, path, _)| *whose == kind && *path == finding.field);
    if let Some((_, path, help)) = known {
        let name = path.rsplit('.').next().unwrap_or(path);
        finding.message = format!("unknown field `{name}` is ignored: no {kind} has it here");
        finding.help = Some((*help).to_owned());
    }
}
