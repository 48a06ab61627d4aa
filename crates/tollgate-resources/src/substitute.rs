use tollgate_types::Severity;

use crate::{
    de::push_key,
    finding::Finding,
    tree::{Mark, Node, Value},
};

/// Replaces `${VAR}`, `${VAR:-default}` and `${VAR:=default}` in every value of an object. It works on parsed
/// scalars, so that no value can break the YAML around it. `$$` and a `$` without a brace stay as they are.
pub(crate) fn substitute(node: &mut Node, env: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut walk = Walk { env, path: String::new(), findings: Vec::new() };
    walk.node(node);
    walk.findings
}

struct Walk<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    path: String,
    findings: Vec<Finding>,
}

/// One `${…}`.
pub(crate) struct Reference<'a> {
    name: &'a str,
    default: Option<&'a str>,
    /// With a colon the default also stands in for an empty value.
    empty_counts: bool,
    /// What follows the closing brace.
    pub(crate) rest: &'a str,
}

// === impl Walk ===

impl Walk<'_> {
    fn node(&mut self, node: &mut Node) {
        let length = self.path.len();
        match &mut node.value {
            Value::Scalar(scalar) => {
                if scalar.text.contains("${")
                    && let Some(text) = self.expand(&scalar.text, node.at)
                {
                    scalar.text = text;
                    scalar.substituted = true;
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.path.push_str(&format!("[{index}]"));
                    self.node(item);
                    self.path.truncate(length);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    push_key(&mut self.path, &entry.key);
                    self.node(&mut entry.value);
                    self.path.truncate(length);
                }
            }
        }
    }

    /// `None` where there was nothing to replace.
    fn expand(&mut self, text: &str, at: Mark) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut replaced = false;
        while let Some(dollar) = rest.find('$') {
            let (before, from) = rest.split_at(dollar);
            out.push_str(before);
            if let Some(after) = from.strip_prefix("$$") {
                out.push_str("$$");
                rest = after;
            } else if let Some(reference) = reference(from) {
                out.push_str(&self.value(&reference, at));
                replaced = true;
                rest = reference.rest;
            } else {
                out.push('$');
                rest = &from[1..];
            }
        }
        out.push_str(rest);
        replaced.then_some(out)
    }

    fn value(&mut self, reference: &Reference<'_>, at: Mark) -> String {
        let Reference { name, default, empty_counts, rest: _ } = *reference;
        let set = (self.env)(name).filter(|value| !(empty_counts && default.is_some() && value.is_empty()));
        match (set, default) {
            (Some(value), _) => value,
            (None, Some(default)) => default.to_owned(),
            (None, None) => {
                self.findings.push(Finding {
                    severity: Severity::Error,
                    code: "variable-not-set",
                    message: format!("the environment variable {name} is not set"),
                    help: Some(format!("set it, or give a default: ${{{name}:=…}}")),
                    at: Some(at),
                    field: self.path.clone(),
                });
                String::new()
            }
        }
    }
}

/// Reads a reference at the start of `text`; what is not quite one is nobody's business.
pub(crate) fn reference(text: &str) -> Option<Reference<'_>> {
    let inner = text.strip_prefix("${")?;
    let name_length = inner.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let (name, tail) = inner.split_at(name_length);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Some(rest) = tail.strip_prefix('}') {
        return Some(Reference { name, default: None, empty_counts: false, rest });
    }
    let empty_counts = tail.starts_with(':');
    let default = tail.strip_prefix(':').unwrap_or(tail).strip_prefix(['-', '='])?;
    let end = closing_brace(default)?;
    Some(Reference { name, default: Some(&default[..end]), empty_counts, rest: &default[end + 1..] })
}

/// The brace that closes the reference: a default may hold pairs of its own, as JSON does.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 0 => return Some(index),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}
