//! A patched document parses, and differs in the patched field only. The first line names the field.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tollgate_wire::patch::Patch;

fuzz_target!(|input: &str| {
    let Some((field, text)) = input.split_once('\n') else { return };
    let Ok(mut before) = serde_json::from_str::<Map<String, Value>>(text) else { return };
    if field.is_empty() || field.contains(['.', '\\']) {
        return;
    }
    let Ok(mut patch) = Patch::new(text.as_bytes()) else { return };
    if patch.set(field, "\"new\"").is_err() {
        return;
    }
    let Some(patched) = patch.finish() else { return };
    let after: Map<String, Value> = serde_json::from_slice(&patched).expect("a patched document is JSON");
    before.insert(field.to_owned(), Value::from("new"));
    assert_eq!(Value::from(before), Value::from(after));
});
