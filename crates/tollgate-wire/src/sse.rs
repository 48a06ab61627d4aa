//! Server-sent events, split as they arrive (WHATWG HTML, section "Interpreting an event stream").
//!
//! Lines end with LF, CR or CRLF; a byte order mark at the start, comments and unknown fields are skipped;
//! `data` lines of one event are joined with LF. [`Splitter::next`] says where in the chunk an event ended, so
//! that a caller can forward the very bytes it got.

use std::ops::Range;

use memchr::memchr2;

/// A block of lines up to its blank line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field; `None` where there was none, or where it is no UTF-8.
    pub name: Option<&'a str>,
    /// The `data` fields; `None` for blocks without one (comments, keep-alives): those are no events.
    pub data: Option<&'a [u8]>,
}

/// An event is larger than the splitter may hold; the limit is in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {0} bytes")]
pub struct TooLarge(pub usize);

/// Splits one stream. An event that lies in one chunk is neither copied nor allocated for.
#[derive(Debug)]
pub struct Splitter {
    limit: usize,
    /// The block that earlier chunks began; empty at an event's boundary.
    carry: Vec<u8>,
    /// Where the unfinished line starts in `carry`.
    line: usize,
    block: Block,
    place: Place,
    ending: Ending,
}

/// The fields of the current block, as ranges of the buffer it lies in.
#[derive(Debug, Default)]
struct Block {
    name: Option<Range<usize>>,
    data: Data,
    /// The joined lines of [`Data::Joined`]; kept for its memory.
    joined: Vec<u8>,
}

#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    Line(Range<usize>),
    Joined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the end of the first line, which may begin with a byte order mark.
    FirstLine,
    Later,
    /// The event that was handed out last lies in `carry`.
    HandedOut,
}

/// How the last line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// With the last byte of a chunk, a CR: an LF that follows belongs to it.
    OpenCr,
    Closed,
}

/// Memory that is kept for the next event that chunks cut.
const KEPT: usize = 64 * 1024;

// === impl Splitter ===

impl Splitter {
    /// Holds `limit` bytes of one event at most.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            carry: Vec::new(),
            line: 0,
            block: Block { name: None, data: Data::None, joined: Vec::new() },
            place: Place::FirstLine,
            ending: Ending::Closed,
        }
    }

    /// Reads on in `chunk` from `*at`, and leaves `*at` behind the block that it returns. `None`: the chunk is
    /// used up, and the next call brings the next one with `*at` at 0.
    ///
    /// # Errors
    /// [`TooLarge`]
    pub fn next<'s>(&'s mut self, chunk: &'s [u8], at: &mut usize) -> Result<Option<Event<'s>>, TooLarge> {
        self.forget_handed_out();
        if self.ending == Ending::OpenCr && *at < chunk.len() {
            *at += usize::from(chunk[*at] == b'\n');
            self.ending = Ending::Closed;
        }
        if *at >= chunk.len() && self.carry.is_empty() {
            self.block.clear();
            self.line = 0;
            return Ok(None);
        }
        if self.carry.is_empty() { self.next_in_chunk(chunk, at) } else { self.next_in_carry(chunk, at) }
    }

    /// True behind an event and before the next one, where nothing of the stream is held: a caller who knows a whole
    /// event by sight may skip it.
    #[must_use]
    pub fn is_between_events(&self) -> bool {
        match self.place {
            Place::FirstLine => false,
            Place::Later => self.carry.is_empty() && self.ending == Ending::Closed,
            Place::HandedOut => self.ending == Ending::Closed,
        }
    }

    /// Takes the LF at the start of `chunk` that still belongs to the event handed out last: its blank line ends with
    /// CRLF, and the chunk before ended between the two. Gives the bytes taken, 0 or 1, where [`next`](Self::next)
    /// is to begin; without this call it takes them for the start of the next event.
    pub fn rest_of_blank_line(&mut self, chunk: &[u8]) -> usize {
        let in_block = self.place != Place::HandedOut && !self.carry.is_empty();
        match chunk.first() {
            Some(first) if !in_block && self.ending == Ending::OpenCr => {
                self.ending = Ending::Closed;
                usize::from(*first == b'\n')
            }
            _ => 0,
        }
    }

    /// The stream ended: the event whose blank line is missing, if it has data.
    pub fn finish(&mut self) -> Option<Event<'_>> {
        self.forget_handed_out();
        let line = self.line..self.carry.len();
        if !line.is_empty() {
            self.block.read(&self.carry, line, self.place);
        }
        self.place = Place::HandedOut;
        let event = self.block.event(&self.carry);
        event.data.is_some().then_some(event)
    }

    fn next_in_chunk<'s>(
        &'s mut self,
        chunk: &'s [u8],
        at: &mut usize,
    ) -> Result<Option<Event<'s>>, TooLarge> {
        let begin = *at;
        self.block.clear();
        let mut line = begin;
        while let Some(end) = line_end(chunk, line) {
            let blank = self.block.read(chunk, line..end, self.place);
            self.place = Place::Later;
            line = self.behind(chunk, end);
            if blank {
                *at = line;
                return Ok(Some(self.block.event(chunk)));
            }
        }
        self.carry.extend_from_slice(&chunk[begin..]);
        self.block.rebase(begin);
        self.line = line - begin;
        *at = chunk.len();
        self.within_limit().map(|()| None)
    }

    fn next_in_carry<'s>(
        &'s mut self,
        chunk: &'s [u8],
        at: &mut usize,
    ) -> Result<Option<Event<'s>>, TooLarge> {
        while let Some(end) = line_end(chunk, *at) {
            self.carry.extend_from_slice(&chunk[*at..end]);
            let blank = self.block.read(&self.carry, self.line..self.carry.len(), self.place);
            self.place = Place::Later;
            self.carry.push(b'\n');
            self.line = self.carry.len();
            *at = self.behind(chunk, end);
            if blank {
                self.place = Place::HandedOut;
                return Ok(Some(self.block.event(&self.carry)));
            }
        }
        self.carry.extend_from_slice(&chunk[*at..]);
        *at = chunk.len();
        self.within_limit().map(|()| None)
    }

    /// Where the next line starts, if the last one ended at `end`.
    fn behind(&mut self, chunk: &[u8], end: usize) -> usize {
        match chunk[end..] {
            [b'\r', b'\n', ..] => end + 2,
            [b'\r'] => {
                self.ending = Ending::OpenCr;
                end + 1
            }
            _ => end + 1,
        }
    }

    fn forget_handed_out(&mut self) {
        if self.place == Place::HandedOut {
            self.place = Place::Later;
            self.carry.clear();
            self.carry.shrink_to(KEPT);
            self.line = 0;
            self.block.clear();
        }
    }

    fn within_limit(&self) -> Result<(), TooLarge> {
        if self.carry.len() > self.limit { Err(TooLarge(self.limit)) } else { Ok(()) }
    }
}

// === impl Block ===

impl Block {
    fn clear(&mut self) {
        self.name = None;
        self.data = Data::None;
    }

    /// Reads one line without its end; true where it is blank.
    fn read(&mut self, buffer: &[u8], mut line: Range<usize>, place: Place) -> bool {
        if place == Place::FirstLine && buffer[line.clone()].starts_with(b"\xef\xbb\xbf") {
            line.start += 3;
        }
        let text = &buffer[line.clone()];
        if let Some(start) = value_of(text, b"data") {
            self.add_data(buffer, line.start + start..line.end);
        } else if let Some(start) = value_of(text, b"event") {
            self.name = Some(line.start + start..line.end);
        }
        text.is_empty()
    }

    fn add_data(&mut self, buffer: &[u8], line: Range<usize>) {
        match &self.data {
            Data::None => {
                self.data = Data::Line(line);
                return;
            }
            Data::Line(first) => {
                self.joined.clear();
                self.joined.extend_from_slice(&buffer[first.clone()]);
                self.data = Data::Joined;
            }
            Data::Joined => {}
        }
        self.joined.push(b'\n');
        self.joined.extend_from_slice(&buffer[line]);
    }

    /// The buffer's first `by` bytes are gone.
    fn rebase(&mut self, by: usize) {
        let shift = |range: &mut Range<usize>| *range = range.start - by..range.end - by;
        if let Some(name) = &mut self.name {
            shift(name);
        }
        if let Data::Line(line) = &mut self.data {
            shift(line);
        }
    }

    fn event<'s>(&'s self, buffer: &'s [u8]) -> Event<'s> {
        let name = self.name.clone().and_then(|range| std::str::from_utf8(&buffer[range]).ok());
        let data = match &self.data {
            Data::None => None,
            Data::Line(range) => Some(&buffer[range.clone()]),
            Data::Joined => Some(&self.joined[..]),
        };
        Event { name, data }
    }
}

/// The first LF or CR from `at` on.
fn line_end(chunk: &[u8], at: usize) -> Option<usize> {
    // Every second line is blank: no search needs to be set up for it.
    if let Some(b'\n' | b'\r') = chunk.get(at) {
        return Some(at);
    }
    memchr2(b'\n', b'\r', &chunk[at..]).map(|offset| at + offset)
}

/// Where the field's value starts in the line, if the line has this field.
fn value_of(line: &[u8], field: &[u8]) -> Option<usize> {
    let rest = line.strip_prefix(field)?;
    match rest {
        [] => Some(line.len()),
        [b':', b' ', ..] => Some(field.len() + 2),
        [b':', ..] => Some(field.len() + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
