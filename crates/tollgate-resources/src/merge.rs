//! Merging a policy onto one of a wider level (`mergeType`).

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::kinds::MergeType;

/// Fields that say what a policy is attached to: they stay the policy's own.
const TARGETS: [&str; 4] = ["targetRef", "targetRefs", "targetSelectors", "mergeType"];
/// Lists that are merged item by item, with the field that tells their items apart.
const KEYED: [(&str, &str); 3] = [("compressor", "type"), ("compression", "type"), ("httpUpgrade", "type")];

/// A policy's spec as it was written, so that another one can be merged onto it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written(pub(crate) Option<Value>);

impl Written {
    /// Of a kind that is never merged.
    pub const NONE: Self = Self(None);
}

/// The specs of two policies as one: what the narrower one says goes before what the wider one says.
///
/// # Errors
/// Why the result is no policy of this kind.
pub fn merged<T: DeserializeOwned>(wide: &Written, narrow: &Written, how: MergeType) -> Result<T, String> {
    let null = Value::Null;
    let (wide, narrow) = (wide.0.as_ref().unwrap_or(&null), narrow.0.as_ref().unwrap_or(&null));
    let mut base = wide.clone();
    if let Value::Object(fields) = &mut base {
        fields.retain(|name, _| !TARGETS.contains(&name.as_str()));
    }
    let whole = match how {
        MergeType::StrategicMerge => strategic("", base, narrow),
        MergeType::JsonMerge => patched(base, narrow),
        MergeType::Replace => narrow.clone(),
    };
    serde_json::from_value(whole).map_err(|error| error.to_string())
}

/// RFC 7386: objects field by field, null removes, anything else replaces.
fn patched(base: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut fields = match base {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for (name, value) in patch {
        match value {
            Value::Null => drop(fields.shift_remove(name)),
            value => {
                let before = fields.get(name).cloned().unwrap_or(Value::Null);
                fields.insert(name.clone(), patched(before, value));
            }
        }
    }
    Value::Object(fields)
}

/// As [`patched`], but lists whose items have a key are merged by it.
fn strategic(name: &str, base: Value, patch: &Value) -> Value {
    match (base, patch) {
        (Value::Object(mut fields), Value::Object(patch)) => {
            for (name, value) in patch {
                match value {
                    Value::Null => drop(fields.shift_remove(name)),
                    value => {
                        let before = fields.get(name).cloned().unwrap_or(Value::Null);
                        fields.insert(name.clone(), strategic(name, before, value));
                    }
                }
            }
            Value::Object(fields)
        }
        (Value::Array(mut items), Value::Array(patch)) => {
            let Some((_, key)) = KEYED.iter().find(|(list, _)| *list == name) else {
                return Value::Array(patch.clone());
            };
            for item in patch {
                match items.iter_mut().find(|known| known.get(key) == item.get(key)) {
                    Some(known) => *known = strategic("", known.take(), item),
                    None => items.push(item.clone()),
                }
            }
            Value::Array(items)
        }
        (_, patch) => patch.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merge(wide: Value, narrow: Value, how: MergeType) -> Value {
        merged(&Written(Some(wide)), &Written(Some(narrow)), how).unwrap()
    }

    #[test]
    fn a_json_merge_replaces_lists_and_null_removes() {
        let wide = json!({"targetRefs": [1], "retry": {"numRetries": 3, "retryOn": {"triggers": ["5xx"]}}, "timeout": {"a": 1}});
        let narrow =
            json!({"targetRefs": [2], "retry": {"retryOn": {"triggers": ["reset"]}}, "timeout": null});
        let want = json!({"retry": {"numRetries": 3, "retryOn": {"triggers": ["reset"]}}, "targetRefs": [2]});
        assert_eq!(merge(wide, narrow, MergeType::JsonMerge), want);
    }

    #[test]
    fn a_strategic_merge_joins_lists_by_their_key() {
        let wide = json!({"compressor": [{"type": "Gzip", "minContentLength": 1}, {"type": "Zstd"}], "others": [1, 2]});
        let narrow = json!({"compressor": [{"type": "Gzip", "minContentLength": 9}, {"type": "Brotli"}], "others": [3]});
        let want = json!({
            "compressor": [{"type": "Gzip", "minContentLength": 9}, {"type": "Zstd"}, {"type": "Brotli"}],
            "others": [3],
        });
        assert_eq!(merge(wide, narrow, MergeType::StrategicMerge), want);
    }

    #[test]
    fn the_targets_are_those_of_the_narrower_policy() {
        let wide = json!({"targetSelectors": [1], "mergeType": "JSONMerge", "dns": 1});
        assert_eq!(
            merge(wide, json!({"targetRefs": [2]}), MergeType::StrategicMerge),
            json!({"dns": 1, "targetRefs": [2]})
        );
    }
}
