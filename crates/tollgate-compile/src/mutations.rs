use http::{HeaderName, HeaderValue};
use tollgate_llm::BodyEdit;
use tollgate_resources::{BodyMutation, HeaderModifier, HeaderMutation, HttpHeader};
use tollgate_snapshot::HeaderEdit;

use crate::{
    Fault,
    notes::{At, Notes},
};

/// Headers that are ours: whatever writes or removes them would break routing or leak internals.
const INTERNAL_PREFIXES: [&str; 2] = [":", "x-ai-eg-"];
const INTERNAL: [&str; 2] = ["x-envoy-original-path", "x-gateway-destination-endpoint"];

/// Reads `headerMutation`; of a name that is both set and removed the set wins.
pub(crate) fn headers(mutation: Option<&HeaderMutation>, at: &At<'_>, notes: &mut Notes) -> HeaderEdit {
    let Some(HeaderMutation { set, remove }) = mutation else { return HeaderEdit::default() };
    let modifier = HeaderModifier { set: set.clone(), add: Vec::new(), remove: remove.clone() };
    edit(&modifier, at, notes)
}

/// Reads a header modifier; names that are ours, and values that no header can carry, are left out with a note.
pub(crate) fn edit(modifier: &HeaderModifier, at: &At<'_>, notes: &mut Notes) -> HeaderEdit {
    let HeaderModifier { set, add, remove } = modifier;
    let mut this = HeaderEdit::default();
    for (list, field, out) in [(set, "set", &mut this.set), (add, "add", &mut this.add)] {
        for (i, HttpHeader { name, value }) in list.iter().enumerate() {
            let at = at.to(format!(".{field}[{i}]"));
            if let Some(name) = header_name(name, &at.to(".name"), notes) {
                match HeaderValue::from_str(value) {
                    Ok(value) => out.push((name, value)),
                    Err(_) => {
                        let message =
                            format!("the value of header {name} has characters that no header can carry");
                        notes.warning(&at.to(".value"), Fault::new("invalid-header-value", message));
                    }
                }
            }
        }
    }
    for (i, name) in remove.iter().enumerate() {
        this.remove.extend(header_name(name, &at.to(format!(".remove[{i}]")), notes));
    }
    this
}

fn header_name(name: &str, at: &At<'_>, notes: &mut Notes) -> Option<HeaderName> {
    let lower = name.to_ascii_lowercase();
    if INTERNAL.contains(&&*lower) || INTERNAL_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        let message = format!("header {lower} is internal; it cannot be changed, and this is ignored");
        notes.warning(at, Fault::new("internal-header", message));
        return None;
    }
    match HeaderName::from_bytes(lower.as_bytes()) {
        Ok(name) => Some(name),
        Err(_) => {
            notes.warning(at, Fault::new("invalid-header-name", format!("{name:?} is no header name")));
            None
        }
    }
}

/// The route's changes over the backend's: sets are joined by name and the route's win, removals are joined.
pub(crate) fn merge_headers(backend: HeaderEdit, route: HeaderEdit) -> HeaderEdit {
    let mut merged = route;
    let own = merged.set.len();
    for (name, value) in backend.set {
        if !merged.set[..own].iter().any(|(known, _)| *known == name) {
            merged.set.push((name, value));
        }
    }
    for name in backend.remove {
        if !merged.remove.contains(&name) {
            merged.remove.push(name);
        }
    }
    merged
}

/// Reads `bodyMutation`.
pub(crate) fn body(mutation: Option<&BodyMutation>) -> tollgate_llm::BodyMutation {
    let Some(BodyMutation { set, remove }) = mutation else { return tollgate_llm::BodyMutation::default() };
    let set = set.iter().map(|field| BodyEdit { path: field.path.clone(), value: json_text(&field.value) });
    tollgate_llm::BodyMutation { set: set.collect(), remove: remove.clone() }
}

/// The route's changes over the backend's, by path.
pub(crate) fn merge_bodies(
    backend: tollgate_llm::BodyMutation,
    route: tollgate_llm::BodyMutation,
) -> tollgate_llm::BodyMutation {
    let mut merged = route;
    let own = merged.set.len();
    for edit in backend.set {
        if !merged.set[..own].iter().any(|known| known.path == edit.path) {
            merged.set.push(edit);
        }
    }
    for field in backend.remove {
        if !merged.remove.contains(&field) {
            merged.remove.push(field);
        }
    }
    merged
}

/// JSON as it is; anything else becomes a JSON string.
fn json_text(value: &str) -> String {
    match serde_json::from_str::<&serde_json::value::RawValue>(value) {
        Ok(raw) => raw.get().to_owned(),
        Err(_) => serde_json::Value::from(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&'static str, &'static str)]) -> Vec<(HeaderName, HeaderValue)> {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_route_wins_over_the_backend_by_name() {
        let backend =
            HeaderEdit { set: pairs(&[("a", "backend"), ("b", "backend")]), ..HeaderEdit::default() };
        let route = HeaderEdit { set: pairs(&[("a", "route")]), ..HeaderEdit::default() };
        assert_eq!(merge_headers(backend, route).set, pairs(&[("a", "route"), ("b", "backend")]));
    }

    #[test]
    fn a_value_that_is_no_json_becomes_a_string() {
        assert_eq!(json_text("1.50"), "1.50");
        assert_eq!(json_text("{\"a\": 1}"), "{\"a\": 1}");
        assert_eq!(json_text("auto \"x\""), "\"auto \\\"x\\\"\"");
    }
}
