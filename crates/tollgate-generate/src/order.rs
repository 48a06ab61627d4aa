use tollgate_resources::Manifest;

/// Kinds in the order in which people read them: what is referred to stands before what refers to it.
const KINDS: [&str; 25] = [
    "Namespace",
    "GatewayClass",
    "EnvoyProxy",
    "Gateway",
    "ListenerSet",
    "ReferenceGrant",
    "ConfigMap",
    "Secret",
    "Service",
    "EndpointSlice",
    "InferencePool",
    "Backend",
    "BackendTLSPolicy",
    "HTTPRouteFilter",
    "HTTPRoute",
    "GRPCRoute",
    "TLSRoute",
    "TCPRoute",
    "UDPRoute",
    "ClientTrafficPolicy",
    "BackendTrafficPolicy",
    "SecurityPolicy",
    "EnvoyExtensionPolicy",
    "EnvoyPatchPolicy",
    "Deployment",
];

/// Sorts by kind as people read them, then by namespace and name.
pub fn sort(objects: &mut [Manifest]) {
    objects.sort_by(|a, b| key(a).cmp(&key(b)));
}

fn key(object: &Manifest) -> (usize, &str, &str, &str) {
    let rank = KINDS.iter().position(|kind| *kind == object.kind).unwrap_or(KINDS.len());
    (rank, &object.kind, &object.namespace, &object.name)
}
