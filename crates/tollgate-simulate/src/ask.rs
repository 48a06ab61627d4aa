use std::{borrow::Cow, hash::BuildHasher};

use serde_json::Value;

use crate::{
    form::{self, Part},
    scan::{members, prompt_text},
    text,
};

/// Bytes of prompt that one step of the prompt cache holds: 1,024 tokens, as at OpenAI.
const CACHE_STEP: usize = 4096;
const CACHE_STEPS: usize = 8;

/// What a request asks for, as far as a reply depends on it.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) model: Cow<'a, str>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) prompt_tokens: u64,
    /// Hashes of the first 4 KiB, 8 KiB … of the prompt.
    pub(crate) prefixes: Vec<u64>,
    /// Text to repeat, when the last message starts with `echo `.
    pub(crate) echo: Option<String>,
    /// The whole document, when something in it needs more than a glance.
    pub(crate) rich: Option<Box<Value>>,
}

/// Why a request body cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadAsk {
    NotJson,
    NoModel,
    /// JSON where a form is taken.
    NoForm,
}

// === impl Ask ===

impl<'a> Ask<'a> {
    /// `path_model` is the model when the path names it (Azure deployments), where the body's is ignored.
    pub(crate) fn read(body: &'a [u8], path_model: Option<&'a str>) -> Result<Self, BadAsk> {
        let mut ask = Self {
            model: Cow::Borrowed(path_model.unwrap_or_default()),
            stream: false,
            include_usage: false,
            max_tokens: None,
            prompt_tokens: 0,
            prefixes: Vec::new(),
            echo: None,
            rich: None,
        };
        let (mut bytes, mut rich, mut last, mut any) = (0, false, &b""[..], false);
        for (key, value) in members(body) {
            any = true;
            match key {
                b"model" if path_model.is_none() => ask.model = string(value).ok_or(BadAsk::NoModel)?,
                b"stream" => ask.stream = value == b"true",
                b"stream_options" => ask.include_usage = memchr::memmem::find(value, b"true").is_some(),
                b"max_tokens" | b"max_completion_tokens" | b"max_output_tokens" => {
                    ask.max_tokens = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                }
                b"messages" | b"prompt" | b"input" | b"system" | b"instructions" => {
                    prompt_text(value, |text| {
                        bytes += text::count(text.len());
                        last = text;
                    });
                    if key == b"messages" || key == b"input" {
                        ask.prefixes = prefixes(value);
                    }
                }
                b"tools" | b"response_format" | b"stop" | b"stop_sequences" | b"n" | b"thinking"
                | b"reasoning_effort" | b"reasoning" | b"logprobs" | b"text" | b"output_config" | b"echo"
                | b"output_format" | b"encoding_format" | b"dimensions" | b"top_logprobs" | b"functions" => {
                    rich |= !matches!(value, b"null" | b"[]");
                }
                _ => {}
            }
        }
        if !any {
            return Err(BadAsk::NotJson);
        }
        if ask.model.is_empty() {
            return Err(BadAsk::NoModel);
        }
        ask.prompt_tokens = bytes.max(1);
        if last.starts_with(b"echo ") {
            ask.echo = Some(string(&quoted(&last[5..])).unwrap_or_default().into_owned());
        }
        if rich {
            ask.rich = Some(Box::new(serde_json::from_slice(body).map_err(|_| BadAsk::NotJson)?));
        }
        Ok(ask)
    }

    /// What a form asks for.
    pub(crate) fn of_form(parts: &[Part<'a>], default: Option<&'a str>) -> Result<Self, BadAsk> {
        let named = form::field(parts, "model").filter(|model| !model.is_empty());
        let mut ask = Self::read(b"{\"model\":\"-\"}", None)?;
        ask.model = Cow::Borrowed(named.or(default).ok_or(BadAsk::NoModel)?);
        ask.stream = form::field(parts, "stream").is_some_and(|stream| stream.eq_ignore_ascii_case("true"));
        ask.prompt_tokens = form::field(parts, "prompt").map_or(0, |prompt| text::count(prompt.len()));
        Ok(ask)
    }

    /// The member `name` of the document; null when nothing unusual was asked for.
    pub(crate) fn rich(&self, name: &str) -> &Value {
        self.rich.as_ref().map_or(&Value::Null, |value| &value[name])
    }
}

fn quoted(inside: &[u8]) -> Vec<u8> {
    [b"\"", inside, b"\""].concat()
}

/// A JSON string's text.
fn string(value: &[u8]) -> Option<Cow<'_, str>> {
    let inside = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inside).is_none() {
        return std::str::from_utf8(inside).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice::<String>(value).ok().map(Cow::Owned)
}

fn prefixes(prompt: &[u8]) -> Vec<u64> {
    if prompt.len() < CACHE_STEP {
        return Vec::new();
    }
    let hasher = foldhash::fast::FixedState::default();
    let mut hash = 0;
    prompt
        .chunks_exact(CACHE_STEP)
        .take(CACHE_STEPS)
        .map(|step| {
            hash = hasher.hash_one((hash, step));
            hash
        })
        .collect()
}
