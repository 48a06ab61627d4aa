//! Fields that the configuration of Envoy Gateway has: it passes over others without a word, so that a slip of the pen
//! switches something off.

use crate::{finding::nearest, tree::Node};

/// A part of the configuration, and what may stand in it.
const PARTS: [(&[&str], &[&str]); 7] = [
    (
        &[],
        &[
            "apiVersion",
            "kind",
            "metadata",
            "gateway",
            "provider",
            "logging",
            "admin",
            "telemetry",
            "rateLimit",
            "extensionManager",
            "extensionManagers",
            "extensionApis",
            "runtimeFlags",
            "xdsServer",
            "gatewayAPI",
            "envoyProxy",
        ],
    ),
    (
        &["extensionManager"],
        &[
            "name",
            "resources",
            "policyResources",
            "backendResources",
            "hooks",
            "service",
            "failOpen",
            "maxMessageSize",
        ],
    ),
    (&["extensionManager", "hooks"], &["xdsTranslator"]),
    (&["extensionManager", "hooks", "xdsTranslator"], &["pre", "post", "translation"]),
    (
        &["extensionManager", "hooks", "xdsTranslator", "translation"],
        &["listener", "route", "cluster", "secret"],
    ),
    (
        &["extensionApis"],
        &["enableBackend", "enableEnvoyPatchPolicy", "enableLua", "disableLua", "enableSDSSecretRef"],
    ),
    (&["rateLimit"], &["backend", "timeout", "failClosed", "telemetry"]),
];

/// Reports fields that are not known: path, message and help of each.
pub(super) fn check(config: &Node, report: &mut dyn FnMut(&str, String, &str)) {
    for (path, known) in PARTS {
        let entries = config.at(path).and_then(Node::entries).unwrap_or_default();
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let dot = if path.is_empty() { "" } else { "." };
            let field = format!("{}{dot}{}", path.join("."), entry.key);
            let message = format!("unknown field `{}` is ignored by Envoy Gateway", entry.key);
            let help = match nearest(&entry.key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known fields here: {}", known.join(", ")),
            };
            report(&field, message, &help);
        }
    }
}
