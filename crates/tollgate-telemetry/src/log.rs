//! The access log: one line per request, formatted on its core, written by one thread.

mod collectors;
mod envoy;
mod escape;
mod file;
mod json;
mod mask;
mod phrases;
mod sinks;
mod text;
mod writer;

use std::{fmt, io::Write};

use jiff::Timestamp;
use tollgate_core::Settled;

use self::phrases::Phrases;
pub(crate) use self::{
    collectors::{Collectors, Shippers},
    envoy::Lines,
    mask::masked,
    sinks::{SinkBuffers, Sinks},
    writer::{Buffer, Writer},
};
use crate::attributes::HeaderAttribute;

/// Where log lines go and what they look like.
pub struct AccessLog {
    /// How a line looks.
    pub format: LogFormat,
    /// Where it goes; written by a thread of its own, in batches.
    pub to: Box<dyn Write + Send>,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object
    Json,
    /// For people, without colours
    Text,
    /// For people at a terminal
    Coloured,
}

/// The time of the last line, since writing a date takes longer than comparing a second.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    second: u64,
    text: String,
}

/// What one core remembers of the lines it has written.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) clock: Clock,
    /// Names of listeners, routes and backends.
    routes: Phrases,
    /// Names of models.
    models: Phrases,
}

/// Appends the line of a request, with its line feed.
pub(crate) fn line(
    settled: &Settled,
    shape: (LogFormat, &[HeaderAttribute]),
    memory: &mut Memory,
    out: &mut Vec<u8>,
) {
    let (format, attributes) = shape;
    match format {
        LogFormat::Json => json::line(settled, attributes, memory, out),
        LogFormat::Text => text::line(settled, &text::PLAIN, &mut memory.clock, out),
        LogFormat::Coloured => text::line(settled, &text::COLOURS, &mut memory.clock, out),
    }
}

// === impl AccessLog ===

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("format", &self.format).finish_non_exhaustive()
    }
}

// === impl Clock ===

impl Clock {
    /// RFC 3339 in UTC with milliseconds.
    pub(crate) fn write(&mut self, unix_ms: u64, out: &mut Vec<u8>) {
        let second = unix_ms / 1000;
        if self.text.is_empty() || second != self.second {
            self.second = second;
            let time = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
            self.text = time.unwrap_or_default().to_string();
        }
        out.extend_from_slice(self.text.trim_end_matches('Z').as_bytes());
        let ms = u32::try_from(unix_ms % 1000).unwrap_or_default();
        let digit = |n: u32| b'0' + u8::try_from(n % 10).unwrap_or_default();
        out.extend_from_slice(&[b'.', digit(ms / 100), digit(ms / 10), digit(ms), b'Z']);
    }
}
