//! What a document's text goes through before it is parsed as YAML. No line gains or loses a character, but for
//! JSON's surrogate pairs.

use std::borrow::Cow;

use crate::substitute::reference;

/// Private-use characters stand in for the ASCII of a `${…}`, braces and all, while the YAML is parsed: in
/// `{port: ${PORT}}` its braces would end the mapping.
const MASK: u32 = 0xE000;

/// A text that can be parsed, and whether anything in it is masked.
pub(crate) struct Prepared<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) masked: bool,
}

pub(crate) fn prepare(text: &str) -> Prepared<'_> {
    let text = if text.trim_start().starts_with(['{', '[']) && text.contains("\\u") {
        Cow::Owned(join_surrogates(text))
    } else {
        Cow::Borrowed(text)
    };
    match mask(&text) {
        Some(masked) => Prepared { text: Cow::Owned(masked), masked: true },
        None => Prepared { text, masked: false },
    }
}

/// Undoes the masking in one scalar.
pub(crate) fn unmask(text: &str) -> String {
    text.chars()
        .map(|c| {
            u32::from(c)
                .checked_sub(MASK)
                .and_then(|c| u8::try_from(c).ok())
                .filter(u8::is_ascii)
                .map_or(c, char::from)
        })
        .collect()
}

fn mask(text: &str) -> Option<String> {
    if !text.contains("${") || text.chars().any(|c| (MASK..MASK + 128).contains(&u32::from(c))) {
        return None;
    }
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        let (before, from) = rest.split_at(dollar);
        out.push_str(before);
        let length = if from.starts_with("$$") {
            2
        } else {
            reference(from).map_or(1, |found| from.len() - found.rest.len())
        };
        let (piece, tail) = from.split_at(length);
        // Escapes and line breaks are the YAML parser's to read.
        if length > 2 && !piece.contains(['\\', '\n', '\r']) {
            out.extend(
                piece
                    .chars()
                    .map(|c| if c.is_ascii() { char::from_u32(MASK + u32::from(c)).unwrap_or(c) } else { c }),
            );
        } else {
            out.push_str(piece);
        }
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

/// JSON writes characters beyond the basic plane as two escapes, which YAML does not know.
fn join_surrogates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(backslash) = rest.find('\\') {
        let (before, from) = rest.split_at(backslash);
        out.push_str(before);
        if let Some(code) = surrogate_pair(from) {
            out.push_str(&format!("\\U{code:08x}"));
            rest = &from[12..];
        } else {
            let length = 1 + from[1..].chars().next().map_or(0, char::len_utf8);
            out.push_str(&from[..length]);
            rest = &from[length..];
        }
    }
    out.push_str(rest);
    out
}

fn surrogate_pair(text: &str) -> Option<u32> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (high, low) = (unit(0)?, unit(6)?);
    ((0xD800..0xDC00).contains(&high) && (0xDC00..0xE000).contains(&low))
        .then(|| 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))
}
