use serde_json::Value as Json;

/// A place in a source: line and column count from 1, the column in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A parsed value that remembers where it stood.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Mark,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Mark,
    pub(crate) value: Node,
}

#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Unquoted: a number, a boolean, null or else a string. All others are strings.
    pub(crate) plain: bool,
    /// Made by substitution: where unquoted it may be a string too, and no message shows it.
    pub(crate) substituted: bool,
}

/// What a scalar means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Resolved<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

// === impl Node ===

impl Node {
    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// What stands below several keys.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.resolve() == Resolved::Null)
    }

    /// The number of nodes in this tree, itself included.
    pub(crate) fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar(_) => 0,
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
        }
    }

    /// What it is, in words for an error; the text of a scalar only where it is short.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            Value::Scalar(scalar) if scalar.substituted => "a substituted value that is not one".to_owned(),
            Value::Scalar(scalar) => {
                let text = &scalar.text;
                let shown = text.chars().take(40).collect::<String>();
                match scalar.resolve() {
                    Resolved::Null => "null".to_owned(),
                    Resolved::Bool(_) => format!("the boolean {shown}"),
                    Resolved::Int(_) | Resolved::Float(_) => format!("the number {shown}"),
                    Resolved::Text(_) if shown.len() < text.len() => format!("the string {shown:?}…"),
                    Resolved::Text(_) => format!("the string {shown:?}"),
                }
            }
        }
    }

    /// The tree without positions.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect())
            }
            Value::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null => Json::Null,
                Resolved::Bool(value) => Json::Bool(value),
                Resolved::Int(value) => Json::from(value),
                Resolved::Float(value) => Json::from(value),
                Resolved::Text(text) => Json::from(text),
            },
        }
    }
}

// === impl Scalar ===

impl Scalar {
    /// The YAML core schema; a leading zero means octal, as Kubernetes reads it.
    pub(crate) fn resolve(&self) -> Resolved<'_> {
        let text = self.text.as_str();
        if !self.plain || (self.substituted && text.is_empty()) {
            return Resolved::Text(text);
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
            "true" | "True" | "TRUE" => Resolved::Bool(true),
            "false" | "False" | "FALSE" => Resolved::Bool(false),
            _ => number(text).unwrap_or(Resolved::Text(text)),
        }
    }
}

fn number(text: &str) -> Option<Resolved<'_>> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b < b'8');
        let parsed = if octal { i64::from_str_radix(text, 8) } else { text.parse() };
        // Too large for any field: a number all the same, never a string.
        return Some(
            parsed.map_or_else(|_| Resolved::Float(text.parse().unwrap_or(f64::INFINITY)), Resolved::Int),
        );
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return i64::from_str_radix(rest, radix).ok().map(Resolved::Int);
        }
    }
    let numeric = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-');
    if !digits.bytes().all(numeric) || !digits.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(Resolved::Float)
}
