//! Kubernetes quantities, as far as they count bytes.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, Visitor},
};

const UNITS: [(&str, u64); 11] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("", 1),
];

const EXPECTED: &str = "a number of bytes such as 32768, 64Ki or 1M";

/// A number of bytes; what is beyond `u64` is `u64::MAX`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected {EXPECTED}, found {text:?}");
    let found = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, factor) = found.ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(wrong());
    }
    let parse = |text: &str| text.parse::<u128>().map_err(|_| wrong());
    let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| wrong())?);
    let all = parse(whole)? * scale + if fraction.is_empty() { 0 } else { parse(fraction)? };
    // Part of a byte is rounded up, as Kubernetes does it.
    Ok(u64::try_from((all * u128::from(factor)).div_ceil(scale)).unwrap_or(u64::MAX))
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        u64::try_from(value).map_err(|_| E::custom(format!("expected {EXPECTED}, found {value}")))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        parse_bytes(text).map_err(E::custom)
    }
}

/// A number of bytes where there is one: a number or a text.
pub(crate) fn some_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_newtype_struct("invalid-quantity", Bytes)
}

/// An optional number of bytes.
pub(crate) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    some_bytes(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_their_units() {
        for (text, want) in
            [("32768", 32_768), ("64Ki", 65_536), ("1M", 1_000_000), ("0.5Gi", 1 << 29), ("1.0001", 2)]
        {
            assert_eq!(parse_bytes(text), Ok(want), "{text}");
        }
        assert_eq!(parse_bytes("99999999999P"), Ok(u64::MAX));
    }

    #[test]
    fn what_is_no_number_of_bytes_is_told() {
        for text in ["", "-1", "1 Ki", "Ki", "1KiB", "1.2.3", "1e3", "9999999999999999999"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
