use tollgate_types::Severity;

use crate::{registry::Known, tree::Node};

/// Fields that say to what a policy applies, and nothing about what it does.
const TARGETS: [&str; 4] = ["targetRef", "targetRefs", "targetSelectors", "mergeType"];

/// What becomes of traffic while a kind is not served.
pub(crate) fn consequence(known: &Known, spec: Option<&Node>) -> (Severity, String) {
    let kind = known.kind;
    let text = match kind {
        "XBackendTrafficPolicy" | "EnvoyExtensionPolicy" | "EnvoyPatchPolicy" => {
            format!("{kind} is not served yet: traffic flows without it ({})", settings(spec))
        }
        "InferencePool" => {
            "InferencePool is not served yet: rules that refer to it answer 500 for their share of requests"
                .to_owned()
        }
        "ListenerSet" | "XListenerSet" => {
            format!(
                "{kind} is not served yet: its listeners are not opened, and routes do not attach to them"
            )
        }
        "MCPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute" | "UDPRoute" => {
            format!("{kind} is not served yet: it takes no requests")
        }
        _ => format!("{kind} is not served yet; it has no effect"),
    };
    (Severity::Warning, text)
}

/// The settings that are not applied, by name.
fn settings(spec: Option<&Node>) -> String {
    let entries = spec.and_then(Node::entries).unwrap_or_default();
    let names: Vec<_> =
        entries.iter().map(|entry| entry.key.as_str()).filter(|key| !TARGETS.contains(key)).collect();
    if names.is_empty() { "it sets nothing".to_owned() } else { format!("not applied: {}", names.join(", ")) }
}
