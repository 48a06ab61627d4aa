use super::*;

fn first_error(bytes: &[u8]) -> Option<NotJson> {
    members(bytes).find_map(Result::err)
}

#[test]
fn members_come_in_the_order_of_the_text_with_their_ranges() {
    let text = br#" { "a" : 1 , "b\"c" : {"d":[1,{"e":2}]} , "" : "x" } "#;
    let found: Vec<_> = members(text).map(Result::unwrap).collect();
    let keys: Vec<_> = found.iter().map(|member| member.name().unwrap().into_owned()).collect();
    assert_eq!(keys, ["a", "b\"c", ""]);
    assert_eq!(found[1].value.bytes(), br#"{"d":[1,{"e":2}]}"#);
    assert_eq!(&text[found[2].range.clone()], br#""x""#);
    assert_eq!(text[found[2].start], b'"');
}

#[test]
fn an_escaped_key_is_the_key_it_spells() {
    let member = members(br#"{"mod\u0065l":1}"#).next().unwrap().unwrap();
    assert!(member.is("model"));
    assert!(!member.is("mod\\u0065l"));
}

#[test]
fn errors_say_where_and_what() {
    let table: [(&[u8], &str, usize); 14] = [
        (b"", "expected an object", 0),
        (b"[1]", "expected an object", 0),
        (b"{", "expected a key", 1),
        (b"{\"a\"", "expected ':'", 4),
        (b"{\"a\":", "unexpected end, expected a value", 5),
        (b"{\"a\":1", "expected ',' or '}'", 6),
        (b"{\"a\":1,}", "expected a key", 7),
        (b"{\"a\":1} x", "unexpected text after the value", 8),
        (b"{\"a\":[1,]}", "expected a value", 8),
        (b"{\"a\":01}", "expected ',' or '}'", 6),
        (b"{\"a\":\"\n\"}", "control character in a string", 6),
        (b"{\"a\":\"\\x\"}", "unknown escape in a string", 6),
        (b"{\"a\":nul}", "expected true, false or null", 8),
        (b"{\"a\":[1}", "expected ',' or ']'", 7),
    ];
    for (text, reason, offset) in table {
        assert_eq!(first_error(text), Some(NotJson { reason, offset }), "{}", text.escape_ascii());
    }
}

#[test]
fn nesting_is_bounded_and_the_bound_is_exact() {
    let nested = |depth: usize| [b"[".repeat(depth), b"1".to_vec(), b"]".repeat(depth)].concat();
    assert!(document(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(document(&nested(MAX_DEPTH + 1)).unwrap_err().reason, "nested too deeply");
}

#[test]
fn the_end_of_a_string_is_found_at_every_distance() {
    for length in 0..300 {
        for end in [&b"\""[..], b"\\\"\"", b"\\u00e9\""] {
            let mut text = b"\"".to_vec();
            text.resize(length + 1, b'a');
            text.extend_from_slice(end);
            assert_eq!(document(&text).map(Value::bytes), Ok(&text[..]), "{length}");
            text.push(b'"');
            assert!(document(&text).is_err(), "{length}");
        }
    }
}

#[test]
fn control_characters_are_found_at_every_distance() {
    for length in 0..200 {
        for control in 0..0x20 {
            let mut text = b"\"".to_vec();
            text.resize(length + 1, 0x80);
            text.extend_from_slice(&[control, b'"']);
            assert_eq!(document(&text).unwrap_err().offset, length + 1);
        }
    }
}

#[test]
fn values_read_as_what_they_are() {
    let value = document(b"{\"n\":12.0,\"m\":-1,\"b\":true,\"e\":[ ],\"n\":13}").unwrap();
    assert_eq!(value.get("n").unwrap().count(), Some(13), "the last one wins");
    assert_eq!(value.get("m").unwrap().count(), None);
    assert_eq!(value.get("b").unwrap().as_bool(), Some(true));
    assert!(value.get("e").unwrap().is_empty_array());
    assert_eq!(value.get("x"), None);
    assert_eq!(document(b"12.0").unwrap().count(), Some(12));
    assert_eq!(document(b"12.5").unwrap().count(), None);
}

#[test]
fn elements_come_in_the_order_of_the_text() {
    let found: Vec<_> =
        elements(b" [1, {\"a\":[2]} ,\"x\"] ").map(|element| element.unwrap().bytes()).collect();
    assert_eq!(found, [b"1".as_slice(), b"{\"a\":[2]}", b"\"x\""]);
    assert_eq!(elements(b"[]").count(), 0);
    // What follows the array is an error behind its last element.
    let mut walk = elements(b"[1],\"usage\":null}");
    assert_eq!(walk.next().unwrap().unwrap().bytes(), b"1");
    assert_eq!(walk.next().unwrap().unwrap_err().offset, 3);
    assert!(walk.next().is_none());
    assert!(elements(b"{}").next().unwrap().is_err());
}

#[test]
fn prose_is_what_values_say_at_any_depth_but_no_file() {
    let file = "QUJD/+8=".repeat(40);
    let text = format!(
        r#"{{"model":"four","deep":[{{"content":"hello"}},"\n"],"n":1,"file":"data:image/png;base64,{file}"}}"#
    );
    let mut walk = members(text.as_bytes());
    assert!(walk.by_ref().all(|member| member.is_ok()));
    assert_eq!(walk.prose(), 4 + 5 + 2);
}
