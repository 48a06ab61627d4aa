//! Writes JSON straight into the output buffer. A comma is due unless the last byte opened something, so the
//! writer needs no state.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_wire::{Literal, Number, escape_into};

use super::turn::{Outcome, Part, PartKind};

/// `"name":`, after a comma where one is due.
pub(crate) fn key(out: &mut Vec<u8>, name: &str) {
    comma(out);
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A comma where one is due before the next element or key.
pub(crate) fn comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'{' | b'[' | b':' | b',')) {
        out.push(b',');
    }
}

/// A value whose text is JSON already.
pub(crate) fn raw(out: &mut Vec<u8>, json: &str) {
    out.extend_from_slice(json.as_bytes());
}

/// A string that is escaped already.
pub(crate) fn literal(out: &mut Vec<u8>, text: Literal<'_>) {
    out.push(b'"');
    out.extend_from_slice(text.escaped().as_bytes());
    out.push(b'"');
}

/// A string that is not.
pub(crate) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape_into(out, text);
    out.push(b'"');
}

/// A whole number.
pub(crate) fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// `"name":"text"`
pub(crate) fn literal_field(out: &mut Vec<u8>, name: &str, value: Literal<'_>) {
    key(out, name);
    literal(out, value);
}

/// `"name":"text"`
pub(crate) fn text_field(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    text(out, value);
}

/// `"name":json`
pub(crate) fn raw_field(out: &mut Vec<u8>, name: &str, json: &str) {
    key(out, name);
    raw(out, json);
}

/// `"name":1`
pub(crate) fn number_field(out: &mut Vec<u8>, name: &str, value: u64) {
    key(out, name);
    number(out, value);
}

/// `"name":1` for each number that is there.
pub(crate) fn number_fields(out: &mut Vec<u8>, fields: &[(&str, Option<Number<'_>>)]) {
    for (name, value) in fields {
        if let Some(value) = value {
            raw_field(out, name, value.as_str());
        }
    }
}

/// `"name":["text",…]`, nothing where there are none.
pub(crate) fn literals_field(out: &mut Vec<u8>, name: &str, texts: &[Literal<'_>]) {
    if texts.is_empty() {
        return;
    }
    key(out, name);
    out.push(b'[');
    for text in texts {
        comma(out);
        literal(out, *text);
    }
    out.push(b']');
}

/// The place of a list's element in the client's request, for error texts.
pub(crate) fn place(list: &str, index: usize, rest: &str) -> String {
    let mut text = String::with_capacity(list.len() + rest.len() + 8);
    let _ = write!(text, "{list}[{index}]{rest}");
    text
}

/// A document. It is text as a whole, so that no piece of it has to be checked again.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn parsed<'a, T: Deserialize<'a>>(document: &'a [u8]) -> Result<T, String> {
    let text = std::str::from_utf8(document).map_err(|_| "it is not UTF-8".to_owned())?;
    serde_json::from_str(text).map_err(|error| reason(&error))
}

/// What serde says about a body, without the line and column of the piece in which it happened.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.rfind(" at line ") {
        text.truncate(at);
    }
    text
}

/// What a result is written as where failures are told in words: one that tells of its error itself stays as it is, so
/// that what was read from such words is not wrapped in them again.
pub(crate) fn worded(outcome: Outcome, parts: &[Part<'_>]) -> Outcome {
    match parts {
        [Part { kind: PartKind::Text(text), .. }] if tells_an_error(*text) => Outcome::Success,
        _ => outcome,
    }
}

/// A tool's result is an error where it is a JSON object with the key `error`: OpenAI has no flag for it.
pub(crate) fn tells_an_error(text: Literal<'_>) -> bool {
    #[derive(Deserialize)]
    struct Told<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    text.escaped().trim_start().starts_with('{')
        && serde_json::from_str::<Told<'_>>(&text.decode()).is_ok_and(|told| told.error.is_some())
}
