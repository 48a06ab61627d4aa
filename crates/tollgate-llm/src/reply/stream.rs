use bytes::Bytes;
use tollgate_wire::{
    scan,
    sse::{Event, Splitter, TooLarge},
};

use super::{
    Output, UsageChunk,
    opening::error_in,
    whole::{bounded, malformed},
};
use crate::{
    Fault,
    meter::{Meter, Sight},
    translate::Reader,
};

/// The largest event, in bytes: the closing events of OpenAI's responses repeat the whole answer, images included.
pub(super) const EVENT: usize = 32 * 1024 * 1024;

/// A stream on its way through.
#[derive(Debug)]
pub(super) struct Passing {
    splitter: Splitter,
    usage_chunk: UsageChunk,
    progress: Progress,
    /// Complete blocks, comments and white space that came before the first event.
    held: Vec<Bytes>,
    /// The beginning of the block that is not yet complete.
    partial: Vec<Bytes>,
    /// What became of the block before: the LF of its blank line may come late.
    last: Fate,
}

/// A stream that is translated.
#[derive(Debug)]
pub(super) struct Translating {
    splitter: Splitter,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// No event has come: the reply may still turn out to be an error.
    Waiting,
    Started,
}

/// What to do with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Forward,
    Drop,
}

// === impl Passing ===

impl Passing {
    /// A stream behind this white space.
    pub(super) const fn new(usage_chunk: UsageChunk, held: Vec<Bytes>) -> Self {
        Self {
            splitter: Splitter::new(EVENT),
            usage_chunk,
            progress: Progress::Waiting,
            held,
            partial: Vec::new(),
            last: Fate::Forward,
        }
    }

    /// Takes a chunk and forwards the events that it completes, as slices of the buffers they came in.
    pub(super) fn push(&mut self, chunk: Bytes, meter: &mut Meter, out: &mut Output) -> Result<(), Fault> {
        // `chunk[..done]` was forwarded or dropped, `chunk[done..block]` are complete blocks to forward; the first
        // of them begins with `partial`, and `held` goes before.
        let mut at = self.splitter.rest_of_blank_line(&chunk);
        let (mut done, mut block) = if self.last == Fate::Drop { (at, at) } else { (0, at) };
        loop {
            at += self.leading_pieces(&chunk[at..], meter);
            block = block.max(at);
            let Some(event) = self.splitter.next(&chunk, &mut at).map_err(too_large)? else { break };
            let fate = fate(event, (&mut self.progress, self.usage_chunk), meter)?;
            self.last = fate;
            match fate {
                Fate::Forward => self.held.append(&mut self.partial),
                Fate::Drop => self.partial.clear(),
            }
            if self.progress == Progress::Started && !self.held.is_empty() {
                out.0.append(&mut self.held);
            }
            if fate == Fate::Drop {
                slice(&mut out.0, &chunk, done..block);
                done = at;
            }
            block = at;
        }
        let kept = match self.progress {
            Progress::Started => &mut out.0,
            Progress::Waiting => &mut self.held,
        };
        if (done, block) == (0, chunk.len()) {
            kept.push(chunk);
        } else {
            slice(kept, &chunk, done..block);
            slice(&mut self.partial, &chunk, block..chunk.len());
        }
        match self.progress {
            Progress::Waiting => bounded(self.held.iter().chain(&self.partial)),
            Progress::Started => Ok(()),
        }
    }

    /// Bytes of the events at the start of `text` that need no splitting to be told, and are to be forwarded.
    fn leading_pieces(&self, text: &[u8], meter: &mut Meter) -> usize {
        let starts_here = self.progress == Progress::Started
            && self.held.is_empty()
            && self.partial.is_empty()
            && self.splitter.is_between_events();
        if starts_here { meter.leading_pieces(text) } else { 0 }
    }

    /// Takes a chunk of a compressed stream: its events are read, its bytes go as they came.
    pub(super) fn push_coded(
        &mut self,
        text: &[u8],
        raw: Bytes,
        (meter, out): (&mut Meter, &mut Output),
    ) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(event) = self.splitter.next(text, &mut at).map_err(too_large)? {
            fate(event, (&mut self.progress, UsageChunk::Keep), meter)?;
        }
        self.held.push(raw);
        match self.progress {
            Progress::Waiting => bounded(&self.held),
            Progress::Started => {
                out.0.append(&mut self.held);
                Ok(())
            }
        }
    }

    pub(super) fn finish(&mut self, meter: &mut Meter, out: &mut Output) -> Result<(), Fault> {
        if let Some(event) = self.splitter.finish() {
            if is_cut(event) {
                return Err(Fault::Truncated);
            }
            if fate(event, (&mut self.progress, self.usage_chunk), meter)? == Fate::Drop {
                self.partial.clear();
            }
        }
        if self.progress == Progress::Waiting || !meter.is_complete() {
            return Err(Fault::Truncated);
        }
        meter.finish();
        out.0.append(&mut self.held);
        out.0.append(&mut self.partial);
        Ok(())
    }

    /// Drops the event that is not complete.
    pub(super) fn forget(&mut self) {
        self.held.clear();
        self.partial.clear();
    }
}

/// Reads an event and says what becomes of it.
fn fate(
    event: Event<'_>,
    (progress, usage_chunk): (&mut Progress, UsageChunk),
    meter: &mut Meter,
) -> Result<Fate, Fault> {
    let Some(data) = event.data else { return Ok(Fate::Forward) };
    refuse_error(event, progress)?;
    match (meter.event(event.name, data), usage_chunk) {
        (Sight::UsageOnly, UsageChunk::Strip) => Ok(Fate::Drop),
        (Sight::UsageOnly, UsageChunk::Keep) | (Sight::Ordinary, _) => Ok(Fate::Forward),
    }
}

/// The first event must be no error, and must be readable.
fn refuse_error(event: Event<'_>, progress: &mut Progress) -> Result<(), Fault> {
    let Some(data) = event.data.filter(|_| *progress == Progress::Waiting) else { return Ok(()) };
    let is_end = event.name != Some("error") && data.trim_ascii() == b"[DONE]";
    if !is_end && let Some(words) = error_in(event.name, data).map_err(malformed)? {
        return Err(Fault::ErrorInReply(words));
    }
    *progress = Progress::Started;
    Ok(())
}

/// True for an event without its blank line that ends inside of its data.
fn is_cut(event: Event<'_>) -> bool {
    let data = event.data.unwrap_or_default();
    data.trim_ascii() != b"[DONE]" && scan::document(data).is_err()
}

fn too_large(TooLarge(limit): TooLarge) -> Fault {
    Fault::TooLarge(limit)
}

// === impl Translating ===

impl Translating {
    pub(super) const fn new() -> Self {
        Self { splitter: Splitter::new(EVENT), progress: Progress::Waiting }
    }

    /// Takes a chunk; what its events become leaves in one buffer.
    pub(super) fn push(
        &mut self,
        text: &[u8],
        reader: &mut dyn Reader,
        out: &mut Output,
    ) -> Result<(), Fault> {
        let mut written = Vec::with_capacity(text.len());
        let result = self.events(text, reader, &mut written);
        out.append(written);
        result
    }

    pub(super) fn finish(&mut self, reader: &mut dyn Reader, out: &mut Output) -> Result<(), Fault> {
        let mut written = Vec::new();
        let last = match self.splitter.finish() {
            Some(event) if is_cut(event) => Err(Fault::Truncated),
            Some(event) => translate_event(event, &mut self.progress, (reader, &mut written)),
            None if self.progress == Progress::Waiting => Err(Fault::Truncated),
            None => Ok(()),
        };
        let result = last.and_then(|()| reader.end(&mut written));
        out.append(written);
        result
    }

    fn events(&mut self, text: &[u8], reader: &mut dyn Reader, written: &mut Vec<u8>) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(event) = self.splitter.next(text, &mut at).map_err(too_large)? {
            translate_event(event, &mut self.progress, (reader, written))?;
        }
        Ok(())
    }
}

fn translate_event(
    event: Event<'_>,
    progress: &mut Progress,
    (reader, written): (&mut dyn Reader, &mut Vec<u8>),
) -> Result<(), Fault> {
    let Some(data) = event.data else { return Ok(()) };
    refuse_error(event, progress)?;
    reader.event(event.name, data, written)
}

/// Appends a part of a chunk without copying it.
fn slice(parts: &mut Vec<Bytes>, chunk: &Bytes, range: std::ops::Range<usize>) {
    if !range.is_empty() {
        parts.push(chunk.slice(range));
    }
}
