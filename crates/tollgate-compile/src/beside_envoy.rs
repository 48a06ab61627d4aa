//! What is left to compile where Envoy carries the bytes.

use std::borrow::Cow;

use tollgate_resources::ResourceSet;

/// Who carries the bytes of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Host {
    /// This gateway.
    #[default]
    Native,
    /// Envoy, which serves plain routes and applies policies itself. Backends need not be resolvable here, and a rule
    /// may go to an InferencePool, whose endpoints Envoy is told by the endpoint picker.
    Envoy,
}

/// Policies that Envoy Gateway does not know.
const OURS: [&str; 2] = ["BackendSecurityPolicy", "QuotaPolicy"];

/// The resources that the host serves: beside Envoy less those that Envoy Gateway turns into configuration of Envoy,
/// since what they say must not happen twice.
pub(crate) fn part(set: &ResourceSet, host: Host) -> Cow<'_, ResourceSet> {
    if host == Host::Native {
        return Cow::Borrowed(set);
    }
    let mut part = set.clone();
    part.http_routes.clear();
    part.http_route_filters.clear();
    part.client_traffic_policies.clear();
    part.backend_tls_policies.clear();
    part.security_policies.clear();
    part.backend_traffic_policies.clear();
    part.envoy_proxies.clear();
    // Those that only we read guard what they would have guarded.
    part.refused_policies.retain(|policy| OURS.contains(&policy.spec.kind.as_str()));
    // Nothing may refer to what was taken away.
    part.gateway_classes.iter_mut().for_each(|class| class.spec.parameters_ref = None);
    for infrastructure in part.gateways.iter_mut().filter_map(|gateway| gateway.spec.infrastructure.as_mut())
    {
        infrastructure.parameters_ref = None;
    }
    Cow::Owned(part)
}
