use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::request::Request;

/// What one reply does besides being correct. An unset field leaves the layer below in force:
/// options, then rules, then `x-sim-*` headers, then a magic model name (`sim-429`, `sim-reset`).
///
/// In headers the fields are spelled `x-sim-first-token-ms`, in `POST /_sim/faults` as below.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Milliseconds before the status line.
    pub header_delay_ms: Option<u64>,
    /// Milliseconds between the head of a stream and its first event; of a whole reply, before all.
    pub first_token_ms: Option<u64>,
    /// Output tokens per second, one event each; 0 sends everything in one write.
    pub rate: Option<f64>,
    /// Output tokens of text; `max_tokens` cuts it shorter. Default 16.
    pub tokens: Option<u32>,
    /// Numbers in each embedding. Default 8; the request's `dimensions` wins.
    pub dimensions: Option<u32>,
    /// Prompt tokens to report as read from the cache, at most the prompt.
    pub cached: Option<u32>,
    /// Tokens of reasoning, asked for or not. Default 24 when the request asks for reasoning.
    pub reasoning: Option<u32>,
    /// Answer with this status and the provider's error body.
    pub status: Option<u16>,
    /// Seconds for a `retry-after` header.
    pub retry_after: Option<u64>,
    /// Break the reply in this way.
    pub fault: Option<Fault>,
    /// Events of a stream that pass before the fault (of a whole reply: bytes). Default 0.
    pub after: Option<u32>,
    /// Compress the reply.
    pub encoding: Option<Encoding>,
    /// Bytes of padding in an extra response header.
    pub header_bytes: Option<usize>,
    /// Each token of the text is `@` and the time of its sending in microseconds since 1970,
    /// 16 digits, so that a reader on the same machine knows how long it travelled.
    pub stamp: Option<bool>,
}

/// A way in which a provider breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// RST after `after` events.
    Reset,
    /// FIN after `after` events, the stream's body well ended but without its end mark.
    Close,
    /// FIN after `after` events in the middle of the chunked body.
    Cut,
    /// Nothing more after `after` events; the connection stays open.
    Stall,
    /// Not even a status line; the connection stays open.
    NeverAnswer,
    /// FIN before the status line.
    CloseBefore,
    /// RST before the status line.
    ResetBefore,
    /// JSON that ends early, under 200.
    Malformed,
    /// An HTML page under 200.
    Html,
    /// The provider's error object under 200 (in a stream: whole JSON instead of events).
    ErrorBody,
    /// An error event after `after` events, then the end of the stream.
    ErrorEvent,
    /// One event that is not JSON after `after` events; the rest follows.
    BadEvent,
    /// A chunk with an empty `choices` (Anthropic: an unknown event) after `after` events; the rest follows.
    EmptyChoices,
    /// A chunk size that is no number after `after` events.
    BadChunk,
    /// `content-length` says more than is sent, then FIN.
    Truncate,
    /// An empty body under 200.
    Empty,
    /// `null` as the body under 200.
    Null,
    /// Correct, with `connection: close`.
    ConnectionClose,
    /// Correct, but without `content-length` or chunks: FIN ends the body.
    UntilClose,
}

/// A content coding of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which HTTP calls deflate.
    Deflate,
}

/// A behaviour for coming requests, set at run time.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Requests it applies to before it is gone; 0 is for ever. Default 1.
    pub times: Option<u32>,
    /// Matching requests that pass before it starts to apply.
    pub skip: u32,
    /// Only requests for this model.
    pub model: Option<String>,
    /// Only paths that end so.
    pub path: Option<String>,
    /// Only keys that end so.
    pub key: Option<String>,
    /// What they do.
    pub behaviour: Behaviour,
}

// === impl Behaviour ===

macro_rules! overlay {
    ($over:expr, $base:expr; $($field:ident),*) => {
        Behaviour { $($field: $over.$field.or($base.$field)),* }
    };
}

impl Behaviour {
    /// `self` where it says something, `base` where not.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        overlay!(self, base; header_delay_ms, first_token_ms, rate, tokens, dimensions, cached, reasoning,
            status, retry_after, fault, after, encoding, header_bytes, stamp)
    }

    /// The same as only this fault, for tests.
    #[must_use]
    pub fn fault(fault: Fault) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }

    /// The same as only this status, for tests.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// What the `x-sim-*` headers ask for, or the name of the one that cannot be read.
    pub(crate) fn from_headers(request: &Request<'_>) -> Result<Self, String> {
        let mut asked = Self::default();
        for (name, value) in request.knobs() {
            asked.set(&name, value).ok_or_else(|| format!("header x-sim-{name} cannot be {value:?}"))?;
        }
        Ok(asked)
    }

    /// What a model name that starts with `sim-` asks for: a status or a fault.
    pub(crate) fn from_model(model: &str) -> Option<Self> {
        let word = model.strip_prefix("sim-")?;
        if let Ok(status @ 400..=599) = word.parse::<u16>() {
            return Some(Self { status: Some(status), ..Self::default() });
        }
        Some(Self::fault(word.parse().ok()?))
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        fn read<T: FromStr>(value: &str) -> Option<Option<T>> {
            value.parse().ok().map(Some)
        }
        match name {
            "header-delay-ms" => self.header_delay_ms = read(value)?,
            "first-token-ms" => self.first_token_ms = read(value)?,
            "rate" => self.rate = read(value)?,
            "tokens" => self.tokens = read(value)?,
            "dimensions" => self.dimensions = read(value)?,
            "cached" => self.cached = read(value)?,
            "reasoning" => self.reasoning = read(value)?,
            "status" => self.status = read(value)?,
            "retry-after" => self.retry_after = read(value)?,
            "fault" => self.fault = read(value)?,
            "after" => self.after = read(value)?,
            "encoding" => self.encoding = read(value)?,
            "header-bytes" => self.header_bytes = read(value)?,
            "stamp" => self.stamp = Some(value != "0" && value != "false"),
            _ => return None,
        }
        Some(())
    }

    /// The pause between two events; none when the rate is unset, 0 or absurd.
    pub(crate) fn interval(&self) -> Duration {
        match self.rate {
            Some(rate) if rate > 0.0 && rate.is_finite() => {
                Duration::try_from_secs_f64(1.0 / rate).unwrap_or_default().min(Duration::from_secs(3600))
            }
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn first_token(&self) -> Duration {
        Duration::from_millis(self.first_token_ms.unwrap_or(0))
    }

    pub(crate) fn header_delay(&self) -> Duration {
        Duration::from_millis(self.header_delay_ms.unwrap_or(0))
    }
}

// === impl Fault ===

impl FromStr for Fault {
    type Err = serde::de::value::Error;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::deserialize(serde::de::value::StrDeserializer::new(word))
    }
}

// === impl Encoding ===

impl Encoding {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

impl FromStr for Encoding {
    type Err = serde::de::value::Error;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::deserialize(serde::de::value::StrDeserializer::new(word))
    }
}

// === impl Rule ===

impl Rule {
    /// The next `times` requests behave so; 0 is for ever.
    #[must_use]
    pub fn next(times: u32, behaviour: Behaviour) -> Self {
        Self { times: Some(times), behaviour, ..Self::default() }
    }
}
