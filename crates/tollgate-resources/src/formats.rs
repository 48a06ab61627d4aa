//! Text formats of the Kubernetes API, read by serde.

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};
use tollgate_types::Secret;

/// Reads a string and parses it; `name` becomes the code of the diagnostic where that fails.
fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    name: &'static str,
    parse: fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Parse<T>(fn(&str) -> Result<T, String>, PhantomData<T>);
    impl<'de, T> Visitor<'de> for Parse<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
            let text = Cow::<str>::deserialize(deserializer)?;
            (self.0)(&text).map_err(D::Error::custom)
        }
    }
    deserializer.deserialize_newtype_struct(name, Parse(parse, PhantomData))
}

/// A duration as Gateway API writes it (GEP-2257): one to four of `<1-5 digits><h|m|s|ms>`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a duration such as 10s, 500ms or 1m30s, found {text:?}");
    let mut total = Duration::ZERO;
    let mut rest = text;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, tail) = tail.split_at(letters);
        parts += 1;
        if !(1..=5).contains(&digits) || parts > 4 {
            return Err(wrong());
        }
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total += match unit {
            "h" => Duration::from_secs(number * 3600),
            "m" => Duration::from_secs(number * 60),
            "s" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            _ => return Err(wrong()),
        };
        rest = tail;
    }
    if parts == 0 { Err(wrong()) } else { Ok(total) }
}

/// An optional duration.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    parsed(deserializer, "invalid-duration", parse_duration).map(Some)
}

/// A duration where there is one.
pub(crate) fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parsed(deserializer, "invalid-duration", parse_duration)
}

/// A moment as RFC 3339 writes it, in seconds since 1970 (fractions are dropped).
pub(crate) fn parse_timestamp(text: &str) -> Result<i64, String> {
    timestamp_of(text)
        .ok_or_else(|| format!("expected a date and time such as 2025-01-31T12:00:00Z, found {text:?}"))
}

fn timestamp_of(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let separator = |at: usize, wanted: &[u8]| text.as_bytes().get(at).is_some_and(|b| wanted.contains(b));
    let separated = separator(4, b"-")
        && separator(7, b"-")
        && separator(10, b"Tt")
        && separator(13, b":")
        && separator(16, b":");
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let zone = text.get(19..)?;
    let zone = match zone.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            fraction.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        Some(_) => return None,
        None => zone,
    };
    let offset = zone_offset(zone)?;
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    (separated && in_range)
        .then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// Seconds east of Greenwich of `Z`, `+01:00` …
fn zone_offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let field = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<i64>().ok())?
    };
    Some(sign * (field(hours)? * 3600 + field(minutes)? * 60))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 306 + 5) / 10 + day - 1 - 719_468
}

/// An optional moment.
pub(crate) fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    parsed(deserializer, "invalid-timestamp", parse_timestamp).map(Some)
}

struct Base64Secret(Secret);

impl<'de> Deserialize<'de> for Base64Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parse = |text: &str| {
            let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            let bytes = STANDARD
                .decode(text)
                .map_err(|_| "expected base64; plain text belongs in `stringData`".to_owned())?;
            Ok(Self(Secret::new(bytes)))
        };
        parsed(deserializer, "invalid-base64", parse)
    }
}

struct PlainSecret(Secret);

impl<'de> Deserialize<'de> for PlainSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Secret::new(Cow::<str>::deserialize(deserializer)?.as_bytes())))
    }
}

/// A text that may be a credential.
pub(crate) fn plain_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    PlainSecret::deserialize(deserializer).map(|PlainSecret(secret)| secret)
}

/// `Secret.data`: base64.
pub(crate) fn base64_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Secret>, D::Error> {
    let map = BTreeMap::<String, Base64Secret>::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(key, value)| (key, value.0)).collect())
}

/// `Secret.stringData`: as it is.
pub(crate) fn plain_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Secret>, D::Error> {
    let map = BTreeMap::<String, PlainSecret>::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(key, value)| (key, value.0)).collect())
}

/// Base64 that stays bytes (`ConfigMap.binaryData`).
pub(crate) fn binary_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
    let map = BTreeMap::<String, Base64Secret>::deserialize(deserializer)?;
    Ok(map.into_iter().map(|(key, value)| (key, value.0.expose().to_vec())).collect())
}
