use super::{Rules, Validate, policy, rate_limit::rate_limit};
use crate::kinds::BackendTrafficPolicy;

const KINDS: [&str; 7] =
    ["Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"];

impl Validate for BackendTrafficPolicy {
    fn remember(&mut self, written: impl FnOnce() -> serde_json::Value) {
        self.written = crate::merge::Written(Some(written()));
    }

    fn validate(&self, rules: &mut Rules) {
        policy::targets(rules, self.targets(), &KINDS);
        rules.optional("rateLimit", self.rate_limit.as_ref(), rate_limit);
    }
}
