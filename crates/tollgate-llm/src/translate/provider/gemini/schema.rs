use serde_json::value::RawValue;
use tollgate_wire::{Literal, Members};

use crate::translate::json;

/// Schemas inside of schemas that are followed.
const DEPTH: usize = 100;

/// Bytes that a schema may become: what it refers to is copied to each place.
const SIZE: usize = 512 * 1024;

/// What Gemini's Schema object takes as it is (Vertex AI reference, `Schema`).
const KEPT: [&str; 15] = [
    "default",
    "description",
    "example",
    "maxItems",
    "minItems",
    "maxLength",
    "minLength",
    "maxProperties",
    "minProperties",
    "maximum",
    "minimum",
    "pattern",
    "propertyOrdering",
    "required",
    "title",
];

/// Formats that old models take; they refuse requests with others.
const FORMATS: [&str; 6] = ["date-time", "enum", "int32", "int64", "float", "double"];

/// Writes a JSON Schema as the subset of OpenAPI that models before Gemini 2.5 take: references are put in place,
/// types are in capitals, `null` among types becomes `nullable`.
pub(super) fn write(schema: &RawValue, out: &mut Vec<u8>) -> Result<(), String> {
    let mut writer = Writer { root: schema, open: Vec::new(), start: out.len() };
    writer.schema(schema, 0, out)
}

/// True where a schema is an object's that has no properties, which Gemini refuses.
pub(super) fn is_empty(schema: &RawValue) -> bool {
    let Ok(members) = serde_json::from_str::<Members<'_>>(schema.get()) else { return false };
    let is_object = members.get("type").is_none_or(|kind| kind.get() == r#""object""#);
    let has_more = ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|name| members.get(name).is_some());
    let none = |raw: &RawValue| raw.get().trim_start_matches('{').trim_start().starts_with('}');
    is_object && !has_more && members.get("properties").is_none_or(none)
}

struct Writer<'a> {
    root: &'a RawValue,
    /// References that are being put in place.
    open: Vec<String>,
    /// Where the schema begins in the output.
    start: usize,
}

/// What a schema is, once `null` is taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Null {
    Refused,
    Taken,
}

// === impl Writer ===

impl<'a> Writer<'a> {
    fn schema(&mut self, schema: &'a RawValue, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
        out.push(b'{');
        self.members(schema, depth, out)?;
        out.push(b'}');
        Ok(())
    }

    /// The members of a schema, into an object that is open.
    fn members(&mut self, schema: &'a RawValue, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if depth > DEPTH {
            return Err(format!("nests deeper than {DEPTH} schemas"));
        }
        if out.len() - self.start > SIZE {
            return Err(format!("is larger than {SIZE} bytes where its references are put in place"));
        }
        // `true` is a schema too, and takes anything.
        let Ok(members) = serde_json::from_str::<Members<'a>>(schema.get()) else { return Ok(()) };
        if let Some(reference) = members.get("$ref") {
            return self.reference(reference, depth, out);
        }
        if let Some(all) = members.get("allOf") {
            return match list(all)?.as_slice() {
                [only] => self.members(only, depth + 1, out),
                _ => Err("allOf must have exactly one element".to_owned()),
            };
        }
        let mut null = kind(&members, out)?;
        for (name, value) in &members.0 {
            match name.escaped() {
                "properties" => self.properties(value, depth, out)?,
                "items" if value.get().starts_with('{') => {
                    json::key(out, "items");
                    self.schema(value, depth + 1, out)?;
                }
                "anyOf" | "oneOf" => null = self.any(value, depth, out)?.or(null),
                "enum" => strings(value, out),
                "const" if value.get().starts_with('"') => {
                    json::raw_field(out, "enum", &format!("[{}]", value.get()));
                }
                "format" if FORMATS.contains(&value.get().trim_matches('"')) => {
                    json::raw_field(out, "format", value.get());
                }
                "nullable" if value.get() == "true" => null = Null::Taken,
                kept if KEPT.contains(&kept) => json::raw_field(out, kept, value.get()),
                _ => {}
            }
        }
        if null == Null::Taken {
            json::raw_field(out, "nullable", "true");
        }
        Ok(())
    }

    fn reference(&mut self, raw: &'a RawValue, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let path = serde_json::from_str::<Literal<'a>>(raw.get()).map(Literal::decode).unwrap_or_default();
        if self.open.iter().any(|open| *open == path) {
            return Err(format!("refers to itself at {path:?}"));
        }
        let target =
            resolve(self.root, &path).ok_or_else(|| format!("refers to {path:?}, which it has not"))?;
        self.open.push(path.into_owned());
        self.members(target, depth + 1, out)?;
        self.open.pop();
        Ok(())
    }

    fn properties(&mut self, raw: &'a RawValue, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let properties: Members<'a> =
            serde_json::from_str(raw.get()).map_err(|_| "properties must be an object".to_owned())?;
        json::key(out, "properties");
        out.push(b'{');
        for (name, schema) in properties.0 {
            json::comma(out);
            json::literal(out, name);
            out.push(b':');
            self.schema(schema, depth + 1, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// One of several. Where all but one are `null`, that one stands for itself.
    fn any(&mut self, raw: &'a RawValue, depth: usize, out: &mut Vec<u8>) -> Result<Null, String> {
        let all = list(raw)?;
        let some: Vec<_> = all.iter().copied().filter(|schema| !is_null(schema)).collect();
        let null = if some.len() < all.len() { Null::Taken } else { Null::Refused };
        if let [only] = some.as_slice() {
            self.members(only, depth + 1, out)?;
            return Ok(null);
        }
        json::key(out, "anyOf");
        out.push(b'[');
        for schema in some {
            json::comma(out);
            self.schema(schema, depth + 1, out)?;
        }
        out.push(b']');
        Ok(null)
    }
}

// === impl Null ===

impl Null {
    const fn or(self, other: Self) -> Self {
        match self {
            Self::Taken => Self::Taken,
            Self::Refused => other,
        }
    }
}

/// `type`, one or several.
fn kind(members: &Members<'_>, out: &mut Vec<u8>) -> Result<Null, String> {
    let Some(raw) = members.get("type") else { return Ok(Null::Refused) };
    let read: Result<Literal<'_>, _> = serde_json::from_str(raw.get());
    if let Ok(one) = read {
        json::text_field(out, "type", &one.decode().to_ascii_uppercase());
        return Ok(Null::Refused);
    }
    let several: Vec<Literal<'_>> =
        serde_json::from_str(raw.get()).map_err(|_| "type must be a word or a list of words".to_owned())?;
    let some: Vec<_> = several.iter().filter(|kind| kind.escaped() != "null").collect();
    match some.as_slice() {
        [only] => json::text_field(out, "type", &only.decode().to_ascii_uppercase()),
        _ => {
            json::key(out, "anyOf");
            out.push(b'[');
            for kind in &some {
                json::comma(out);
                out.push(b'{');
                json::text_field(out, "type", &kind.decode().to_ascii_uppercase());
                out.push(b'}');
            }
            out.push(b']');
        }
    }
    Ok(if some.len() < several.len() { Null::Taken } else { Null::Refused })
}

/// `enum`: Gemini knows strings alone here.
fn strings(raw: &RawValue, out: &mut Vec<u8>) {
    let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else { return };
    if values.iter().any(|value| !matches!(value.get().as_bytes().first(), Some(b'"' | b'n'))) {
        return;
    }
    json::key(out, "enum");
    out.push(b'[');
    for value in values.iter().filter(|value| value.get() != "null") {
        json::comma(out);
        json::raw(out, value.get());
    }
    out.push(b']');
}

fn list(raw: &RawValue) -> Result<Vec<&RawValue>, String> {
    serde_json::from_str(raw.get()).map_err(|_| "anyOf, oneOf and allOf must be lists".to_owned())
}

fn is_null(schema: &RawValue) -> bool {
    let members = serde_json::from_str::<Members<'_>>(schema.get()).unwrap_or_default();
    members.get("type").is_some_and(|kind| kind.get() == r#""null""#)
}

/// What stands at `#/…` (RFC 6901).
fn resolve<'a>(root: &'a RawValue, path: &str) -> Option<&'a RawValue> {
    let mut at = root;
    for step in path.strip_prefix("#/")?.split('/') {
        let step = step.replace("~1", "/").replace("~0", "~");
        let members: Members<'a> = serde_json::from_str(at.get()).ok()?;
        at = members.0.into_iter().find(|(name, _)| name.decode() == step).map(|(_, value)| value)?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(schema: &str) -> Result<String, String> {
        let raw: &RawValue = serde_json::from_str(schema).unwrap();
        let mut out = Vec::new();
        write(raw, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn references_are_put_in_place_and_what_gemini_does_not_know_is_left_out() {
        let schema = r##"{"$schema":"x","type":"object","additionalProperties":false,"properties":{"a":{"$ref":"#/$defs/A"},
            "b":{"type":"array","items":{"$ref":"#/$defs/A"},"uniqueItems":true}},"required":["a"],
            "$defs":{"A":{"type":"string","enum":["x",null],"format":"uuid"}}}"##;
        assert_eq!(
            written(schema).unwrap(),
            r#"{"type":"OBJECT","properties":{"a":{"type":"STRING","enum":["x"]},"b":{"type":"ARRAY","items":{"type":"STRING","enum":["x"]}}},"required":["a"]}"#
        );
    }

    #[test]
    fn null_becomes_a_mark() {
        for schema in [
            r#"{"type":["integer","null"]}"#,
            r#"{"anyOf":[{"type":"integer"},{"type":"null"}]}"#,
            r#"{"type":"integer","nullable":true}"#,
        ] {
            assert_eq!(written(schema).unwrap(), r#"{"type":"INTEGER","nullable":true}"#, "{schema}");
        }
        let several = r#"{"type":["integer","string","null"]}"#;
        let wanted = r#"{"anyOf":[{"type":"INTEGER"},{"type":"STRING"}],"nullable":true}"#;
        assert_eq!(written(several).unwrap(), wanted);
    }

    #[test]
    fn schemas_that_have_no_end_or_are_too_large_are_refused() {
        let circle = r##"{"$ref":"#/$defs/A","$defs":{"A":{"items":{"$ref":"#/$defs/A"}}}}"##;
        assert!(written(circle).unwrap_err().contains("itself"));
        assert!(written(r##"{"$ref":"#/none"}"##).is_err());
        assert!(written(r##"{"$ref":"http://x/y"}"##).is_err());
        assert!(written(r#"{"allOf":[{},{}]}"#).is_err());
        let deep = format!("{}{{}}{}", r#"{"items":"#.repeat(110), "}".repeat(110));
        assert!(written(&deep).unwrap_err().contains("deeper"));
        let twice = |name: &str| {
            format!(r##"{{"properties":{{"x":{{"$ref":"#/{name}"}},"y":{{"$ref":"#/{name}"}}}}}}"##)
        };
        let bomb: Vec<_> = (0..40).map(|n| format!(r#""d{n}":{}"#, twice(&format!("d{}", n + 1)))).collect();
        let bomb = format!(r##"{{"$ref":"#/d0",{},"d40":{{"type":"string"}}}}"##, bomb.join(","));
        assert!(written(&bomb).unwrap_err().contains("larger"));
    }

    #[test]
    fn an_object_without_properties_is_known() {
        let empty = |schema: &'static str| is_empty(serde_json::from_str(schema).unwrap());
        assert!(empty("{}") && empty(r#"{"type":"object","properties":{ }}"#));
        assert!(!empty(r#"{"type":"object","properties":{"a":{}}}"#) && !empty(r##"{"$ref":"#/a"}"##));
    }
}
