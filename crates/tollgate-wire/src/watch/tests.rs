use proptest::prelude::*;

use super::*;
use crate::scan;

/// What a watch for `usage` and `model` reports of a document cut at `cuts`.
fn report(chunks: &[&[u8]]) -> (Vec<String>, bool) {
    let mut watch = Watch::new(|key| matches!(key, b"usage" | b"model"), 100);
    let mut seen = Vec::new();
    for chunk in chunks {
        let mut at = 0;
        loop {
            match watch.next(chunk, &mut at) {
                Ok(Some(found)) => seen.push(match found {
                    Found::Document(kind) => format!("{kind:?}"),
                    Found::Opened { key, kind } => format!("{} {kind:?}", key.escape_ascii()),
                    Found::Captured { key, value } => {
                        format!("{}={}", key.escape_ascii(), value.escape_ascii())
                    }
                    Found::TooLong { key } => format!("{} too long", key.escape_ascii()),
                }),
                Ok(None) => break,
                Err(error) => {
                    seen.push(error.to_string());
                    return (seen, false);
                }
            }
        }
    }
    (seen, watch.is_complete())
}

#[test]
fn only_the_outer_members_are_reported() {
    let text = br#" {"id":"a\"}","data":[{"usage":1},["]"]],"usage" : {"n":[1]} ,"model":"m","n":1.5} "#;
    let (seen, complete) = report(&[text]);
    let wanted = ["Object", "id Text", "data Array", "usage={\"n\":[1]}", "model=\"m\"", "n Number"];
    assert_eq!(seen.iter().map(|line| line.replace('\\', "")).collect::<Vec<_>>(), wanted);
    assert!(complete);
}

#[test]
fn a_captured_value_is_bounded_and_the_rest_is_still_read() {
    let text = format!("{{\"usage\":\"{}\",\"model\":1}}", "x".repeat(200));
    assert_eq!(report(&[text.as_bytes()]).0, ["Object", "usage too long", "model=1"]);
    let chunks: Vec<_> = text.as_bytes().chunks(7).collect();
    assert_eq!(report(&chunks).0, ["Object", "usage too long", "model=1"]);
}

#[test]
fn a_cut_document_is_not_complete() {
    let text = br#"{"a":{"b":"c"}}"#;
    for end in 0..text.len() {
        assert!(!report(&[&text[..end]]).1, "{end}");
    }
    assert!(report(&[text]).1);
    assert!(report(&[b"null"]).1);
    assert!(report(&[b"[1]"]).1);
    assert!(!report(&[b"[1"]).1);
}

#[test]
fn what_is_no_json_is_an_error_with_its_place() {
    assert_eq!(report(&[b"  <html>"]).0, ["expected a value at byte 2"]);
    assert_eq!(report(&[b"{", b"a}"]).0, ["Object", "expected a key at byte 1"]);
    assert_eq!(report(&[b"{} ", b"x"]).0, ["Object", "unexpected text after the value at byte 3"]);
}

proptest! {
    #[test]
    fn cuts_change_nothing(json in scan::props::json(), size in 1_usize..9) {
        let text = serde_json::json!({"a": json, "usage": json, "model": "x"}).to_string();
        let chunks: Vec<_> = text.as_bytes().chunks(size).collect();
        let whole = report(&[text.as_bytes()]);
        prop_assert!(whole.1);
        prop_assert_eq!(report(&chunks), whole);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..80), size in 1_usize..9) {
        let chunks: Vec<_> = bytes.chunks(size).collect();
        prop_assert_eq!(report(&chunks), report(&[&bytes]));
    }
}
