//! SARIF 2.1.0 (OASIS), for code scanning.

use serde_json::{Map, Value, json};
use tollgate_types::{Diagnostic, Diagnostics, Severity};

use crate::explain::codes::{self, Code};

/// The whole log: one run, its rules the codes that occur.
pub(super) fn log(notes: &Diagnostics) -> Value {
    let mut names = Vec::<&str>::new();
    for note in notes {
        if !names.contains(&note.code) {
            names.push(note.code);
        }
    }
    let rules: Vec<_> = names.iter().map(|name| rule(name)).collect();
    let results: Vec<_> = notes.iter().map(|note| result(note, &names)).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "tollgate",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// What is always true of a code.
fn rule(name: &str) -> Value {
    let Some(Code { meaning, why, fix, markdown, .. }) = codes::find(name) else {
        return json!({"id": name});
    };
    json!({
        "id": name,
        "shortDescription": {"text": meaning},
        "fullDescription": {"text": why},
        "help": {"text": fix, "markdown": markdown},
    })
}

fn result(note: &Diagnostic, names: &[&str]) -> Value {
    let Diagnostic { severity, code, message, help, .. } = note;
    let level = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    };
    let text = match help {
        Some(help) => format!("{message}\nhelp: {help}"),
        None => message.clone(),
    };
    let mut result = Map::new();
    result.insert("ruleId".to_owned(), json!(code));
    result.insert("ruleIndex".to_owned(), json!(names.iter().position(|name| name == code)));
    result.insert("level".to_owned(), json!(level));
    result.insert("message".to_owned(), json!({"text": text}));
    let location = location(note);
    if !location.is_empty() {
        result.insert("locations".to_owned(), json!([location]));
    }
    if let Some(object) = &note.object {
        // The same problem after its line has moved.
        let print = format!("{object} {} {code}", note.field);
        result.insert("partialFingerprints".to_owned(), json!({"objectAndField/v1": print}));
    }
    Value::Object(result)
}

fn location(note: &Diagnostic) -> Map<String, Value> {
    let mut location = Map::new();
    if let Some(span) = &note.span {
        let place = json!({
            "artifactLocation": {"uri": uri(&span.file)},
            "region": {"startLine": span.line, "startColumn": span.column},
        });
        location.insert("physicalLocation".to_owned(), place);
    }
    if let Some(object) = &note.object {
        let name =
            if note.field.is_empty() { object.to_string() } else { format!("{object} {}", note.field) };
        location
            .insert("logicalLocations".to_owned(), json!([{"fullyQualifiedName": name, "kind": "resource"}]));
    }
    location
}

/// A path as a reference (RFC 3986): relative ones stay relative to the repository's root.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.trim_start_matches("./").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("./a b/ä:1.yaml"), "a%20b/%C3%A4%3A1.yaml");
        assert_eq!(uri("/srv/x.yaml"), "file:///srv/x.yaml");
        assert_eq!(uri("-"), "-");
    }
}
