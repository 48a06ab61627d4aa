//! Which tools an MCPRoute lets through.

use regex::Regex;
use tollgate_types::{Diagnostics, Severity};

use super::at;
use crate::{
    raw::Raw,
    registry::AI_GATEWAY,
    tree::{Node, Value},
};

/// Patterns that one backend may have.
const MOST: usize = 32;

pub(super) fn check(object: &Raw, notes: &mut Diagnostics) {
    if !object.is(AI_GATEWAY, "MCPRoute") {
        return;
    }
    let backends = object.node.at(&["spec", "backendRefs"]).map(list).unwrap_or_default();
    for (i, backend) in backends.iter().enumerate() {
        for list_name in ["includeRegex", "excludeRegex"] {
            let patterns = backend.at(&["toolSelector", list_name]).map(list).unwrap_or_default();
            let field = format!("spec.backendRefs[{i}].toolSelector.{list_name}");
            if patterns.len() > MOST {
                let message = format!("expected at most {MOST} of `{list_name}`, found {}", patterns.len());
                let help = "join patterns with `|`";
                notes.push(at(object, Severity::Error, ("too-many-items", &field, ""), (message, help)));
            }
            for (j, pattern) in patterns.iter().enumerate() {
                let field = format!("{field}[{j}]");
                pattern_of(object, pattern, &field, notes);
            }
        }
    }
}

fn pattern_of(object: &Raw, pattern: &Node, field: &str, notes: &mut Diagnostics) {
    let Some(text) = pattern.text() else {
        let message = format!("expected a pattern, found {}", pattern.describe());
        let help = "quote it: without quotes YAML reads [, {, * and `: ` as its own";
        notes.push(at(object, Severity::Error, ("invalid-regex", field, ""), (message, help)));
        return;
    };
    if let Err(error) = Regex::new(text) {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let message = format!("{text:?} is no regular expression: {reason}");
        let help = "patterns are RE2, matched anywhere in the tool's own name, without the backend's prefix";
        notes.push(at(object, Severity::Error, ("invalid-regex", field, ""), (message, help)));
    }
}

fn list(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        Value::Scalar(_) | Value::Map(_) => &[],
    }
}
