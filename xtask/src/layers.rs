//! Arrows between crates point to lower layers only, and the pure crates stay pure.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::shell::{self, Outcome};

/// Layer of each crate; see ARCHITECTURE.md. Tools may use anything.
const LAYERS: [(&str, u8); 18] = [
    ("tollgate-types", 0),
    ("tollgate-wire", 0),
    ("tollgate-auth", 1),
    ("tollgate-balance", 1),
    ("tollgate-limit", 1),
    ("tollgate-llm", 1),
    ("tollgate-compile", 2),
    ("tollgate-core", 2),
    ("tollgate-generate", 2),
    ("tollgate-resources", 2),
    ("tollgate-snapshot", 2),
    ("tollgate-envoy", 3),
    ("tollgate-net", 3),
    ("tollgate-ports", 3),
    ("tollgate-proxy", 3),
    ("tollgate-simulate", 3),
    ("tollgate-telemetry", 3),
    ("tollgate", 4),
];
/// For tests and tasks: used by anybody, and no part of the product.
const TOOLS: [&str; 3] = ["tollgate-testkit", "tollgate-bench", "xtask"];
/// Layers up to this one are pure: no reactor, no socket, no file, no environment, no clock.
const PURE: u8 = 2;
const IMPURE_CRATES: [&str; 8] =
    ["hyper", "kube", "notify", "reqwest", "socket2", "tokio", "tokio-rustls", "tonic"];
const IMPURE_CALLS: [&str; 8] = [
    "Instant::now()",
    "SystemTime::now()",
    "std::env",
    "std::fs",
    "std::net::Tcp",
    "std::process",
    "std::thread",
    "rand::rng()",
];

pub(crate) fn run() -> Outcome {
    let metadata =
        shell::output(shell::cargo().args(["metadata", "--no-deps", "--format-version", "1", "--offline"]))
            .ok_or("cargo metadata fails")?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let layers: BTreeMap<&str, u8> = LAYERS.into_iter().collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(&layer) = layers.get(name) else {
            if !TOOLS.contains(&name) {
                wrong.push(format!("{name} has no layer: add it to xtask/src/layers.rs and ARCHITECTURE.md"));
            }
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if dependency["kind"] == "dev" {
                continue;
            }
            let to = dependency["name"].as_str().unwrap_or_default();
            wrong.extend(arrow(name, layer, to, layers.get(to).copied()));
        }
        if layer <= PURE {
            wrong.extend(impure_calls(name));
        }
    }
    match wrong.as_slice() {
        [] => {
            println!("layers: every arrow points down");
            Ok(())
        }
        wrong => Err(format!("layers:\n  {}", wrong.join("\n  "))),
    }
}

/// Crates of one layer may use each other; cargo itself refuses circles.
fn arrow(name: &str, layer: u8, to: &str, to_layer: Option<u8>) -> Option<String> {
    match to_layer {
        Some(to_layer) if to_layer > layer => {
            Some(format!("{name} (layer {layer}) depends on {to} (layer {to_layer})"))
        }
        None if layer <= PURE && IMPURE_CRATES.contains(&to) => {
            Some(format!("{name} (layer {layer}) depends on {to}, but layers up to {PURE} are pure"))
        }
        _ => None,
    }
}

fn impure_calls(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in shell::files(&shell::root().join("crates").join(name).join("src"), ".rs") {
        if path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        // Tests at the foot of a file may do what they like.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (line, text) in (1..).zip(code.lines()) {
            let code = text.split("//").next().unwrap_or_default();
            for call in IMPURE_CALLS.iter().filter(|call| code.contains(**call)) {
                let path = path.strip_prefix(shell::root()).unwrap_or(&path).display();
                found.push(format!(
                    "{path}:{line}: {call}, but layers up to {PURE} are pure: take it as an argument"
                ));
            }
        }
    }
    found
}
