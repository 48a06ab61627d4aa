use std::ops::Range;

use super::{MAX_DEPTH, NotJson};
use crate::blocks::{self, Block, Hits};

/// A place in a document. Every method starts at a token and leaves the cursor behind what it read.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bytes of prose in the values read so far.
    prose: usize,
}

/// Which bracket closes each open level; one bit a level, so that nothing is allocated.
struct Nest {
    depth: usize,
    objects: [u64; MAX_DEPTH / 64],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Object,
    Array,
}

/// Bytes of a string behind which it counts as a long one.
const NEAR: usize = 48;

/// JSON's four white space characters.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, prose: 0 }
    }

    /// See [`super::Members::prose`].
    pub(super) const fn prose(&self) -> usize {
        self.prose
    }

    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Only white space may follow.
    pub(super) fn end(&mut self) -> Result<(), NotJson> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.wrong("unexpected text after the value")) }
    }

    /// True where the next value is an object.
    pub(super) fn is_at_object(&mut self) -> bool {
        self.space();
        self.peek() == Some(b'{')
    }

    /// Reads `{`; true where a member follows.
    pub(super) fn open_object(&mut self) -> Result<bool, NotJson> {
        self.space();
        self.expect(b'{', "expected an object")?;
        self.space();
        Ok(!self.eat(b'}'))
    }

    /// Where a string ends whose opening quote is before `at`, behind its closing quote.
    pub(super) fn within_string(bytes: &'a [u8], at: usize) -> Option<usize> {
        let mut cursor = Self { bytes, at: at.checked_sub(1)?, prose: 0 };
        cursor.string().ok().map(|()| cursor.at)
    }

    /// Reads `,` or `}` behind a value; true where a member follows.
    pub(super) fn next_member(&mut self) -> Result<bool, NotJson> {
        self.space();
        if self.eat(b'}') {
            return Ok(false);
        }
        self.expect(b',', "expected ',' or '}'")?;
        Ok(true)
    }

    /// Reads `[`; true where an element follows.
    pub(super) fn open_array(&mut self) -> Result<bool, NotJson> {
        self.space();
        self.expect(b'[', "expected an array")?;
        self.space();
        Ok(!self.eat(b']'))
    }

    /// Reads `,` or `]` behind a value; true where an element follows.
    pub(super) fn next_element(&mut self) -> Result<bool, NotJson> {
        self.space();
        if self.eat(b',') {
            return Ok(true);
        }
        self.expect(b']', "expected ',' or ']'")?;
        Ok(false)
    }

    /// Reads `"key":`, gives the range of the key with its quotes.
    pub(super) fn key(&mut self) -> Result<Range<usize>, NotJson> {
        self.space();
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.wrong("expected a key"));
        }
        self.string()?;
        let end = self.at;
        self.space();
        self.expect(b':', "expected ':'")?;
        Ok(start..end)
    }

    /// Reads one value of any depth.
    pub(super) fn value(&mut self) -> Result<Range<usize>, NotJson> {
        self.space();
        let start = self.at;
        match self.peek() {
            Some(b'{' | b'[') => self.nested()?,
            first => self.scalar(first)?,
        }
        Ok(start..self.at)
    }

    /// Reads an object or an array.
    fn nested(&mut self) -> Result<(), NotJson> {
        let mut nest = Nest { depth: 0, objects: [0; MAX_DEPTH / 64] };
        loop {
            self.space();
            match self.peek() {
                Some(b'{') => {
                    if self.open_object()? {
                        nest.open(Level::Object).ok_or_else(|| self.wrong("nested too deeply"))?;
                        self.key()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    if self.open_array()? {
                        nest.open(Level::Array).ok_or_else(|| self.wrong("nested too deeply"))?;
                        continue;
                    }
                }
                first => self.scalar(first)?,
            }
            if !self.after_value(&mut nest)? {
                return Ok(());
            }
        }
    }

    /// Reads a value that begins with `first` and has none inside.
    fn scalar(&mut self, first: Option<u8>) -> Result<(), NotJson> {
        match first {
            Some(b'"') => {
                let first = self.at + 1;
                self.string()?;
                self.prose += prose(&self.bytes[first..self.at - 1]);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            Some(_) => Err(self.wrong("expected a value")),
            None => Err(self.wrong("unexpected end, expected a value")),
        }
    }

    /// Closes what ends behind a value; true where another value follows, false where the outermost is complete.
    fn after_value(&mut self, nest: &mut Nest) -> Result<bool, NotJson> {
        while let Some(level) = nest.top() {
            self.space();
            match level {
                Level::Object => {
                    if self.next_member()? {
                        self.key()?;
                        return Ok(true);
                    }
                }
                Level::Array => {
                    if self.next_element()? {
                        return Ok(true);
                    }
                }
            }
            nest.close();
        }
        Ok(false)
    }

    /// Most strings are short and have no escapes: those are read here, at no more than their own price.
    #[inline]
    fn string(&mut self) -> Result<(), NotJson> {
        let first = self.at + 1;
        self.at = plain_end(self.bytes, first);
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(());
        }
        self.escaped_string(first)
    }

    /// Goes on behind plain text in a string that began at `first`.
    #[inline(never)]
    fn escaped_string(&mut self, first: usize) -> Result<(), NotJson> {
        let near = first.saturating_add(NEAR);
        loop {
            if self.special()? {
                return Ok(());
            }
            if self.at > near && self.far_string()? {
                return Ok(());
            }
            self.at = plain_end(self.bytes, self.at);
        }
    }

    /// Reads what ends a run of plain text; true where that is the closing quote.
    fn special(&mut self) -> Result<bool, NotJson> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                return Ok(true);
            }
            Some(b'\\') => self.escape()?,
            Some(_) => return Err(self.wrong("control character in a string")),
            None => return Err(self.wrong("unexpected end, the string is not closed")),
        }
        Ok(false)
    }

    /// Goes on in a string that is long and has escapes, 64 bytes at a time, so that they do not begin the search anew;
    /// true where the closing quote was read.
    fn far_string(&mut self) -> Result<bool, NotJson> {
        // Where a block begins does not depend on what is in the one before: the processor is ahead by some.
        let mut start = self.at;
        while let Some(text) = self.bytes.get(start..).and_then(<[u8]>::first_chunk::<64>) {
            let mut left = blocks::bits_of_64(&Block::four_of(text), is_special);
            while left != 0 {
                let next = start + left.trailing_zeros() as usize;
                left &= left - 1;
                // Others are the second byte of an escape.
                if next >= self.at {
                    self.at = next;
                    if self.special()? {
                        return Ok(true);
                    }
                }
            }
            start += text.len();
        }
        self.at = self.at.max(start);
        Ok(false)
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                self.at += 2;
                for _ in 0..4 {
                    match self.peek() {
                        Some(byte) if byte.is_ascii_hexdigit() => self.at += 1,
                        Some(_) => return Err(self.wrong("expected four hexadecimal digits")),
                        None => return Err(self.wrong("unexpected end, the string is not closed")),
                    }
                }
            }
            Some(_) => return Err(self.wrong("unknown escape in a string")),
            None => {
                self.at += 1;
                return Err(self.wrong("unexpected end, the string is not closed"));
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotJson> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("expected a digit")) } else { Ok(()) }
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<(), NotJson> {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        self.at += rest.iter().zip(word).take_while(|(found, wanted)| found == wanted).count();
        Err(self.wrong("expected true, false or null"))
    }

    fn space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), NotJson> {
        if self.eat(byte) { Ok(()) } else { Err(self.wrong(reason)) }
    }

    const fn wrong(&self, reason: &'static str) -> NotJson {
        NotJson { reason, offset: self.at }
    }
}

// === impl Nest ===

impl Nest {
    fn open(&mut self, level: Level) -> Option<()> {
        let word = self.objects.get_mut(self.depth / 64)?;
        let bit = 1 << (self.depth % 64);
        match level {
            Level::Object => *word |= bit,
            Level::Array => *word &= !bit,
        }
        self.depth += 1;
        Some(())
    }

    const fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    const fn top(&self) -> Option<Level> {
        let Some(last) = self.depth.checked_sub(1) else { return None };
        if self.objects[last / 64] >> (last % 64) & 1 == 1 { Some(Level::Object) } else { Some(Level::Array) }
    }
}

/// Where to look for signs of prose in a long string: behind `data:image/png;base64,`.
const SAMPLE: Range<usize> = 64..192;

/// How much of a string a person could read: all of it or, where it is an encoded file, nothing.
fn prose(text: &[u8]) -> usize {
    let is_encoded =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    match text.get(SAMPLE) {
        Some(sample) if sample.iter().all(is_encoded) => 0,
        Some(_) | None => text.len(),
    }
}

/// The first byte from `at` on that is a quote, a backslash or a control character, or else the end.
fn plain_end(bytes: &[u8], at: usize) -> usize {
    blocks::first(bytes, at, is_special)
}

/// Quotes, backslashes and control characters.
fn is_special(block: Block) -> Hits {
    block.equal(b'"') | block.equal(b'\\') | block.at_most(0x1f)
}
