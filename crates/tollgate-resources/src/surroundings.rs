//! What stands around a gateway's resources in the same manifests: the configuration of Envoy Gateway, the charts that
//! install it, what applies them, and who watches. Nothing of it is served, and much goes wrong in it.

mod applied;
mod charts;
mod config;
mod dashboards;
mod fields;
mod secrets;
mod tools;
mod unbuilt;

use tollgate_types::{Diagnostic, Diagnostics, Severity};

pub use self::{
    secrets::{MadeSecret, made_secrets},
    unbuilt::build_parts,
};
use crate::{
    de::push_key,
    load::Source,
    raw::{self, Raw},
    registry::{AI_GATEWAY, ENVOY_GATEWAY, GATEWAY_API},
    tree::{Node, Value},
};

/// What is wrong around the resources. Beside what `load` finds; the two say nothing twice.
#[must_use]
pub fn surroundings(sources: &[Source<'_>], env: &dyn Fn(&str) -> Option<String>) -> Diagnostics {
    let objects = raw::objects(sources, env);
    let mut notes = Diagnostics::default();
    let notes = &mut notes;
    let unbuilt = unbuilt::Unbuilt::of(&objects);
    let installs = charts::installs(&objects, &unbuilt);
    config::check(&objects, &installs, notes);
    charts::check(&objects, &installs, notes);
    applied::check(&objects, &unbuilt, notes);
    for object in &objects {
        dashboards::check(object, notes);
        tools::check(object, notes);
        nulls(object, notes);
        old_version(object, notes);
    }
    std::mem::take(notes)
}

/// Charts render `null` where a value is empty; an API server drops it, and refuses the object where it was required.
fn nulls(object: &Raw, notes: &mut Diagnostics) {
    let ours = [GATEWAY_API, ENVOY_GATEWAY, AI_GATEWAY].contains(&object.group.as_str());
    let Some(spec) = object.node.get("spec").filter(|_| ours && object.kind != "EnvoyGateway") else {
        return;
    };
    null_in(object, spec, &mut "spec".to_owned(), notes);
}

fn null_in(object: &Raw, node: &Node, path: &mut String, notes: &mut Diagnostics) {
    let length = path.len();
    match &node.value {
        Value::Scalar(_) if node.is_null() => {
            let message = format!("{path} is null: the API server drops it");
            let help = "leave the field out where there is nothing to say".to_owned();
            notes.push(object.diagnostic(Severity::Warning, ("null-value", path), (message, Some(help))));
        }
        Value::Scalar(_) => {}
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                path.push_str(&format!("[{i}]"));
                null_in(object, item, path, notes);
                path.truncate(length);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                push_key(path, &entry.key);
                null_in(object, &entry.value, path, notes);
                path.truncate(length);
            }
        }
    }
}

fn old_version(object: &Raw, notes: &mut Diagnostics) {
    if object.is(GATEWAY_API, "BackendTLSPolicy") && object.version == "v1alpha3" {
        let message = "BackendTLSPolicy v1alpha3 is not served by the standard channel since Gateway API 1.4"
            .to_owned();
        let help = format!("write apiVersion: {GATEWAY_API}/v1, with Envoy Gateway 1.6 or later");
        notes.push(object.diagnostic(
            Severity::Info,
            ("deprecated-version", "apiVersion"),
            (message, Some(help)),
        ));
    }
}

/// A finding below a part of an object.
fn at(
    object: &Raw,
    severity: Severity,
    (code, prefix, field): (&'static str, &str, &str),
    (message, help): (String, &str),
) -> Diagnostic {
    let dot = if prefix.is_empty() || field.is_empty() { "" } else { "." };
    object.diagnostic(severity, (code, &format!("{prefix}{dot}{field}")), (message, Some(help.to_owned())))
}

#[cfg(test)]
mod tests;
