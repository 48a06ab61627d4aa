//! CustomResourceDefinitions of the AI kinds: schemas from the Rust types, limits and CEL from `crds::rules`.

mod rules;
mod schema;
#[cfg(test)]
mod tests;
mod yaml;

use schemars::JsonSchema;
use serde_json::{Value as Json, json};

use crate::{
    kinds::{AiGatewayRoute, AiServiceBackend, BackendSecurityPolicy, GatewayConfig, QuotaPolicy},
    registry::AI_GATEWAY,
};

/// The first is the one that is stored.
const VERSIONS: [&str; 2] = ["v1beta1", "v1alpha1"];

/// A kind's names.
struct Names {
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    policy: bool,
    versions: &'static [&'static str],
}

/// Our CustomResourceDefinitions: file name and YAML text of each, in the order of their names.
#[must_use]
pub fn crds() -> Vec<(String, String)> {
    let names = |kind, plural| Names { kind, plural, short: &[], policy: false, versions: &VERSIONS };
    vec![
        file::<AiGatewayRoute>(&names("AIGatewayRoute", "aigatewayroutes")),
        file::<AiServiceBackend>(&names("AIServiceBackend", "aiservicebackends")),
        file::<BackendSecurityPolicy>(&Names {
            policy: true,
            ..names("BackendSecurityPolicy", "backendsecuritypolicies")
        }),
        file::<GatewayConfig>(&Names { short: &["gwconfig"], ..names("GatewayConfig", "gatewayconfigs") }),
        file::<QuotaPolicy>(&Names {
            policy: true,
            versions: &["v1alpha1"],
            ..names("QuotaPolicy", "quotapolicies")
        }),
    ]
}

fn file<T: JsonSchema>(names: &Names) -> (String, String) {
    let text = yaml::write(&definition::<T>(names));
    (format!("{AI_GATEWAY}_{}.yaml", names.plural), format!("# Written by `cargo xtask crds`.\n{text}"))
}

fn definition<T: JsonSchema>(names: &Names) -> Json {
    let Names { kind, plural, short, policy, versions } = names;
    let versions: Vec<Json> =
        versions.iter().map(|version| one_version::<T>((kind, versions), version)).collect();
    let mut spelled = json!({
        "kind": kind,
        "listKind": format!("{kind}List"),
        "plural": plural,
        "singular": kind.to_lowercase(),
    });
    if !short.is_empty() {
        spelled["shortNames"] = json!(short);
    }
    let mut metadata = json!({ "name": format!("{plural}.{AI_GATEWAY}") });
    if *policy {
        metadata["labels"] = json!({ "gateway.networking.k8s.io/policy": "direct" });
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": { "group": AI_GATEWAY, "names": spelled, "scope": "Namespaced", "versions": versions },
    })
}

fn one_version<T: JsonSchema>((kind, versions): (&str, &[&str]), version: &str) -> Json {
    let stored = versions.first() == Some(&version);
    let mut one = json!({ "name": version });
    if !stored {
        one["deprecated"] = json!(true);
        one["deprecationWarning"] =
            json!(format!("{AI_GATEWAY}/v1alpha1 {kind} is deprecated: write {AI_GATEWAY}/v1beta1"));
    }
    one["served"] = json!(true);
    one["storage"] = json!(stored);
    one["additionalPrinterColumns"] =
        json!([{ "name": "Status", "type": "string", "jsonPath": ".status.conditions[-1:].type" }]);
    one["subresources"] = json!({ "status": {} });
    one["schema"] = json!({
        "openAPIV3Schema": {
            "type": "object",
            "properties": {
                "apiVersion": { "type": "string" },
                "kind": { "type": "string" },
                "metadata": { "type": "object" },
                "spec": schema::of::<T>(version),
                "status": rules::status(kind),
            },
        }
    });
    one
}
