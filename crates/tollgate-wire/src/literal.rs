use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, Unexpected},
};
use serde_json::value::RawValue;

/// A JSON string as it stands in its document: the text between the quotes, its escapes untouched.
///
/// Text that goes from one document into another is copied as it is: nothing is unescaped, and what cannot be
/// (a lone surrogate) survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Literal<'a>(&'a str);

/// A JSON number as it stands in its document: no digit is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number<'a>(&'a str);

/// A field that holds a string or a list.
#[derive(Clone, Debug)]
pub enum OneOrMany<'a, T> {
    /// `"text"`
    One(Literal<'a>),
    /// `[…]`
    Many(Vec<T>),
}

// === impl Literal ===

impl<'a> Literal<'a> {
    /// Takes text that stands between the quotes of a valid JSON string.
    #[must_use]
    pub const fn from_escaped(text: &'a str) -> Self {
        Self(text)
    }

    /// The text with its escapes.
    #[must_use]
    pub const fn escaped(self) -> &'a str {
        self.0
    }

    /// True for `""`.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// True where the text has nothing but white space.
    #[must_use]
    pub fn is_blank(self) -> bool {
        let mut rest = self.0.trim_start();
        while let Some(after) = ["\\n", "\\r", "\\t"].iter().find_map(|escape| rest.strip_prefix(escape)) {
            rest = after.trim_start();
        }
        rest.is_empty()
    }

    /// How many characters the text has, as [`decode`](Self::decode) has them.
    #[must_use]
    pub fn chars(self) -> u64 {
        let mut count = self.0.chars().count() as u64;
        let mut rest = self.0.as_bytes();
        while let Some(at) = memchr::memchr(b'\\', rest) {
            let escape = &rest[at..];
            // What the escape has more than the one character that it stands for.
            let (length, more) = match escape {
                [_, b'u', ..] if is_pair(escape) => (12, 11),
                [_, b'u', ..] => (6, 5),
                _ => (2, 1),
            };
            count = count.saturating_sub(more);
            rest = escape.get(length..).unwrap_or_default();
        }
        count
    }

    /// The text. Borrows where there is no escape; a lone surrogate becomes U+FFFD.
    #[must_use]
    pub fn decode(self) -> Cow<'a, str> {
        let Some(first) = memchr::memchr(b'\\', self.0.as_bytes()) else { return Cow::Borrowed(self.0) };
        let mut out = String::with_capacity(self.0.len());
        let (plain, mut rest) = self.0.split_at(first);
        out.push_str(plain);
        while let Some(escape) = rest.strip_prefix('\\') {
            rest = unescape(escape, &mut out);
            let next = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
            let (plain, tail) = rest.split_at(next);
            out.push_str(plain);
            rest = tail;
        }
        Cow::Owned(out)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Literal<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(text) => Ok(Self(text)),
            None => Err(D::Error::invalid_type(unexpected(raw), &"a string")),
        }
    }
}

// === impl Number ===

impl<'a> Number<'a> {
    /// The digits as they were written.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The value as far as a double can hold it.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        self.0.parse().ok()
    }

    /// The value where it is a whole number that fits; `3.0` counts as 3.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        self.0.parse().ok().or_else(|| {
            let value = self.as_f64()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "checked to be whole and in range"
            )]
            (value >= 0.0 && value.fract() == 0.0 && value < u64::MAX as f64).then_some(value as u64)
        })
    }
}

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Number<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            Ok(Self(raw))
        } else {
            Err(D::Error::invalid_type(unexpected(raw), &"a number"))
        }
    }
}

// === impl OneOrMany ===

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if let Some(text) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            return Ok(Self::One(Literal(text)));
        }
        if raw.starts_with('[') {
            return serde_json::from_str(raw).map(Self::Many).map_err(D::Error::custom);
        }
        Err(D::Error::invalid_type(unexpected(raw), &"a string or a list"))
    }
}

/// Appends text to a JSON string that is being written, without the quotes.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(control >> 4), digit(control & 15)]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// True where two escapes stand for one character.
fn is_pair(escapes: &[u8]) -> bool {
    let unit = |at: usize| {
        let digits = std::str::from_utf8(escapes.get(at..at + 4)?).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let is_low = || escapes.get(6..8) == Some(b"\\u") && matches!(unit(8), Some(0xdc00..=0xdfff));
    matches!(unit(2), Some(0xd800..=0xdbff)) && is_low()
}

/// Takes the text after a backslash, appends what it stands for, gives the rest.
fn unescape<'a>(text: &'a str, out: &mut String) -> &'a str {
    let mut chars = text.chars();
    match chars.next() {
        Some('n') => out.push('\n'),
        Some('t') => out.push('\t'),
        Some('r') => out.push('\r'),
        Some('b') => out.push('\u{8}'),
        Some('f') => out.push('\u{c}'),
        Some('u') => return unescape_unicode(chars.as_str(), out),
        Some(other) => out.push(other),
        None => {}
    }
    chars.as_str()
}

fn unescape_unicode<'a>(text: &'a str, out: &mut String) -> &'a str {
    let Some((high, rest)) = hex4(text) else {
        out.push(char::REPLACEMENT_CHARACTER);
        return text;
    };
    if (0xd800..0xdc00).contains(&high)
        && let Some((low, after)) = rest.strip_prefix("\\u").and_then(hex4)
        && (0xdc00..0xe000).contains(&low)
    {
        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        return after;
    }
    out.push(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

fn hex4(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

fn unexpected(raw: &str) -> Unexpected<'static> {
    match raw.as_bytes().first() {
        Some(b'{') => Unexpected::Map,
        Some(b'[') => Unexpected::Seq,
        Some(b'"') => Unexpected::Other("a string"),
        Some(b't') => Unexpected::Bool(true),
        Some(b'f') => Unexpected::Bool(false),
        Some(b'n') => Unexpected::Unit,
        Some(_) => Unexpected::Other("a number"),
        None => Unexpected::Other("nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_decodes_what_serde_json_decodes() {
        for json in [r#""plain""#, r#""a\n\"b\"\\ \/ \u00e9 \ud83d\ude00 ü""#, r#""""#, r#""\b\f\r\t""#] {
            let literal: Literal<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(literal.decode(), serde_json::from_str::<String>(json).unwrap());
            assert_eq!(literal.chars(), literal.decode().chars().count() as u64);
        }
    }

    #[test]
    fn a_lone_surrogate_is_replaced_when_decoded_and_kept_when_copied() {
        let literal: Literal<'_> = serde_json::from_str(r#""x\ud83dy\udc00""#).unwrap();
        assert_eq!(literal.decode(), "x\u{fffd}y\u{fffd}");
        assert_eq!(literal.escaped(), r"x\ud83dy\udc00");
        assert_eq!(literal.chars(), 4);
        assert_eq!(Literal::from_escaped(r"\ud83d\ud83d\ude00\\u00").chars(), 6);
    }

    #[test]
    fn escaped_text_reads_back_as_it_was() {
        let text = "quote \" slash \\ line \n tab \t bell \u{7} ü 😀";
        let mut out = vec![b'"'];
        escape_into(&mut out, text);
        out.push(b'"');
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn white_space_is_blank_escaped_or_not() {
        assert!(Literal::from_escaped(r" \n\t \r").is_blank());
        assert!(!Literal::from_escaped(r"\n.").is_blank());
    }

    #[test]
    fn a_number_keeps_its_digits() {
        let number: Number<'_> = serde_json::from_str("18446744073709551615").unwrap();
        assert_eq!(number.as_str(), "18446744073709551615");
        assert_eq!(number.as_u64(), Some(u64::MAX));
        assert_eq!(serde_json::from_str::<Number<'_>>("4096.0").unwrap().as_u64(), Some(4096));
        assert!(serde_json::from_str::<Number<'_>>("\"1\"").is_err());
    }
}
