//! The top-level members of a JSON object that arrives in pieces, without keeping the document.
//!
//! [`Watch`] follows the structure (strings, brackets) and copies only the values it is asked to capture. It is
//! no validator: what it lets pass may still be refused by a parser, but it never takes a member of an inner
//! object for one of the outer, and it knows when the document is complete. Bulk (numbers of embeddings,
//! long strings) goes by at memory speed.

use crate::{
    blocks,
    scan::{Kind, NotJson},
};

mod nested;

/// Keys longer than this are never captured; in bytes as written.
const MAX_KEY: usize = 64;

/// Follows one document.
#[derive(Debug)]
pub struct Watch {
    wanted: fn(&[u8]) -> bool,
    limit: usize,
    state: State,
    key: Vec<u8>,
    value: Vec<u8>,
    /// Bytes of the document before the current piece.
    seen: usize,
}

/// Whoever is told of the members of a document.
pub trait Visitor<'c> {
    /// Reads a value that begins here, where it knows better how to: says how long it is.
    fn read(&mut self, key: &'c [u8], ahead: &'c [u8]) -> Option<usize>;

    /// Takes a member whose value it did not read; false ends the visit.
    fn take(&mut self, key: &'c [u8], value: &'c [u8]) -> bool;
}

/// Something at the top level of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// The document's first byte: it is of this kind. Members follow only where it is an object.
    Document(Kind),
    /// A member that is not captured begins.
    Opened {
        /// As written, without quotes.
        key: &'a [u8],
        /// What its value is.
        kind: Kind,
    },
    /// A captured member is complete.
    Captured {
        /// As written, without quotes.
        key: &'a [u8],
        /// The value's text.
        value: &'a [u8],
    },
    /// A member that should have been captured is longer than the limit.
    TooLong {
        /// As written, without quotes.
        key: &'a [u8],
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first byte of the document.
    Start,
    /// Behind `{` or `,`, or where one of them or `}` is due.
    Between,
    Key(Quote),
    /// Behind a key.
    Colon,
    /// Behind the colon.
    Ahead,
    Value(Place, Keep),
    /// The document is complete.
    Done,
}

/// Where in a value. `depth` counts the brackets open inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Plain { depth: usize },
    Text { depth: usize, quote: Quote },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    Open,
    /// Behind a backslash.
    Escaping,
}

/// What becomes of the bytes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Capture,
    Skip,
    /// Was to be captured, grew too long.
    TooLong,
    /// The document itself, where it is no object.
    Root,
}

// === impl Watch ===

impl Watch {
    /// Watches for the members whose keys `wanted` accepts; a captured value has `limit` bytes at most.
    #[must_use]
    pub const fn new(wanted: fn(&[u8]) -> bool, limit: usize) -> Self {
        Self { wanted, limit, state: State::Start, key: Vec::new(), value: Vec::new(), seen: 0 }
    }

    /// Reads a document that begins in this piece and ends in it, where it is an object whose keys have no escapes:
    /// `visitor` gets all its members, keys without quotes and the text of values. False where the document is
    /// anything else, or where the visitor says so: nothing was read then, and what it was told does not count.
    pub fn all<'c>(&mut self, chunk: &'c [u8], visitor: &mut impl Visitor<'c>) -> bool {
        let all = self.state == State::Start && all_members(chunk, visitor).is_some();
        if all {
            self.state = State::Done;
            self.seen = self.seen.saturating_add(chunk.len());
        }
        all
    }

    /// True where the document has ended, or ends here if nothing follows (a bare number or word).
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::Done | State::Value(Place::Plain { depth: 0 }, Keep::Root))
    }

    /// Reads on in `chunk` from `*at`, up to and including the next thing of interest. `None`: the chunk is
    /// used up, and the next call brings the next one with `*at` at 0.
    ///
    /// # Errors
    /// [`NotJson`] where no JSON document has such a byte.
    pub fn next<'s>(&'s mut self, chunk: &'s [u8], at: &mut usize) -> Result<Option<Found<'s>>, NotJson> {
        while let Some(byte) = chunk.get(*at).copied() {
            match self.state {
                State::Start => {
                    *at += 1;
                    if !is_space(byte) {
                        return self.begin(byte, *at - 1).map(Some);
                    }
                }
                State::Between => {
                    *at += 1;
                    match byte {
                        b'"' => {
                            if let Some(found) = self.member(chunk, at) {
                                return Ok(Some(found));
                            }
                        }
                        b'}' => self.state = State::Done,
                        b',' => {}
                        _ if is_space(byte) => {}
                        _ => return Err(self.wrong("expected a key", *at - 1)),
                    }
                }
                State::Key(quote) => self.read_key(quote, chunk, at),
                State::Colon | State::Ahead => {
                    *at += 1;
                    if is_space(byte) {
                        continue;
                    }
                    if self.state == State::Colon {
                        if byte != b':' {
                            return Err(self.wrong("expected ':'", *at - 1));
                        }
                        self.state = State::Ahead;
                    } else if let Some(kind) = self.open_value(byte, *at - 1)? {
                        return Ok(Some(Found::Opened { key: &self.key, kind }));
                    }
                }
                State::Value(place, keep) => match self.read_value((place, keep), chunk, at) {
                    Some(Keep::Capture) => {
                        return Ok(Some(Found::Captured { key: &self.key, value: &self.value }));
                    }
                    Some(Keep::TooLong) => return Ok(Some(Found::TooLong { key: &self.key })),
                    Some(Keep::Skip | Keep::Root) | None => {}
                },
                State::Done => {
                    *at += 1;
                    if !is_space(byte) {
                        return Err(self.wrong("unexpected text after the value", *at - 1));
                    }
                }
            }
        }
        self.seen = self.seen.saturating_add(chunk.len());
        Ok(None)
    }

    fn begin(&mut self, byte: u8, offset: usize) -> Result<Found<'_>, NotJson> {
        let kind = Kind::of(byte).ok_or_else(|| self.wrong("expected a value", offset))?;
        self.state = match kind {
            Kind::Object => State::Between,
            Kind::Array | Kind::Text | Kind::Number | Kind::Bool | Kind::Null => {
                State::Value(Place::behind(byte), Keep::Root)
            }
        };
        Ok(Found::Document(kind))
    }

    /// Reads a member behind its opening quote, in one go where the chunk has all that is of interest: nothing is
    /// copied then. Otherwise it is left to the states.
    fn member<'c>(&mut self, chunk: &'c [u8], at: &mut usize) -> Option<Found<'c>> {
        self.key.clear();
        self.state = State::Key(Quote::Open);
        let (key, value) = key_and_value(&chunk[*at..])?;
        let (start, first) = (*at + value, chunk[*at + value]);
        let kind = Kind::of(first)?;
        if self.keep(key) == Keep::Skip {
            *at = start + 1;
            self.state = State::Value(Place::behind(first), Keep::Skip);
            return Some(Found::Opened { key, kind });
        }
        let mut end = start + 1;
        let (_, complete) = Place::behind(first).read(chunk, &mut end);
        if !complete || end - start > self.limit {
            return None;
        }
        *at = end;
        self.state = State::Between;
        Some(Found::Captured { key, value: &chunk[start..end] })
    }

    fn keep(&self, key: &[u8]) -> Keep {
        if key.len() <= MAX_KEY && (self.wanted)(key) { Keep::Capture } else { Keep::Skip }
    }

    /// The first byte of a member's value; the kind where the member is reported now.
    fn open_value(&mut self, byte: u8, offset: usize) -> Result<Option<Kind>, NotJson> {
        let kind = Kind::of(byte).ok_or_else(|| self.wrong("expected a value", offset))?;
        let keep = self.keep(&self.key);
        self.state = State::Value(Place::behind(byte), keep);
        if keep == Keep::Skip {
            return Ok(Some(kind));
        }
        self.value.clear();
        self.value.push(byte);
        Ok(None)
    }

    fn read_key(&mut self, quote: Quote, chunk: &[u8], at: &mut usize) {
        let start = *at;
        let (quote, closed) = read_text(quote, chunk, at);
        let text = &chunk[start..*at - usize::from(closed)];
        // One byte more than the maximum marks a key as too long.
        let room = (MAX_KEY + 1).saturating_sub(self.key.len());
        self.key.extend_from_slice(&text[..text.len().min(room)]);
        self.state = if closed { State::Colon } else { State::Key(quote) };
    }

    /// Reads on in a value; says what became of it where it is complete.
    fn read_value(&mut self, (place, mut keep): (Place, Keep), chunk: &[u8], at: &mut usize) -> Option<Keep> {
        let start = *at;
        let (place, complete) = place.read(chunk, at);
        if keep == Keep::Capture {
            self.value.extend_from_slice(&chunk[start..*at]);
            if self.value.len() > self.limit {
                keep = Keep::TooLong;
                self.value = Vec::new();
            }
        }
        self.state = match (complete, keep) {
            (false, _) => State::Value(place, keep),
            (true, Keep::Root) => State::Done,
            (true, Keep::Capture | Keep::Skip | Keep::TooLong) => State::Between,
        };
        complete.then_some(keep)
    }

    const fn wrong(&self, reason: &'static str, offset: usize) -> NotJson {
        NotJson { reason, offset: self.seen.saturating_add(offset) }
    }
}

// === impl Place ===

impl Place {
    /// Where one is behind the first byte of a value.
    const fn behind(first: u8) -> Self {
        match first {
            b'"' => Self::Text { depth: 0, quote: Quote::Open },
            b'{' | b'[' => Self::Plain { depth: 1 },
            _ => Self::Plain { depth: 0 },
        }
    }

    /// Reads to the end of the value or of the chunk; true where the value is complete. A number or a word is
    /// complete before the byte that ends it.
    fn read(self, chunk: &[u8], at: &mut usize) -> (Self, bool) {
        match self {
            Self::Plain { depth: 0 } => {
                let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || is_space(*byte);
                let end = chunk[*at..].iter().position(ends);
                *at = end.map_or(chunk.len(), |offset| *at + offset);
                (self, end.is_some())
            }
            Self::Text { depth: 0, quote } => {
                let (quote, closed) = read_text(quote, chunk, at);
                if closed {
                    (Self::Plain { depth: 0 }, true)
                } else {
                    (Self::Text { depth: 0, quote }, false)
                }
            }
            Self::Plain { .. } | Self::Text { .. } => nested::read(self, chunk, at),
        }
    }
}

fn all_members<'c>(chunk: &'c [u8], visitor: &mut impl Visitor<'c>) -> Option<()> {
    let mut at = expected(chunk, 0, b'{')?;
    loop {
        let key = expected(chunk, at, b'"')?;
        at = blocks::first(chunk, key, |block| block.equal(b'"') | block.equal(b'\\'));
        let name = chunk.get(key..at)?;
        if chunk.get(at) != Some(&b'"') {
            return None;
        }
        let value = past_space(chunk, expected(chunk, at + 1, b':')?)?;
        if let Some(length) = visitor.read(name, &chunk[value..]) {
            at = value + length;
        } else {
            at = value + 1;
            let (_, complete) = Place::behind(chunk[value]).read(chunk, &mut at);
            if !complete || !visitor.take(name, &chunk[value..at]) {
                return None;
            }
        }
        at = past_space(chunk, at)?;
        match chunk[at] {
            b',' => at += 1,
            b'}' => return past_space(chunk, at + 1).is_none().then_some(()),
            _ => return None,
        }
    }
}

/// Where the first byte from `at` on is that is no space.
fn past_space(text: &[u8], at: usize) -> Option<usize> {
    Some(at + text.get(at..)?.iter().position(|byte| !is_space(*byte))?)
}

/// The place behind this byte, where it is the next one but for spaces.
fn expected(text: &[u8], at: usize, byte: u8) -> Option<usize> {
    let at = past_space(text, at)?;
    (text[at] == byte).then_some(at + 1)
}

/// A key without escapes behind its opening quote, and where its value begins; `None` where they are not in `text`,
/// or the key is too long to be captured.
fn key_and_value(text: &[u8]) -> Option<(&[u8], usize)> {
    let bounded = &text[..text.len().min(MAX_KEY + 1)];
    let end = blocks::first(bounded, 0, |block| block.equal(b'"') | block.equal(b'\\'));
    let colon = past_space(text, end + 1)?;
    if text.get(end) != Some(&b'"') || end > MAX_KEY || text[colon] != b':' {
        return None;
    }
    Some((&text[..end], past_space(text, colon + 1)?))
}

/// Reads a string behind its opening quote; true where the closing quote was read.
fn read_text(mut quote: Quote, chunk: &[u8], at: &mut usize) -> (Quote, bool) {
    while *at < chunk.len() {
        if quote == Quote::Escaping {
            *at += 1;
            quote = Quote::Open;
            continue;
        }
        *at = blocks::first(chunk, *at, |block| block.equal(b'"') | block.equal(b'\\'));
        let Some(byte) = chunk.get(*at) else { break };
        *at += 1;
        if *byte == b'"' {
            return (quote, true);
        }
        quote = Quote::Escaping;
    }
    (quote, false)
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

#[cfg(test)]
mod tests;
