use serde_json::Value as Json;
use tollgate_resources::Manifest;

/// Objects as one YAML file, `---` between them.
#[must_use]
pub fn documents(objects: &[Manifest]) -> String {
    let texts: Vec<_> = objects.iter().map(|object| write(&object.body)).collect();
    texts.join("---\n")
}

/// A value as block YAML, fields in their order. Strings stand plain where no reader of YAML 1.1 or 1.2 could take
/// them for something else.
#[must_use]
pub fn write(value: &Json) -> String {
    let mut out = String::new();
    match value {
        Json::Object(_) | Json::Array(_) if !is_empty(value) => block(&mut out, value, 0),
        _ => {
            flow(&mut out, value, 0);
            out.push('\n');
        }
    }
    out
}

fn block(out: &mut String, value: &Json, depth: usize) {
    match value {
        Json::Object(fields) => {
            for (i, (key, value)) in fields.iter().enumerate() {
                // The first field of an item stands beside its dash.
                if i > 0 || !out.ends_with("- ") {
                    indent(out, depth);
                }
                out.push_str(&scalar(key));
                out.push(':');
                after_key(out, value, depth);
            }
        }
        Json::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                if i > 0 || !out.ends_with("- ") {
                    indent(out, depth);
                }
                out.push_str("- ");
                if is_empty(item) || !(item.is_object() || item.is_array()) {
                    flow(out, item, depth + 1);
                    out.push('\n');
                } else {
                    block(out, item, depth + 1);
                }
            }
        }
        _ => {}
    }
}

fn after_key(out: &mut String, value: &Json, depth: usize) {
    if is_empty(value) || !(value.is_object() || value.is_array()) {
        out.push(' ');
        flow(out, value, depth + 1);
        out.push('\n');
    } else {
        out.push('\n');
        block(out, value, depth + 1);
    }
}

/// What stands on the line of its key or dash.
fn flow(out: &mut String, value: &Json, depth: usize) {
    match value {
        Json::Object(_) => out.push_str("{}"),
        Json::Array(_) => out.push_str("[]"),
        Json::String(text) if is_prose(text) => literal(out, text, depth),
        Json::String(text) => out.push_str(&scalar(text)),
        Json::Null | Json::Bool(_) | Json::Number(_) => out.push_str(&value.to_string()),
    }
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Object(fields) => fields.is_empty(),
        Json::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Text of several lines that a literal block keeps as it is.
fn is_prose(text: &str) -> bool {
    let inner = text.strip_suffix('\n').unwrap_or(text);
    inner.contains('\n')
        && !inner.starts_with([' ', '\n', '\t'])
        && !inner.ends_with([' ', '\n', '\t'])
        && inner.chars().all(|c| {
            c == '\n' || c == '\t' || (' '..='\u{7e}').contains(&c) || c > '\u{a0}' && c.is_alphanumeric()
        })
}

fn literal(out: &mut String, text: &str, depth: usize) {
    let (inner, keep) = match text.strip_suffix('\n') {
        Some(inner) => (inner, "|"),
        None => (text, "|-"),
    };
    out.push_str(keep);
    for line in inner.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, depth);
            out.push_str(line);
        }
    }
}

fn scalar(text: &str) -> String {
    const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "none"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " ./-_$()+=".contains(c))
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    let duration = is_duration(text);
    if plain || duration { text.to_owned() } else { quoted(text) }
}

/// `60s`, `1h30m`: no number to anybody.
fn is_duration(text: &str) -> bool {
    let units = ["h", "m", "s"];
    text.starts_with(|c: char| c.is_ascii_digit())
        && units.iter().any(|unit| text.ends_with(unit))
        && text.chars().all(|c| c.is_ascii_digit() || "hms".contains(c))
}

/// JSON's strings are YAML's, but for what YAML wants escaped besides.
fn quoted(text: &str) -> String {
    let json = Json::from(text).to_string();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // Line breaks and marks to YAML, and what it forbids.
            '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tollgate_resources::{Source, manifests};

    use super::*;

    /// What our own reader makes of it.
    fn read(value: &Json) -> Json {
        let object = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "a", "namespace": "b"},
            "spec": value,
        });
        let text = write(&object);
        let found = manifests(&[Source { name: "a.yaml", text: &text }], &|_| None);
        assert_eq!(found.len(), 1, "{text}");
        found[0].body["spec"].clone()
    }

    fn value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            "[ -~]{0,12}".prop_map(Json::from),
            "[a-z0-9:#'\"\\[{&*!|>%@`,. \n\t-]{0,12}".prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::vec(("[a-zA-Z0-9/. :-]{1,8}", inner), 0..5)
                    .prop_map(|fields| { Json::Object(fields.into_iter().collect()) }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(value in value()) {
            prop_assert_eq!(read(&value), value);
        }
    }

    #[test]
    fn it_reads_as_people_write_it() {
        let value = json!({
            "rules": [{"name": "a", "headers": [{"value": "claude-.*"}, {"value": "1.5"}]}, [], [1, ["x"]]],
            "empty": {}, "yes": "yes", "version": "60s", "text": "one\ntwo\n", "url": "/v1", "model": "gpt-4o",
        });
        expect_test::expect![[r#"
            rules:
              - name: a
                headers:
                  - value: "claude-.*"
                  - value: "1.5"
              - []
              - - 1
                - - x
            empty: {}
            "yes": "yes"
            version: 60s
            text: |
              one
              two
            url: /v1
            model: gpt-4o
        "#]]
        .assert_eq(&write(&value));
    }
}
