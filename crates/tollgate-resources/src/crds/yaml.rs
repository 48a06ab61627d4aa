use serde_json::Value as Json;

/// Writes a value as block YAML. Strings stand plain where no YAML reader could take them for something else.
pub(crate) fn write(value: &Json) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

fn block(out: &mut String, value: &Json, depth: usize) {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                indent(out, depth);
                out.push_str(&scalar(key));
                out.push(':');
                after_key(out, value, depth + 1);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                indent(out, depth);
                out.push('-');
                match item {
                    // The first field stands beside the dash.
                    Json::Object(fields) if !fields.is_empty() => {
                        let mut inner = String::new();
                        block(&mut inner, item, depth + 1);
                        out.push_str(&inner[2 * depth + 1..]);
                    }
                    _ => after_key(out, item, depth + 1),
                }
            }
        }
        _ => after_key(out, value, depth),
    }
}

fn after_key(out: &mut String, value: &Json, depth: usize) {
    match value {
        Json::Object(fields) if fields.is_empty() => out.push_str(" {}\n"),
        Json::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Json::Object(_) | Json::Array(_) => {
            out.push('\n');
            block(out, value, depth);
        }
        Json::String(text) => {
            out.push(' ');
            out.push_str(&scalar(text));
            out.push('\n');
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => out.push_str(&format!(" {value}\n")),
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn scalar(text: &str) -> String {
    let words = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " $./-_,;()`'".contains(c))
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Json::from(text).to_string() }
}
