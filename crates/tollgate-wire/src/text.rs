//! JSON strings: quoting and unquoting.

use std::borrow::Cow;

/// Appends `text` as a JSON string, quotes included (RFC 8259 section 7).
pub fn quote(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string is always JSON and a Vec takes every byte");
}

/// `text` as a JSON string, quotes included.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}

/// Undoes [`quote`]; `None` where `raw` is no JSON string, no UTF-8, or has a lone surrogate.
/// Borrows where nothing was escaped.
#[must_use]
pub fn unquote(raw: &[u8]) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr2(b'\\', b'"', inner).is_none() {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(raw).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_quoted_is_unquoted_again() {
        for text in ["", "plain", "say \"hi\"\n\u{1}\\", "naïve 🦀"] {
            let mut raw = Vec::new();
            quote(text, &mut raw);
            assert_eq!(unquote(&raw).as_deref(), Some(text));
        }
    }

    #[test]
    fn escapes_are_undone_and_broken_strings_are_none() {
        assert_eq!(unquote(br#""mod\u0065l""#).as_deref(), Some("model"));
        for raw in [&br#""\ud800""#[..], b"\"\xff\"", b"\"", b"", b"17", br#""a"b""#] {
            assert_eq!(unquote(raw), None, "{raw:?}");
        }
    }
}
