use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tollgate_types::Secret;

use super::super::{Granted, Token};
use crate::UnixSeconds;

/// Characters of an error's description that are repeated.
const QUOTED: usize = 200;

/// An answer that gives no token. Nothing of a token is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// The endpoint says why not
    #[error("it refuses: {0}")]
    Refused(String),
    /// Neither a token nor an error
    #[error("its answer is not what it should be")]
    Garbage,
}

/// The answer of a token endpoint (RFC 6749, 5.1); some send the number as text.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// The token of an OAuth answer, and when it ends.
pub(super) fn token(body: &[u8], now: UnixSeconds) -> Result<(Secret, Option<UnixSeconds>), BadAnswer> {
    let TokenAnswer { access_token, expires_in } = serde_json::from_slice(body).map_err(|_| refusal(body))?;
    let expires = expires_in.map(|seconds| UnixSeconds(now.0.saturating_add(seconds)));
    let token = Secret::new(access_token);
    if token.is_empty() { Err(BadAnswer::Garbage) } else { Ok((token, expires)) }
}

/// The same, to be put into a header.
pub(super) fn bearer(body: &[u8], now: UnixSeconds) -> Result<Granted, BadAnswer> {
    let (token, expires) = token(body, now)?;
    Ok(Granted { token: Token::bearer(&token).ok_or(BadAnswer::Garbage)?, expires })
}

/// What an answer without a token says: OAuth's `error` (RFC 6749, 5.2), Google's `error.message`, Amazon's
/// `Message`.
pub(super) fn refusal(body: &[u8]) -> BadAnswer {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else { return BadAnswer::Garbage };
    let word = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
    let said = match (word("/error"), word("/error_description")) {
        (Some(error), Some(description)) => Some(format!("{error}: {description}")),
        (Some(error), None) => Some(error.to_owned()),
        (None, _) => ["/error/message", "/message", "/Message", "/Code"]
            .iter()
            .find_map(|at| word(at))
            .map(str::to_owned),
    };
    said.map_or(BadAnswer::Garbage, |said| BadAnswer::Refused(short(&said)))
}

/// One line, and not a long one: it goes into a log.
pub(super) fn short(said: &str) -> String {
    let line = said.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(QUOTED).collect()
}

/// A time as RFC 3339 has it.
pub(super) fn time(text: &str) -> Option<UnixSeconds> {
    let time: Timestamp = text.parse().ok()?;
    u64::try_from(time.as_second()).ok().map(UnixSeconds)
}
