use serde_json::value::RawValue;
use tollgate_wire::{Literal, Members};

use crate::translate::json;

/// Schemas inside of schemas that are followed.
const DEPTH: usize = 100;

/// Whether objects may have more than their properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objects {
    Open,
    /// They have all of their properties and no other, which is what Gemini answers with and what other providers
    /// want to be told.
    Closed,
}

/// Gemini's Schema object as JSON Schema: types in small letters, `nullable` among the types. `None` where it is no
/// schema.
pub(super) fn json_schema(schema: &RawValue, objects: Objects) -> Option<Box<RawValue>> {
    let mut out = Vec::with_capacity(schema.get().len());
    write(schema, (objects, 0), &mut out)?;
    RawValue::from_string(String::from_utf8(out).ok()?).ok()
}

fn write(schema: &RawValue, (objects, depth): (Objects, usize), out: &mut Vec<u8>) -> Option<()> {
    let inner = (objects, depth + 1);
    if depth > DEPTH {
        return None;
    }
    let members: Members<'_> = serde_json::from_str(schema.get()).ok()?;
    let nullable = members.get("nullable").is_some_and(|value| value.get() == "true");
    out.push(b'{');
    for (name, value) in &members.0 {
        match name.escaped() {
            "type" => kind(value, nullable, out)?,
            "properties" => {
                json::key(out, "properties");
                let properties: Members<'_> = serde_json::from_str(value.get()).ok()?;
                out.push(b'{');
                for (name, schema) in &properties.0 {
                    json::comma(out);
                    json::literal(out, *name);
                    out.push(b':');
                    write(schema, inner, out)?;
                }
                out.push(b'}');
                if objects == Objects::Closed {
                    close(&properties, out);
                }
            }
            "items" => {
                json::key(out, "items");
                write(value, inner, out)?;
            }
            "required" if objects == Objects::Closed => {}
            "anyOf" | "any_of" => {
                json::key(out, "anyOf");
                out.push(b'[');
                for schema in serde_json::from_str::<Vec<&RawValue>>(value.get()).ok()? {
                    json::comma(out);
                    write(schema, inner, out)?;
                }
                out.push(b']');
            }
            // Words that other providers do not know.
            "nullable" | "propertyOrdering" | "property_ordering" | "example" => {}
            known => json::raw_field(out, &camel(known), value.get()),
        }
    }
    out.push(b'}');
    Some(())
}

fn close(properties: &Members<'_>, out: &mut Vec<u8>) {
    json::key(out, "required");
    out.push(b'[');
    for (name, _) in &properties.0 {
        json::comma(out);
        json::literal(out, *name);
    }
    out.push(b']');
    json::raw_field(out, "additionalProperties", "false");
}

fn kind(value: &RawValue, nullable: bool, out: &mut Vec<u8>) -> Option<()> {
    let kind: Literal<'_> = serde_json::from_str(value.get()).ok()?;
    let kind = kind.decode().to_ascii_lowercase();
    json::key(out, "type");
    if nullable {
        out.push(b'[');
        json::text(out, &kind);
        out.extend_from_slice(br#","null"]"#);
    } else {
        json::text(out, &kind);
    }
    Some(())
}

/// `minItems` where the client wrote `min_items`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut chars = word.chars();
        out.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_small_and_null_is_one_of_them() {
        let schema = r#"{"type":"OBJECT","properties":{"the_city":{"type":"STRING","nullable":true,"min_length":1},
            "days":{"type":"ARRAY","items":{"anyOf":[{"type":"INTEGER"},{}]}}},"required":["the_city"],
            "propertyOrdering":["days"]}"#;
        assert_eq!(
            json_schema(serde_json::from_str(schema).unwrap(), Objects::Open).unwrap().get(),
            r#"{"type":"object","properties":{"the_city":{"type":["string","null"],"minLength":1},"days":{"type":"array","items":{"anyOf":[{"type":"integer"},{}]}}},"required":["the_city"]}"#
        );
        assert!(json_schema(serde_json::from_str("[]").unwrap(), Objects::Open).is_none());
    }

    #[test]
    fn a_closed_object_has_all_of_its_properties_and_no_other() {
        let schema = r#"{"type":"OBJECT","properties":{"a":{"type":"STRING"},"b":{}},"required":["a"]}"#;
        assert_eq!(
            json_schema(serde_json::from_str(schema).unwrap(), Objects::Closed).unwrap().get(),
            r#"{"type":"object","properties":{"a":{"type":"string"},"b":{}},"required":["a","b"],"additionalProperties":false}"#
        );
    }
}
