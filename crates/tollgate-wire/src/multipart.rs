//! Reads `multipart/form-data` (RFC 7578) while it passes by: names, values and places of fields; never a whole file.
//!
//! It is strict where parsers differ. A field that this reader does not see, and that the provider's does, could ask
//! for another model than the one that was paid for: so lines end in CRLF, headers are not folded, and a part has one
//! name.

mod head;

use std::{ops::Range, sync::Arc};

use memchr::memmem::Finder;

pub use self::head::boundary;
use self::head::part;

/// The most that the headers of one part may have, in bytes.
const HEAD: usize = 16 * 1024;

/// Length of a line's end.
const CRLF: usize = 2;

/// Why a body is no form that all would read alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// A part that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// True where it is a file: it has a name of one.
    pub is_file: bool,
    /// Its beginning, as far as the reader captures; all of it where that is as long as `range`.
    pub value: Vec<u8>,
    /// Where it stands, in bytes from the start of the body.
    pub range: Range<u64>,
}

/// Reads one form, which may be cut into pieces anywhere.
#[derive(Debug)]
pub struct Scanner {
    /// CRLF, two dashes, the boundary.
    delimiter: Arc<[u8]>,
    finder: Finder<'static>,
    /// Bytes of each value that are kept.
    capture: usize,
    state: State,
    /// How much of the delimiter the last piece ended with.
    matched: usize,
    /// How much of that is no part of the text: where a line begins, its end before was somebody else's.
    ghost: usize,
    /// Bytes that were read.
    read: u64,
    /// What there is of a part's headers.
    head: Vec<u8>,
    part: Option<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In a part, or before the first one.
    Inside,
    /// Behind a delimiter.
    Delimited,
    /// Behind a delimiter and a dash.
    Dash,
    /// Behind a delimiter and a CR.
    Return,
    Head,
    /// Behind the last delimiter.
    Over,
}

// === impl Field ===

impl Field {
    /// The value, where it was kept whole.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        (self.value.len() as u64 == self.range.end - self.range.start).then_some(&self.value)
    }
}

// === impl Scanner ===

impl Scanner {
    /// A reader of a form with this boundary, that keeps so many bytes of each value.
    #[must_use]
    pub fn new(boundary: &str, capture: usize) -> Self {
        let delimiter = ["\r\n--", boundary].concat();
        Self {
            finder: Finder::new(delimiter.as_bytes()).into_owned(),
            delimiter: delimiter.into_bytes().into(),
            capture,
            state: State::Inside,
            // The first delimiter may stand at the very beginning.
            matched: CRLF,
            ghost: CRLF,
            read: 0,
            head: Vec::new(),
            part: None,
        }
    }

    /// Reads `piece` from `at` up to the end of the next part; `None` where the piece is used up.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn next(&mut self, piece: &[u8], at: &mut usize) -> Result<Option<Field>, Malformed> {
        while let Some(rest) = piece.get(*at..).filter(|rest| !rest.is_empty()) {
            let (used, ended) = match self.state {
                State::Inside => self.inside(rest)?,
                State::Head => (self.head(rest)?, None),
                State::Over if rest.iter().all(u8::is_ascii_whitespace) => (rest.len(), None),
                State::Over => return Err(Malformed("there is text behind the last boundary")),
                State::Delimited | State::Dash | State::Return => {
                    self.state = behind_delimiter(self.state, rest[0])?;
                    (1, None)
                }
            };
            *at += used;
            self.read += used as u64;
            if let State::Inside = self.state
                && let Some(part) = self.part.as_mut().filter(|part| part.range.start == u64::MAX)
            {
                part.range.start = self.read;
            }
            if ended.is_some() {
                return Ok(ended);
            }
        }
        Ok(None)
    }

    /// The part that is being read, with what is kept of it; its `range` has no end yet.
    #[must_use]
    pub const fn current(&self) -> Option<&Field> {
        self.part.as_ref()
    }

    /// True behind the last delimiter: the form is complete.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Looks for the delimiter that ends this part.
    fn inside(&mut self, rest: &[u8]) -> Result<(usize, Option<Field>), Malformed> {
        let delimiter = Arc::clone(&self.delimiter);
        if self.matched > 0 {
            return self.go_on(rest, &delimiter);
        }
        if let Some(at) = self.finder.find(rest) {
            self.keep(&rest[..at]);
            return Ok((at + delimiter.len(), self.end_at(self.read + at as u64)));
        }
        // The delimiter has one CR, its first byte: where a piece ends in a part of it there is one place to begin.
        let tail = rest.len().saturating_sub(delimiter.len() - 1);
        let begun = memchr::memrchr(b'\r', &rest[tail..]).map(|at| tail + at);
        let begun = begun.filter(|at| delimiter.starts_with(&rest[*at..]));
        self.matched = begun.map_or(0, |at| rest.len() - at);
        self.keep(&rest[..rest.len() - self.matched]);
        Ok((rest.len(), None))
    }

    /// The piece before ended in a part of the delimiter: does this one go on with it?
    fn go_on(&mut self, rest: &[u8], delimiter: &[u8]) -> Result<(usize, Option<Field>), Malformed> {
        let wanted = &delimiter[self.matched..];
        let alike = wanted.iter().zip(rest).take_while(|(a, b)| a == b).count();
        let before = self.matched as u64;
        self.matched += alike;
        if alike == wanted.len() {
            if self.ghost > 0 && self.part.is_some() {
                return Err(Malformed("a part has no body"));
            }
            return Ok((alike, self.end_at(self.read.saturating_sub(before))));
        }
        if alike < rest.len() {
            // It was text after all.
            let (matched, ghost) = (std::mem::take(&mut self.matched), std::mem::take(&mut self.ghost));
            self.keep(&delimiter[ghost..matched]);
        }
        Ok((alike, None))
    }

    fn keep(&mut self, text: &[u8]) {
        if let Some(part) = &mut self.part {
            let room = self.capture.saturating_sub(part.value.len());
            part.value.extend_from_slice(&text[..text.len().min(room)]);
        }
    }

    fn end_at(&mut self, end: u64) -> Option<Field> {
        (self.matched, self.ghost) = (0, 0);
        self.state = State::Delimited;
        let mut part = self.part.take()?;
        part.range.end = end;
        Some(part)
    }

    /// Reads headers; how many bytes of this piece they have.
    fn head(&mut self, rest: &[u8]) -> Result<usize, Malformed> {
        let before = self.head.len();
        // An empty line ends them; it may have begun in the piece before.
        let from = before.saturating_sub(3);
        let room = HEAD - before;
        self.head.extend_from_slice(&rest[..rest.len().min(room)]);
        let end = if self.head.starts_with(b"\r\n") {
            Some(2)
        } else {
            memchr::memmem::find(&self.head[from..], b"\r\n\r\n").map(|at| from + at + 4)
        };
        let Some(end) = end else {
            return if self.head.len() == HEAD {
                Err(Malformed("the headers of a part are too long"))
            } else {
                Ok(rest.len())
            };
        };
        let (name, is_file) = part(&self.head[..end])?;
        self.head.clear();
        self.state = State::Inside;
        // Were a delimiter to follow at once, some would take the line that ends the headers for its beginning.
        (self.matched, self.ghost) = (CRLF, CRLF);
        self.part = Some(Field { name, is_file, value: Vec::new(), range: u64::MAX..u64::MAX });
        Ok(end - before)
    }
}

/// What follows a delimiter: a line's end, or two dashes.
fn behind_delimiter(state: State, byte: u8) -> Result<State, Malformed> {
    match (state, byte) {
        (State::Delimited, b'\r') => Ok(State::Return),
        (State::Return, b'\n') => Ok(State::Head),
        (State::Delimited, b'-') => Ok(State::Dash),
        (State::Dash, b'-') => Ok(State::Over),
        _ => Err(Malformed("a boundary is followed by other text on its line")),
    }
}

#[cfg(test)]
mod tests;
