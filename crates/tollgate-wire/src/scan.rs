//! A JSON scanner without a tree: it validates a document in one pass and hands out byte ranges.
//!
//! The grammar is RFC 8259's, as strict as `serde_json`'s, but for two things: strings are not checked for
//! UTF-8 (whoever reads one does), and nesting ends at [`MAX_DEPTH`]. Nothing is allocated.

mod cursor;

use std::{borrow::Cow, ops::Range};

use self::cursor::Cursor;
use crate::text;

/// Objects and arrays inside each other at most.
pub const MAX_DEPTH: usize = 512;

/// Why and where a document is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct NotJson {
    /// What is wrong there, for example `expected a value`.
    pub reason: &'static str,
    /// In bytes from the start of the document.
    pub offset: usize,
}

/// What a value is, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    Text,
    /// `-1.5e3`
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// The text of one valid JSON value, without white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a>(&'a [u8]);

/// One member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The key as written, without its quotes: possibly escaped.
    pub key: &'a [u8],
    /// The value.
    pub value: Value<'a>,
    /// Where the key's opening quote is, in bytes from the start of the scanned text.
    pub start: usize,
    /// Where the value is.
    pub range: Range<usize>,
}

/// Walks the members of an object in the order of the text, validating on the way. After an error it is done.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    cursor: Cursor<'a>,
    state: State,
}

/// Walks the elements of an array in the order of the text, validating on the way. After an error it is done.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    cursor: Cursor<'a>,
    state: State,
}

/// Walks an object and some of the objects in it, in the order of the text and in one pass, validating on the
/// way. After an error it is done.
#[derive(Clone, Debug)]
pub struct Steps<'a> {
    cursor: Cursor<'a>,
    enters: fn(&[u8]) -> bool,
    outer: State,
    /// [`State::Done`] outside of inner objects.
    inner: State,
}

/// One step of [`Steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The object under this key begins: what follows are its members.
    Enter(&'a [u8]),
    /// A member of the object that was entered last, or of the outer one.
    Member {
        /// As written, without quotes.
        key: &'a [u8],
        /// The value.
        value: Value<'a>,
    },
    /// The object that was entered has ended.
    Leave,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    First,
    Next,
    Done,
}

/// Validates a whole document.
///
/// # Errors
/// [`NotJson`] at the first byte that breaks the grammar.
pub fn document(bytes: &[u8]) -> Result<Value<'_>, NotJson> {
    let mut cursor = Cursor::new(bytes);
    let range = cursor.value()?;
    cursor.end()?;
    Ok(Value(&bytes[range]))
}

/// The members of the object that `bytes` are. Each step validates one member, the last one also that nothing
/// follows the object: a caller that walks to the end has validated the whole document.
///
/// Text that is no object gives one error and no member.
#[must_use]
pub const fn members(bytes: &[u8]) -> Members<'_> {
    Members { cursor: Cursor::new(bytes), state: State::First }
}

/// The members of the object that `bytes` are, as [`members`] gives them; those whose keys, as written, `enters`
/// accepts are walked in turn where they are objects.
#[must_use]
pub const fn steps(bytes: &[u8], enters: fn(&[u8]) -> bool) -> Steps<'_> {
    Steps { cursor: Cursor::new(bytes), enters, outer: State::First, inner: State::Done }
}

/// The elements of the array that `bytes` begin with, as [`members`] are those of an object.
#[must_use]
pub const fn elements(bytes: &[u8]) -> Elements<'_> {
    Elements { cursor: Cursor::new(bytes), state: State::First }
}

/// The end of the string whose opening quote is before `at`: the place of its closing quote. `None` where it is not
/// closed, or no JSON.
#[must_use]
pub fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    Cursor::within_string(bytes, at)?.checked_sub(1)
}

/// The kind of the document's value by its first byte, or `None` where no value starts there.
#[must_use]
pub fn kind(bytes: &[u8]) -> Option<Kind> {
    let first = bytes.iter().find(|byte| !cursor::is_space(**byte))?;
    Kind::of(*first)
}

/// True where a key as it is written, without its quotes, is `name`, however it is escaped.
#[must_use]
pub fn is_key(key: &[u8], name: &str) -> bool {
    // An escape takes two to six bytes (`\u0061`) for one of the name's.
    if key.len() <= name.len() || key.len() > name.len() * 6 || memchr::memchr(b'\\', key).is_none() {
        return key == name.as_bytes() && memchr::memchr(b'\\', key).is_none();
    }
    unescaped(key).is_some_and(|key| key == name)
}

fn unescaped(key: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', key).is_none() {
        return std::str::from_utf8(key).ok().map(Cow::Borrowed);
    }
    let quoted = [b"\"", key, b"\""].concat();
    text::unquote(&quoted).map(|name| Cow::Owned(name.into_owned()))
}

// === impl Kind ===

impl Kind {
    /// The kind of a value that starts with this byte.
    #[must_use]
    pub const fn of(first: u8) -> Option<Self> {
        Some(match first {
            b'{' => Self::Object,
            b'[' => Self::Array,
            b'"' => Self::Text,
            b'-' | b'0'..=b'9' => Self::Number,
            b't' | b'f' => Self::Bool,
            b'n' => Self::Null,
            _ => return None,
        })
    }
}

// === impl Value ===

impl<'a> Value<'a> {
    /// The value's text.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.0.first().copied().and_then(Kind::of).expect("the scanner hands out valid values only")
    }

    /// True for `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.0 == b"null"
    }

    /// `true`, `false`, or `None` for anything else.
    #[must_use]
    pub const fn as_bool(self) -> Option<bool> {
        match self.0 {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// The unescaped text of a string; `None` for other kinds and for strings that are no Unicode text.
    #[must_use]
    pub fn text(self) -> Option<Cow<'a, str>> {
        text::unquote(self.0)
    }

    /// A count: a whole number from 0 up, also where it is written as `12.0`. `None` for everything else.
    #[must_use]
    pub fn count(self) -> Option<u64> {
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let end = self.0.iter().position(|byte| !is_digit(byte)).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        if !matches!(rest, [] | [b'.', ..])
            || rest.iter().skip(1).any(|byte| *byte != b'0')
            || digits.is_empty()
        {
            return None;
        }
        let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
        digits.iter().try_fold(0, add)
    }

    /// The members of an object; one error for anything else.
    #[must_use]
    pub const fn members(self) -> Members<'a> {
        members(self.0)
    }

    /// The last member of this name, where the value is an object that has one.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        self.members()
            .map_while(Result::ok)
            .filter(|member| member.is(name))
            .last()
            .map(|member| member.value)
    }

    /// True for `[]`.
    #[must_use]
    pub fn is_empty_array(self) -> bool {
        match self.0 {
            [b'[', inner @ .., b']'] => inner.iter().all(|byte| cursor::is_space(*byte)),
            _ => false,
        }
    }
}

// === impl Member ===

impl<'a> Member<'a> {
    /// The key without its escapes; as it is written where it is no Unicode text. What has to be compared with several
    /// names is looked at once like this.
    #[must_use]
    pub fn plain_key(&self) -> Cow<'a, [u8]> {
        if memchr::memchr(b'\\', self.key).is_none() {
            return Cow::Borrowed(self.key);
        }
        match unescaped(self.key) {
            Some(name) => Cow::Owned(name.into_owned().into_bytes()),
            None => Cow::Borrowed(self.key),
        }
    }

    /// True where the key is `name`, however it is escaped.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        is_key(self.key, name)
    }

    /// The unescaped key; `None` where it is no Unicode text.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'_, str>> {
        unescaped(self.key)
    }
}

// === impl Members ===

impl<'a> Members<'a> {
    /// Bytes of the string values walked over, at any depth, as they are written. Keys do not count, nor do long
    /// strings that look like an encoded file.
    #[must_use]
    pub const fn prose(&self) -> usize {
        self.cursor.prose()
    }

    fn step(&mut self) -> Result<Option<Member<'a>>, NotJson> {
        let more = match self.state {
            State::First => self.cursor.open_object()?,
            State::Next => self.cursor.next_member()?,
            State::Done => return Ok(None),
        };
        if !more {
            self.state = State::Done;
            self.cursor.end()?;
            return Ok(None);
        }
        self.state = State::Next;
        let key = self.cursor.key()?;
        let range = self.cursor.value()?;
        let bytes = self.cursor.bytes();
        Ok(Some(Member {
            key: &bytes[key.start + 1..key.end - 1],
            value: Value(&bytes[range.clone()]),
            start: key.start,
            range,
        }))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Member<'a>, NotJson>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.state = State::Done;
        }
        step.transpose()
    }
}

// === impl Steps ===

impl<'a> Steps<'a> {
    fn step(&mut self) -> Result<Option<Step<'a>>, NotJson> {
        let is_inner = self.inner != State::Done;
        let level = if is_inner { &mut self.inner } else { &mut self.outer };
        let more = match *level {
            State::First => self.cursor.open_object()?,
            State::Next => self.cursor.next_member()?,
            State::Done => return Ok(None),
        };
        *level = if more { State::Next } else { State::Done };
        if !more && is_inner {
            return Ok(Some(Step::Leave));
        }
        if !more {
            self.cursor.end()?;
            return Ok(None);
        }
        let bytes = self.cursor.bytes();
        let key = self.cursor.key()?;
        let key = &bytes[key.start + 1..key.end - 1];
        if !is_inner && (self.enters)(key) && self.cursor.is_at_object() {
            self.inner = State::First;
            return Ok(Some(Step::Enter(key)));
        }
        let value = Value(&bytes[self.cursor.value()?]);
        Ok(Some(Step::Member { key, value }))
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = Result<Step<'a>, NotJson>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            (self.outer, self.inner) = (State::Done, State::Done);
        }
        step.transpose()
    }
}

// === impl Elements ===

impl<'a> Elements<'a> {
    fn step(&mut self) -> Result<Option<Value<'a>>, NotJson> {
        let more = match self.state {
            State::First => self.cursor.open_array()?,
            State::Next => self.cursor.next_element()?,
            State::Done => return Ok(None),
        };
        if !more {
            self.state = State::Done;
            self.cursor.end()?;
            return Ok(None);
        }
        self.state = State::Next;
        let range = self.cursor.value()?;
        Ok(Some(Value(&self.cursor.bytes()[range])))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Value<'a>, NotJson>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.state = State::Done;
        }
        step.transpose()
    }
}

#[cfg(test)]
pub(crate) mod props;
#[cfg(test)]
mod tests;
