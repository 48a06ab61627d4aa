use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::Deserialize;
use tollgate_types::{ObjectRef, Span};

use crate::{
    formats,
    tree::{Mark, Node, Value},
};

/// An object with its name, its file position and those of its fields.
#[derive(Clone, Debug)]
pub struct Object<T> {
    /// Name, labels and so on.
    pub meta: Meta,
    /// `v1`, `v1beta1` … without the group.
    pub version: String,
    /// Its kind's own part.
    pub spec: T,
    /// Where it and its fields stand.
    pub positions: Positions,
}

/// What every object has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Name.
    pub name: Arc<str>,
    /// Namespace, `default` unless given; empty for kinds that have none.
    pub namespace: Arc<str>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it was made, in seconds since 1970.
    pub created: Option<i64>,
}

/// `metadata` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename = "Metadata", rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) name: Option<String>,
    pub(crate) namespace: Option<String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "formats::timestamp")]
    pub(crate) creation_timestamp: Option<i64>,
}

/// Where an object and its fields stand. Holds no values, so that it may outlive a secret.
#[derive(Clone)]
pub struct Positions {
    file: Arc<str>,
    root: Arc<Place>,
}

struct Place {
    at: Mark,
    inside: Inside,
}

enum Inside {
    Nothing,
    Items(Vec<Place>),
    /// Key, where the key stands, and its value. Values that are lists or mappings are pointed at by their key.
    Fields(Vec<(Box<str>, Mark, Place)>),
}

// === impl Object ===

impl<T> Object<T> {
    /// Its reference, for diagnostics; `kind` is the kind's own name (`HTTPRoute`).
    #[must_use]
    pub fn reference(&self, kind: &str) -> ObjectRef {
        ObjectRef::new(kind, Arc::clone(&self.meta.namespace), Arc::clone(&self.meta.name))
    }

    /// Where a field stands (`spec.rules[0].backendRefs[1].name`), or else the nearest field around it that was
    /// written; the empty path is the object itself.
    #[must_use]
    pub fn span_of(&self, field: &str) -> Option<Span> {
        self.positions.span_of(field)
    }
}

// === impl Positions ===

impl Positions {
    pub(crate) fn new(file: Arc<str>, root: &Node) -> Self {
        Self { file, root: Arc::new(Place::of(root)) }
    }

    /// The file as the user named it.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Where a field stands, or else the nearest field around it that was written.
    #[must_use]
    pub fn span_of(&self, field: &str) -> Option<Span> {
        let Mark { line, column } = self.mark_of(field);
        (line > 0).then(|| Span { file: Arc::clone(&self.file), line, column })
    }

    fn mark_of(&self, field: &str) -> Mark {
        let (mut place, mut mark, mut rest) = (&*self.root, self.root.at, field);
        while let Some((step, tail)) = next_step(rest) {
            rest = tail;
            let found = match (&place.inside, step) {
                (Inside::Items(items), Step::Index(index)) => items.get(index).map(|item| (item, item.at)),
                (Inside::Fields(fields), Step::Key(key)) => {
                    fields.iter().find(|(name, ..)| **name == *key).map(|(_, key_at, value)| {
                        (value, if matches!(value.inside, Inside::Nothing) { value.at } else { *key_at })
                    })
                }
                (Inside::Nothing | Inside::Items(_) | Inside::Fields(_), _) => None,
            };
            let Some((inner, at)) = found else { return mark };
            (place, mark) = (inner, at);
        }
        mark
    }
}

impl fmt::Debug for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Positions({}:{}:{})", self.file, self.root.at.line, self.root.at.column)
    }
}

enum Step {
    Key(String),
    Index(usize),
}

/// Takes the first step off a path: `a`, `.a`, `[0]` or `["a.b"]`.
fn next_step(path: &str) -> Option<(Step, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if let Some(quoted) = path.strip_prefix("[\"") {
        let end = quoted.find("\"]")?;
        return Some((Step::Key(quoted[..end].to_owned()), &quoted[end + 2..]));
    }
    if let Some(indexed) = path.strip_prefix('[') {
        let end = indexed.find(']')?;
        return Some((Step::Index(indexed[..end].parse().ok()?), &indexed[end + 1..]));
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    (end > 0).then(|| (Step::Key(path[..end].to_owned()), &path[end..]))
}

// === impl Place ===

impl Place {
    fn of(node: &Node) -> Self {
        let inside = match &node.value {
            Value::Scalar(_) => Inside::Nothing,
            Value::List(items) => Inside::Items(items.iter().map(Place::of).collect()),
            Value::Map(entries) => Inside::Fields(
                entries.iter().map(|e| (e.key.as_str().into(), e.key_at, Place::of(&e.value))).collect(),
            ),
        };
        Self { at: node.at, inside }
    }
}
