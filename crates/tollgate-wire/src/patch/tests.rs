use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

fn patched(text: &str, change: impl FnOnce(&mut Patch<'_>) -> Result<(), PatchError>) -> String {
    let mut patch = Patch::new(text.as_bytes()).unwrap();
    change(&mut patch).unwrap();
    patch.finish().map_or_else(|| text.to_owned(), |bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_set_field_changes_and_the_rest_stays() {
    let table = [
        ("{\"model\":\"a\"}", "model", "\"b\"", "{\"model\":\"b\"}"),
        (
            "{\n \"n\" : 123456789012345678901,\n \"model\" : \"a\"\n}",
            "model",
            "\"b\"",
            "{\n \"n\" : 123456789012345678901,\n \"model\" : \"b\"\n}",
        ),
        ("{}", "a", "1", "{\"a\":1}"),
        (" { } ", "a", "1", " {\"a\":1} "),
        ("{\"x\":1}", "a.b.c", "[1]", "{\"x\":1,\"a\":{\"b\":{\"c\":[1]}}}"),
        ("{\"a\":{\"x\": 1.0}}", "a.b", "2", "{\"a\":{\"x\": 1.0,\"b\":2}}"),
        ("{\"a\":null}", "a.b", "2", "{\"a\":{\"b\":2}}"),
        ("{\"a.b\":1}", "a\\.b", "2", "{\"a.b\":2}"),
        ("{\"mod\\u0065l\":1}", "model", "2", "{\"mod\\u0065l\":2}"),
        ("{\"a\":1,\"b\":2,\"a\":3}", "a", "4", "{\"b\":2,\"a\":4}"),
    ];
    for (text, path, value, wanted) in table {
        assert_eq!(patched(text, |patch| patch.set(path, value)), wanted);
    }
}

#[test]
fn a_removed_field_goes_with_its_comma() {
    let table = [
        ("{\"a\":1,\"b\":2,\"c\":3}", "a", "{\"b\":2,\"c\":3}"),
        ("{\"a\":1,\"b\":2,\"c\":3}", "b", "{\"a\":1,\"c\":3}"),
        ("{\"a\":1,\"b\":2,\"c\":3}", "c", "{\"a\":1,\"b\":2}"),
        ("{\"a\":1}", "a", "{}"),
        ("{\"a\":1,\"a\":2}", "a", "{}"),
        ("{\"a\":{\"b\":1,\"c\":2}}", "a.b", "{\"a\":{\"c\":2}}"),
        ("{\"a\":null}", "a.b", "{\"a\":null}"),
        ("{\"a\":1}", "b.c", "{\"a\":1}"),
    ];
    for (text, path, wanted) in table {
        assert_eq!(patched(text, |patch| patch.remove(path)), wanted);
    }
}

#[test]
fn edits_see_the_edits_before_them() {
    let text = patched("{\"a\":1}", |patch| {
        patch.remove("a")?;
        patch.set("a.b", "1")?;
        patch.set("a.c", "2")?;
        patch.remove("a.b")
    });
    assert_eq!(text, "{\"a\":{\"c\":2}}");
}

#[test]
fn impossible_edits_are_errors() {
    let mut patch = Patch::new(b"{\"a\":[1]}").unwrap();
    let path = |path: &str| path.to_owned();
    assert_eq!(patch.set("a.b", "1"), Err(PatchError::Through { path: path("a.b") }));
    assert_eq!(patch.set("", "1"), Err(PatchError::Path { path: path("") }));
    assert_eq!(patch.set("a.", "1"), Err(PatchError::Path { path: path("a.") }));
    assert!(matches!(patch.set("a", "nope"), Err(PatchError::Value { .. })));
    assert_eq!(patch.finish(), None);
    assert!(matches!(Patch::new(b"[]"), Err(PatchError::Document(_))));
}

proptest! {
    #[test]
    fn to_patch_and_parse_is_to_parse_and_edit(
        members in prop::collection::vec(("[a-c]", scan::props::json()), 0..5),
        key in "[a-d]",
        value in scan::props::json(),
    ) {
        let object: serde_json::Map<String, Json> = members.into_iter().collect();
        let text = serde_json::to_string_pretty(&object).unwrap();
        let parse = |text: &str| serde_json::from_str::<Json>(text).unwrap();

        let mut edited = parse(&text);
        edited[&key] = parse(&value.to_string());
        let set = patched(&text, |patch| patch.set(&key, &value.to_string()));
        prop_assert_eq!(parse(&set), edited.clone());

        edited.as_object_mut().unwrap().remove(&key);
        prop_assert_eq!(parse(&patched(&set, |patch| patch.remove(&key))), edited);
    }
}
