use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_ENCODING};
use tollgate_llm::Output;
use tollgate_wire::encoding::Encoding;

use crate::{Exchange, Record};

/// What spans keep of prompts and replies. Nothing is kept unless an operator asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Prompts
    pub input: bool,
    /// Replies
    pub output: bool,
    /// Most bytes of each; the rest is left out.
    pub limit: usize,
}

/// What was kept of one LLM request whose trace is kept. Not shown by `Debug`.
#[derive(Default)]
pub struct Content {
    /// The client's body, or its beginning.
    pub input: Option<Kept>,
    /// What the client got, or its beginning.
    pub output: Option<Kept>,
    /// How `output` is compressed, if it is.
    pub encoding: Option<Encoding>,
}

/// Bytes up to a limit.
#[derive(Default)]
pub struct Kept {
    /// The beginning.
    pub bytes: Vec<u8>,
    /// True where there was more.
    pub cut: bool,
}

// === impl Content ===

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").finish_non_exhaustive()
    }
}

// === impl Kept ===

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("bytes", &self.bytes.len()).field("cut", &self.cut).finish()
    }
}

impl Kept {
    fn take(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.bytes.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(taken);
        self.cut |= taken.len() < bytes.len();
    }
}

// === impl Record ===

impl Record {
    /// Keeps the client's body, where an operator wants prompts in spans.
    pub(crate) fn capture_input(&mut self, body: &Bytes) {
        let Some(capture) = self.live.capture.filter(|_| self.trace.sampled) else { return };
        let mut content = Content::default();
        if capture.input {
            content.input.get_or_insert_default().take(body, capture.limit);
        }
        if capture.output {
            content.output = Some(Kept::default());
        }
        self.content = Some(Box::new(content));
    }

    /// Notes how the reply that the client gets is compressed.
    pub(crate) fn capture_encoding(&mut self, headers: &HeaderMap) {
        let Some(content) = &mut self.content else { return };
        let named = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        content.encoding = named.and_then(Encoding::parse);
    }
}

// === impl Exchange ===

impl Exchange {
    /// Keeps what the client gets, where an operator wants replies in spans. `out` holds what came before this
    /// exchange began; what it makes itself is kept anyway.
    pub fn capture(&mut self, out: &Output) {
        self.capture_from(out, 0);
    }

    /// The same of what was appended after the first `before` chunks.
    pub(crate) fn capture_from(&mut self, out: &Output, before: usize) {
        let Some(content) = &mut self.record.content else { return };
        let (Some(capture), Some(kept)) = (self.record.live.capture, &mut content.output) else { return };
        for chunk in out.0.iter().skip(before) {
            kept.take(chunk, capture.limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_the_limit_and_a_cut_is_told() {
        let mut kept = Kept::default();
        kept.take(b"abc", 4);
        assert!(!kept.cut);
        kept.take(b"", 4);
        kept.take(b"d", 4);
        assert!(!kept.cut);
        kept.take(b"ef", 4);
        assert_eq!((&*kept.bytes, kept.cut), (&b"abcd"[..], true));
        let alone = format!("{kept:?}");
        assert!(alone.contains("bytes: 4") && !alone.contains("97"), "{alone}");
        let shown = format!("{:?}", Content { input: Some(kept), ..Content::default() });
        assert!(!shown.contains("97") && !shown.contains("abcd"), "{shown}");
    }
}
