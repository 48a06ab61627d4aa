use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::*;

fn texts(value: &Value) -> Vec<String> {
    let bytes = value.to_string();
    let mut texts = Vec::new();
    prompt_text(bytes.as_bytes(), |text| texts.push(String::from_utf8_lossy(text).into_owned()));
    texts
}

#[test]
fn only_what_a_model_reads_is_prompt() {
    let messages = json!([
        {"role": "system", "content": "one"},
        {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "image_url", "image_url": {"url": "no"}}]},
        {"content": "three \"quoted\"", "role": "user", "name": "no"},
    ]);
    assert_eq!(texts(&messages), ["one", "two", "three \\\"quoted\\\""]);
    assert_eq!(texts(&json!(["four", "five"])), ["four", "five"]);
    assert_eq!(texts(&json!("six")), ["six"]);
}

#[test]
fn members_come_with_their_values_as_written() {
    let bytes = b" { \"a\" : [1, {\"b\": \"}\"}] ,\"c\\\"\":null, \"d\":-1.5e3}";
    let found: Vec<_> = members(bytes).collect();
    let want: [(&[u8], &[u8]); 3] = [(b"a", b"[1, {\"b\": \"}\"}]"), (b"c\\\"", b"null"), (b"d", b"-1.5e3")];
    assert_eq!(found, want);
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![any::<i64>().prop_map(Value::from), ".*".prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(".*", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn members_agree_with_a_full_parser(values in vec(document(), 0..5), pretty: bool) {
        let object: Value = values.into_iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect();
        let bytes = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
        let found: Vec<(String, Value)> = members(&bytes)
            .map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), serde_json::from_slice(value.trim_ascii()).unwrap()))
            .collect();
        let want: Vec<(String, Value)> = object.as_object().unwrap().clone().into_iter().collect();
        prop_assert_eq!(found, want);
    }

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..200), json in "[\\{\\}\\[\\]\",:\\\\ a1]{0,80}") {
        for bytes in [&bytes[..], json.as_bytes()] {
            let count = members(bytes).count();
            prompt_text(bytes, |_| {});
            prop_assert!(count <= bytes.len());
            let _ = crate::ask::Ask::read(bytes, None);
            let _ = crate::request::dechunk(bytes);
            let _ = crate::request::Head::find(bytes);
        }
    }
}
