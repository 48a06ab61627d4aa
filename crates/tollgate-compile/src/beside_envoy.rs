//! What is left to compile where Envoy carries the bytes.

use std::borrow::Cow;

use tollgate_resources::{ClientConnection, ClientTrafficPolicy, ResourceSet};

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
    part.client_traffic_policies.retain_mut(|policy| held(&mut policy.spec));
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

/// Leaves how large a body may be, since Envoy holds none while it streams them to us. False where nothing is left.
fn held(policy: &mut ClientTrafficPolicy) -> bool {
    let ClientTrafficPolicy { target_ref, target_refs, target_selectors, connection, .. } =
        std::mem::take(policy);
    let buffer_limit = connection.and_then(|connection| connection.buffer_limit);
    let connection =
        buffer_limit.map(|limit| ClientConnection { buffer_limit: Some(limit), ..Default::default() });
    *policy =
        ClientTrafficPolicy { target_ref, target_refs, target_selectors, connection, ..Default::default() };
    buffer_limit.is_some()
}

#[cfg(test)]
mod tests {
    use tollgate_resources::ClientHttp1;

    use super::*;

    #[test]
    fn of_a_clients_policy_the_size_of_bodies_remains() {
        let limited = ClientConnection { buffer_limit: Some(1), ..ClientConnection::default() };
        let connection = Some(ClientConnection { socket_buffer_limit: Some(2), ..limited });
        let http1 = Some(ClientHttp1 { enable_trailers: true, ..ClientHttp1::default() });
        let mut policy = ClientTrafficPolicy { connection, http1, ..ClientTrafficPolicy::default() };
        assert!(held(&mut policy));
        let left = ClientTrafficPolicy { connection: Some(limited), ..ClientTrafficPolicy::default() };
        assert_eq!(policy, left);
        policy.connection = None;
        assert!(!held(&mut policy));
    }
}
