/// Fields of the Kubernetes API that are accepted without a word, since nothing here reads them.
pub(crate) fn fields_of(name: &str) -> &'static [&'static str] {
    match name {
        "Metadata" => &[
            "uid",
            "resourceVersion",
            "generation",
            "managedFields",
            "finalizers",
            "ownerReferences",
            "selfLink",
            "generateName",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        ],
        // These keep their fields beside `metadata`.
        // What SOPS adds to a Secret has a diagnostic of its own.
        "SecretData" => &["apiVersion", "kind", "metadata", "immutable", "sops"],
        "ConfigMapData" => &["apiVersion", "kind", "metadata", "immutable"],
        "EndpointSlice" => &["apiVersion", "kind", "metadata"],
        "Service" => &[
            "allocateLoadBalancerNodePorts",
            "clusterIPs",
            "externalIPs",
            "externalTrafficPolicy",
            "healthCheckNodePort",
            "internalTrafficPolicy",
            "ipFamilies",
            "ipFamilyPolicy",
            "loadBalancerClass",
            "loadBalancerIP",
            "loadBalancerSourceRanges",
            "publishNotReadyAddresses",
            "selector",
            "sessionAffinity",
            "sessionAffinityConfig",
            "trafficDistribution",
        ],
        "ServicePort" => &["nodePort"],
        "Endpoint" => &["deprecatedTopology", "hints", "nodeName", "targetRef", "zone"],
        "Namespace" => &["finalizers"],
        _ => &[],
    }
}
