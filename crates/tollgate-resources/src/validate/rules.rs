use std::{collections::HashSet, fmt::Display, hash::Hash, ops::RangeInclusive};

use tollgate_types::Severity;

use crate::{de::push_key, finding::Finding};

/// A kind's rules.
pub(crate) trait Validate {
    /// Drops the fields that the object's version does not have, as an API server would; their names.
    fn prune(&mut self, _version: &str) -> Vec<&'static str> {
        Vec::new()
    }

    /// Keeps the spec as it was written, where something may be merged onto it.
    fn remember(&mut self, _written: impl FnOnce() -> serde_json::Value) {}

    fn validate(&self, rules: &mut Rules);
}

/// Collects broken rules, each at its field.
pub(crate) struct Rules {
    version: String,
    path: String,
    findings: Vec<Finding>,
}

/// Applies a kind's rules to an object whose own part stands at `prefix`.
pub(crate) fn check<T: Validate>(spec: &mut T, version: &str, prefix: &str) -> Vec<Finding> {
    let mut rules = Rules { version: version.to_owned(), path: prefix.to_owned(), findings: Vec::new() };
    for field in spec.prune(version) {
        let message = format!("unknown field `{field}` is ignored: {version} does not have it");
        rules.report(Severity::Warning, "unknown-field", (field, message));
    }
    spec.validate(&mut rules);
    rules.findings
}

// === impl Rules ===

impl Rules {
    fn report(&mut self, severity: Severity, code: &'static str, (field, message): (&str, String)) {
        let mut path = self.path.clone();
        if !field.is_empty() {
            push_key(&mut path, field);
        }
        self.findings.push(Finding { severity, code, message, help: None, at: None, field: path });
    }

    /// A rule is broken at a field of the current value; the empty field is the value itself.
    pub(crate) fn broken(&mut self, code: &'static str, field: &str, message: impl Into<String>) {
        self.report(Severity::Error, code, (field, message.into()));
    }

    /// Something will not do what its author may think.
    pub(crate) fn warn(&mut self, code: &'static str, field: &str, message: &str) {
        self.report(Severity::Warning, code, (field, message.to_owned()));
    }

    /// Checks that something holds.
    pub(crate) fn demand(&mut self, holds: bool, code: &'static str, (field, message): (&str, &str)) {
        if !holds {
            self.broken(code, field, message);
        }
    }

    /// Steps into a field.
    pub(crate) fn field(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        push_key(&mut self.path, name);
        inside(self);
        self.path.truncate(length);
    }

    /// Steps into a field that may be absent.
    pub(crate) fn optional<T>(&mut self, name: &str, value: Option<&T>, inside: impl FnOnce(&mut Self, &T)) {
        if let Some(value) = value {
            self.field(name, |rules| inside(rules, value));
        }
    }

    /// Steps into each item of a list.
    pub(crate) fn each<T>(&mut self, name: &str, items: &[T], mut inside: impl FnMut(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            let length = self.path.len();
            push_key(&mut self.path, name);
            self.path.push_str(&format!("[{index}]"));
            inside(self, item);
            self.path.truncate(length);
        }
    }

    /// How many items a list may have.
    pub(crate) fn count(&mut self, name: &str, length: usize, allowed: RangeInclusive<usize>) {
        if length < *allowed.start() {
            self.broken(
                "too-few-items",
                name,
                format!("expected at least {} of `{name}`, found {length}", allowed.start()),
            );
        } else if length > *allowed.end() {
            self.broken(
                "too-many-items",
                name,
                format!("expected at most {} of `{name}`, found {length}", allowed.end()),
            );
        }
    }

    /// No two items of a list may have one key; an item may have none.
    pub(crate) fn unique<K, I>(&mut self, code: &'static str, name: &str, keys: I)
    where
        K: Hash + Eq + Display,
        I: Iterator<Item = Option<K>>,
    {
        let mut seen = HashSet::new();
        for (index, key) in keys.enumerate() {
            let Some(key) = key else { continue };
            let text = key.to_string();
            if !seen.insert(key) {
                self.field(name, |rules| {
                    rules.path.push_str(&format!("[{index}]"));
                    rules.broken(code, "", format!("{text} stands in `{name}` twice"));
                });
            }
        }
    }

    /// The version in which the object was written.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// How many characters a text may have.
    pub(crate) fn length(&mut self, name: &str, text: &str, allowed: RangeInclusive<usize>) {
        let length = text.chars().count();
        if length < *allowed.start() {
            self.broken("empty-value", name, format!("`{name}` must not be empty"));
        } else if length > *allowed.end() {
            self.broken(
                "too-long",
                name,
                format!("`{name}` has {length} characters, at most {} are allowed", allowed.end()),
            );
        }
    }

    /// A number's range.
    pub(crate) fn range(&mut self, name: &str, value: u32, allowed: RangeInclusive<u32>) {
        if !allowed.contains(&value) {
            let (low, high) = (allowed.start(), allowed.end());
            self.broken("out-of-range", name, format!("{value} is out of range: expected {low} to {high}"));
        }
    }

    pub(crate) fn port(&mut self, name: &str, port: Option<u16>) {
        self.demand(port != Some(0), "invalid-port", (name, "0 is no port: expected 1 to 65535"));
    }

    /// A text's form; `text` is shown, so it must not be a credential.
    pub(crate) fn form(
        &mut self,
        code: &'static str,
        (name, text): (&str, &str),
        (holds, expected): (bool, &str),
    ) {
        if !holds {
            let shown: String = text.chars().take(80).collect();
            self.broken(code, name, format!("expected {expected}, found {shown:?}"));
        }
    }
}
