//! Names and marks of generated objects. Users attach policies to them and scripts look for them: they stay.

/// Group and version of each kind that is generated.
pub(crate) const HTTP_ROUTE: &str = "gateway.networking.k8s.io/v1";
pub(crate) const REFERENCE_GRANT: &str = "gateway.networking.k8s.io/v1beta1";
pub(crate) const ENVOY_GATEWAY: &str = "gateway.envoyproxy.io/v1alpha1";

/// Groups without a version.
pub(crate) mod group {
    pub(crate) const GATEWAY: &str = "gateway.networking.k8s.io";
    pub(crate) const ENVOY: &str = "gateway.envoyproxy.io";
    pub(crate) const AI: &str = "aigateway.envoyproxy.io";
    pub(crate) const INFERENCE: &str = "inference.networking.k8s.io";
}

/// Marks a generated HTTPRoute. Envoy Gateway hands annotations with this prefix on to Envoy, so that the extension
/// server tells such routes from others.
pub(crate) const GENERATED: &str = "gateway.envoyproxy.io/ai-gateway-generated";
/// Carries the priorities, which stand nowhere else in an HTTPRoute: a change of them has to be a change of it.
pub(crate) const PRIORITIES: &str = "gateway.envoyproxy.io/backend-ref-priority";
/// Changes with what only the hooks know: Envoy Gateway asks them again where an HTTPRoute has changed.
pub(crate) const REVISION: &str = "gateway.envoyproxy.io/tollgate-revision";
/// By which a Gateway names its GatewayConfig.
pub(crate) const GATEWAY_CONFIG: &str = "aigateway.envoyproxy.io/gateway-config";
/// Says whose the other generated objects are.
pub(crate) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "tollgate");
/// The rule that answers what no other rule takes.
pub(crate) const NOT_FOUND_RULE: &str = "route-not-found";

/// The longest name of an object (RFC 1123 subdomain).
const LONGEST: usize = 253;

pub(crate) fn host_rewrite(route: &str) -> String {
    fit(format!("ai-eg-host-rewrite-{route}"))
}

pub(crate) fn not_found(route: &str) -> String {
    fit(format!("ai-eg-route-not-found-response-{route}"))
}

/// The dot keeps namespace and name apart: namespaces have none.
pub(crate) fn grant(namespace: &str, route: &str) -> String {
    fit(format!("ai-eg-{namespace}.{route}"))
}

/// The HTTPRoute of a part; the first has the route's own name. Sorted by name the others follow it, as their rules do.
pub(crate) fn part(route: &str, part: usize) -> String {
    if part == 0 { route.to_owned() } else { fit(format!("{route}-ai-eg-part-{}", part + 1)) }
}

/// A Backend that nobody has, for a reference that leads nowhere: Envoy Gateway answers 500 for its share.
pub(crate) fn unresolved(backend: &str) -> String {
    fit(format!("ai-eg-unresolved-{backend}"))
}

/// Cuts what is too long, and tells it apart by a hash of the whole.
pub(crate) fn fit(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let kept: String = name.chars().take(LONGEST - 17).collect();
    format!("{}-{}", kept.trim_end_matches(['-', '.']), hash(&name))
}

/// 16 digits that stand for a text (FNV-1a: the same everywhere, and nobody attacks it here).
pub(crate) fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (a, b) = ("a".repeat(252) + "b", "a".repeat(252) + "c");
        assert_eq!(host_rewrite(&a).len(), LONGEST);
        assert_ne!(host_rewrite(&a), host_rewrite(&b));
        assert_eq!(host_rewrite("chat"), "ai-eg-host-rewrite-chat");
    }

    #[test]
    fn parts_follow_their_first_by_name() {
        let names: Vec<_> = (0..3).map(|i| part("chat", i)).collect();
        assert_eq!(names, ["chat", "chat-ai-eg-part-2", "chat-ai-eg-part-3"]);
        assert!(names.is_sorted());
    }
}
