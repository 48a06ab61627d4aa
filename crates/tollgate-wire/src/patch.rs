//! Edits of a JSON object's text. What no edit names stays byte for byte: unknown fields, big integers,
//! white space, the order of keys.
//!
//! A path names a member, dots reach into objects (`a.b`), a backslash takes the next character as it is
//! (`a\.b` is one key). Arrays have no paths.

use std::{borrow::Cow, ops::Range};

use crate::{
    scan::{self, Kind, NotJson},
    text,
};

/// Why an edit is impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The document is no JSON object.
    #[error("the document is no JSON object: {0}")]
    Document(NotJson),
    /// The value to set is no JSON.
    #[error("the value for {path} is no JSON: {error}")]
    Value {
        /// Where it was to go.
        path: String,
        /// What is wrong with it.
        error: NotJson,
    },
    /// The path leads through a string, a number or an array.
    #[error("{path} leads through a value that is no object")]
    Through {
        /// The whole path.
        path: String,
    },
    /// The path is empty, or a part of it is.
    #[error("{path:?} is no path")]
    Path {
        /// The whole path.
        path: String,
    },
}

/// An object whose edits are collected, and written once.
#[derive(Debug)]
pub struct Patch<'a> {
    text: &'a [u8],
    slots: Vec<Slot<'a>>,
    edited: Edited,
}

#[derive(Debug)]
struct Slot<'a> {
    /// Unescaped.
    key: Cow<'a, str>,
    /// From behind the `{` or `,` before the member to the `,` or `}` behind it; `None` for a new member.
    around: Option<Range<usize>>,
    /// Where the value stands in the text.
    range: Range<usize>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Kept,
    Set(Vec<u8>),
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edited {
    No,
    Yes,
}

// === impl Patch ===

impl<'a> Patch<'a> {
    /// Reads the object's members, validating the whole text.
    ///
    /// # Errors
    /// [`PatchError::Document`]
    pub fn new(text: &'a [u8]) -> Result<Self, PatchError> {
        let mut slots: Vec<Slot<'a>> = Vec::new();
        let mut start = text.iter().position(|byte| *byte == b'{').map_or(0, |open| open + 1);
        for member in scan::members(text) {
            let member = member.map_err(PatchError::Document)?;
            let end = member.range.end + space_behind(&text[member.range.end..]);
            let key = match member.key.contains(&b'\\') {
                false => String::from_utf8_lossy(member.key),
                true => Cow::Owned(member.name().unwrap_or_default().into_owned()),
            };
            slots.push(Slot { key, around: Some(start..end), range: member.range, content: Content::Kept });
            start = end + 1;
        }
        Ok(Self { text, slots, edited: Edited::No })
    }

    /// Sets the field to the JSON text `value`; objects on the way that are missing or `null` are made.
    ///
    /// # Errors
    /// [`PatchError`]; then nothing has changed.
    pub fn set(&mut self, path: &str, value: &str) -> Result<(), PatchError> {
        scan::document(value.as_bytes())
            .map_err(|error| PatchError::Value { path: path.to_owned(), error })?;
        let (key, rest) = split(path)?;
        let last = self.last(&key);
        let content = match rest {
            None => value.trim().as_bytes().to_vec(),
            Some(rest) => {
                let inner = last.and_then(|slot| self.value(slot)).filter(|inner| inner != b"null");
                edit(inner.unwrap_or(b"{}"), path, |patch| patch.set(rest, value))?
            }
        };
        self.edited = Edited::Yes;
        let Some(last) = last else {
            self.slots.push(Slot {
                key: key.into(),
                around: None,
                range: 0..0,
                content: Content::Set(content),
            });
            return Ok(());
        };
        // An earlier duplicate could be what another parser reads.
        for slot in self.slots[..last].iter_mut().filter(|slot| slot.key == key) {
            slot.content = Content::Removed;
        }
        self.slots[last].content = Content::Set(content);
        Ok(())
    }

    /// Removes the field, every duplicate of it too; a field that is not there is no error.
    ///
    /// # Errors
    /// [`PatchError`]; then nothing has changed.
    pub fn remove(&mut self, path: &str) -> Result<(), PatchError> {
        let (key, rest) = split(path)?;
        for index in 0..self.slots.len() {
            if self.slots[index].key != key {
                continue;
            }
            let Some(inner) = self.value(index) else { continue };
            let content = match rest {
                None => Content::Removed,
                Some(_) if inner == b"null" => continue,
                Some(rest) => Content::Set(edit(inner, path, |patch| patch.remove(rest))?),
            };
            self.slots[index].content = content;
            self.edited = Edited::Yes;
        }
        Ok(())
    }

    /// The new text; `None` where no edit was made.
    #[must_use]
    pub fn finish(self) -> Option<Vec<u8>> {
        if self.edited == Edited::No {
            return None;
        }
        let open = self.text.iter().position(|byte| *byte == b'{').map_or(0, |open| open + 1);
        let close = self.text.iter().rposition(|byte| *byte == b'}').unwrap_or(self.text.len());
        let mut out = Vec::with_capacity(self.text.len() + self.added());
        out.extend_from_slice(&self.text[..open]);
        let mut first = true;
        for slot in &self.slots {
            if matches!(slot.content, Content::Removed) {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            slot.write(self.text, &mut out);
        }
        out.extend_from_slice(&self.text[close..]);
        Some(out)
    }

    /// The last member of this name that is still there.
    fn last(&self, key: &str) -> Option<usize> {
        self.slots.iter().rposition(|slot| slot.key == key && !matches!(slot.content, Content::Removed))
    }

    fn value(&self, slot: usize) -> Option<&[u8]> {
        let slot = &self.slots[slot];
        match &slot.content {
            Content::Kept => Some(&self.text[slot.range.clone()]),
            Content::Set(value) => Some(value),
            Content::Removed => None,
        }
    }

    fn added(&self) -> usize {
        let length = |slot: &Slot<'_>| match &slot.content {
            Content::Set(value) => value.len() + slot.key.len() * 6 + 4,
            Content::Kept | Content::Removed => 0,
        };
        self.slots.iter().map(length).sum()
    }
}

// === impl Slot ===

impl Slot<'_> {
    fn write(&self, document: &[u8], out: &mut Vec<u8>) {
        let value = match &self.content {
            Content::Kept => &document[self.range.clone()],
            Content::Set(value) => value,
            Content::Removed => return,
        };
        if let Some(around) = &self.around {
            out.extend_from_slice(&document[around.start..self.range.start]);
            out.extend_from_slice(value);
            out.extend_from_slice(&document[self.range.end..around.end]);
        } else {
            text::quote(&self.key, out);
            out.push(b':');
            out.extend_from_slice(value);
        }
    }
}

/// Edits an inner object and gives its new text.
fn edit(
    inner: &[u8],
    path: &str,
    change: impl FnOnce(&mut Patch<'_>) -> Result<(), PatchError>,
) -> Result<Vec<u8>, PatchError> {
    if scan::kind(inner) != Some(Kind::Object) {
        return Err(PatchError::Through { path: path.to_owned() });
    }
    let mut patch = Patch::new(inner)?;
    change(&mut patch)?;
    Ok(patch.finish().unwrap_or_else(|| inner.to_vec()))
}

/// The first part of a path, unescaped, and the rest behind its dot.
fn split(path: &str) -> Result<(String, Option<&str>), PatchError> {
    let mut key = String::new();
    let mut chars = path.char_indices();
    let mut rest = None;
    while let Some((at, char)) = chars.next() {
        match char {
            '.' => {
                rest = Some(&path[at + 1..]);
                break;
            }
            '\\' => key.extend(chars.next().map(|(_, char)| char)),
            _ => key.push(char),
        }
    }
    if key.is_empty() || rest == Some("") {
        return Err(PatchError::Path { path: path.to_owned() });
    }
    Ok((key, rest))
}

fn space_behind(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

#[cfg(test)]
mod tests;
