//! Protobuf messages edited without being understood: what nobody touches keeps its bytes and its place.
//!
//! Envoy's resources come from an Envoy Gateway that may be newer than we are. A decoder drops what it does not know;
//! this one knows nothing but field numbers, so there is nothing for it to drop.
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

#[cfg(test)]
mod tests;

/// Groups may lie in each other no deeper than this.
const MAX_GROUPS: usize = 64;
/// Field numbers have 29 bits.
const MAX_NUMBER: u64 = (1 << 29) - 1;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const GROUP: u64 = 3;
const GROUP_END: u64 = 4;
const FIXED32: u64 = 5;

/// Bytes that are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no protobuf message: {0}")]
pub struct Malformed(&'static str);

/// A message as the fields it came with, in their order.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// As it came, for as long as nothing has changed.
    original: Option<Bytes>,
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    number: u32,
    /// Tag and value as they stand on the wire.
    raw: Bytes,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Varint(u64),
    Bytes(Bytes),
    /// Fixed width, or a group: kept, never read.
    Opaque,
}

// === impl Message ===

impl Message {
    /// Reads the fields of a message; what they hold is not looked at.
    ///
    /// # Errors
    /// Where the bytes are cut short or no protobuf.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, Malformed> {
        let original = bytes.into();
        let mut rest = original.clone();
        let mut fields = Vec::new();
        while rest.has_remaining() {
            fields.push(Field::read(&mut rest)?);
        }
        Ok(Self { original: Some(original), fields })
    }

    /// The message on the wire: the very bytes it came with where nothing was changed.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        if let Some(original) = &self.original {
            return original.clone();
        }
        let mut out = BytesMut::with_capacity(self.fields.iter().map(|field| field.raw.len()).sum());
        for field in &self.fields {
            out.extend_from_slice(&field.raw);
        }
        out.freeze()
    }

    /// True where it has been changed since it was read, or was never read.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.original.is_none() && !self.fields.is_empty()
    }

    /// True where the field is there.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.fields.iter().any(|field| field.number == number)
    }

    /// The numbers of the fields that are there.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.fields.iter().map(|field| field.number)
    }

    /// A number, 0 where there is none; the last one counts, as protobuf has it.
    #[must_use]
    pub fn uint(&self, number: u32) -> u64 {
        let values = self.fields.iter().filter(|field| field.number == number);
        let last = values.rev().find_map(|field| match field.value {
            Value::Varint(value) => Some(value),
            Value::Bytes(_) | Value::Opaque => None,
        });
        last.unwrap_or_default()
    }

    /// Every occurrence of a text, bytes or message.
    pub fn all(&self, number: u32) -> impl DoubleEndedIterator<Item = &Bytes> {
        self.fields.iter().filter(move |field| field.number == number).filter_map(|field| {
            match &field.value {
                Value::Bytes(bytes) => Some(bytes),
                Value::Varint(_) | Value::Opaque => None,
            }
        })
    }

    /// A text; empty where there is none or it is not UTF-8.
    #[must_use]
    pub fn text(&self, number: u32) -> &str {
        self.all(number).next_back().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// A message inside this one. Several occurrences are one message, as protobuf has it.
    ///
    /// # Errors
    /// Where it is no message.
    pub fn message(&self, number: u32) -> Result<Option<Self>, Malformed> {
        let mut parts = self.all(number);
        let Some(first) = parts.next() else { return Ok(None) };
        let mut merged: Option<BytesMut> = None;
        for part in parts {
            merged.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(part);
        }
        Self::parse(merged.map_or_else(|| first.clone(), BytesMut::freeze)).map(Some)
    }

    /// A repeated message.
    pub fn messages(&self, number: u32) -> impl Iterator<Item = Result<Self, Malformed>> {
        self.all(number).map(|bytes| Self::parse(bytes.clone()))
    }

    /// Sets a number, in the place of the one that is there.
    pub fn set_uint(&mut self, number: u32, value: u64) {
        self.set(Field::varint(number, value));
    }

    /// Sets a text, bytes or message, in the place of the one that is there.
    pub fn set_bytes(&mut self, number: u32, value: impl Into<Bytes>) {
        self.set(Field::bytes(number, value.into()));
    }

    /// Adds an occurrence after all others.
    pub fn push(&mut self, number: u32, value: impl Into<Bytes>) {
        self.changed();
        self.fields.push(Field::bytes(number, value.into()));
    }

    /// Adds an occurrence before the one that has this index; after all others where there is none.
    pub fn insert(&mut self, number: u32, index: usize, value: impl Into<Bytes>) {
        self.changed();
        let places = self.fields.iter().enumerate().filter(|(_, field)| field.number == number);
        let at = places.map(|(at, _)| at).nth(index).unwrap_or(self.fields.len());
        self.fields.insert(at, Field::bytes(number, value.into()));
    }

    /// Removes every occurrence.
    pub fn remove(&mut self, number: u32) {
        if self.has(number) {
            self.changed();
            self.fields.retain(|field| field.number != number);
        }
    }

    /// Edits the message inside this one, which is added where there was none and the edit puts something into it.
    ///
    /// # Errors
    /// Where it is no message, or the edit fails.
    pub fn edit<R>(
        &mut self,
        number: u32,
        edit: impl FnOnce(&mut Self) -> Result<R, Malformed>,
    ) -> Result<R, Malformed> {
        let mut inner = self.message(number)?.unwrap_or_default();
        let result = edit(&mut inner)?;
        if inner.original.is_none() && (self.has(number) || !inner.fields.is_empty()) {
            self.set_bytes(number, inner.encode());
        }
        Ok(result)
    }

    /// Edits every occurrence of a repeated message, with its index.
    ///
    /// # Errors
    /// Where one is no message, or an edit fails.
    pub fn edit_each(
        &mut self,
        number: u32,
        mut edit: impl FnMut(usize, &mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let mut index = 0;
        let mut changed = false;
        for field in &mut self.fields {
            let (true, Value::Bytes(bytes)) = (field.number == number, &field.value) else { continue };
            let mut inner = Self::parse(bytes.clone())?;
            edit(index, &mut inner)?;
            index += 1;
            if inner.original.is_none() {
                *field = Field::bytes(number, inner.encode());
                changed = true;
            }
        }
        if changed {
            self.changed();
        }
        Ok(())
    }

    /// The value of a map's entry whose key is a text.
    ///
    /// # Errors
    /// Where an entry is no message.
    pub fn entry(&self, map: u32, key: &str) -> Result<Option<Self>, Malformed> {
        let mut found = None;
        for entry in self.messages(map) {
            let entry = entry?;
            if entry.text(entry::KEY) == key {
                found = Some(entry.message(entry::VALUE)?.unwrap_or_default());
            }
        }
        Ok(found)
    }

    /// Edits the value of a map's entry, which is added where there was none and the edit puts something into it.
    ///
    /// # Errors
    /// Where an entry is no message, or the edit fails.
    pub fn edit_entry<R>(
        &mut self,
        map: u32,
        key: &str,
        edit: impl FnOnce(&mut Self) -> Result<R, Malformed>,
    ) -> Result<R, Malformed> {
        let mut value = self.entry(map, key)?.unwrap_or_default();
        let result = edit(&mut value)?;
        if value.is_changed() {
            self.set_entry(map, key, value.encode())?;
        }
        Ok(result)
    }

    /// Sets a map's entry, in the place of the one that is there.
    ///
    /// # Errors
    /// Where an entry is no message.
    pub fn set_entry(&mut self, map: u32, key: &str, value: impl Into<Bytes>) -> Result<(), Malformed> {
        let mut value = Some(value.into());
        self.edit_each(map, |_, entry| {
            // Of two entries with one key the last counts, and it would still be the old one.
            if entry.text(entry::KEY) == key
                && let Some(value) = value.clone()
                && entry.all(entry::VALUE).next_back() != Some(&value)
            {
                entry.set_bytes(entry::VALUE, value);
            }
            Ok(())
        })?;
        let there = self.messages(map).any(|entry| entry.is_ok_and(|entry| entry.text(entry::KEY) == key));
        if let (false, Some(value)) = (there, value.take()) {
            let mut entry = Self::default();
            entry.push(entry::KEY, Bytes::copy_from_slice(key.as_bytes()));
            entry.push(entry::VALUE, value);
            self.push(map, entry.encode());
        }
        Ok(())
    }

    fn set(&mut self, field: Field) {
        let number = field.number;
        let mut places = self.fields.iter().enumerate().filter(|(_, field)| field.number == number);
        let Some(first) = places.next().map(|(at, _)| at) else {
            self.changed();
            return self.fields.push(field);
        };
        if places.next().is_none() && self.fields.get(first).is_some_and(|old| old.raw == field.raw) {
            return;
        }
        self.changed();
        let mut at = 0;
        self.fields.retain(|old| {
            at += 1;
            old.number != number || at == first + 1
        });
        if let Some(place) = self.fields.get_mut(first) {
            *place = field;
        }
    }

    fn changed(&mut self) {
        self.original = None;
    }
}

/// Entries of maps are messages of these two.
mod entry {
    pub(super) const KEY: u32 = 1;
    pub(super) const VALUE: u32 = 2;
}

// === impl Field ===

impl Field {
    fn read(rest: &mut Bytes) -> Result<Self, Malformed> {
        let mut after = rest.clone();
        let (number, wire) = tag(&mut after)?;
        let value = match wire {
            VARINT => Value::Varint(varint(&mut after)?),
            LENGTH => {
                let length = usize::try_from(varint(&mut after)?).unwrap_or(usize::MAX);
                if length > after.remaining() {
                    return Err(Malformed("a field is cut short"));
                }
                Value::Bytes(after.split_to(length))
            }
            wire => {
                skip(&mut after, (number, wire), 0)?;
                Value::Opaque
            }
        };
        let raw = rest.split_to(rest.len() - after.len());
        Ok(Self { number, raw, value })
    }

    fn varint(number: u32, value: u64) -> Self {
        let mut raw = BytesMut::with_capacity(12);
        put_varint(&mut raw, u64::from(number) << 3 | VARINT);
        put_varint(&mut raw, value);
        Self { number, raw: raw.freeze(), value: Value::Varint(value) }
    }

    fn bytes(number: u32, value: Bytes) -> Self {
        let mut raw = BytesMut::with_capacity(value.len() + 12);
        put_varint(&mut raw, u64::from(number) << 3 | LENGTH);
        put_varint(&mut raw, value.len() as u64);
        raw.extend_from_slice(&value);
        Self { number, raw: raw.freeze(), value: Value::Bytes(value) }
    }
}

fn tag(rest: &mut Bytes) -> Result<(u32, u64), Malformed> {
    let tag = varint(rest)?;
    match u32::try_from(tag >> 3) {
        Ok(number) if number > 0 && u64::from(number) <= MAX_NUMBER => Ok((number, tag & 7)),
        Ok(_) | Err(_) => Err(Malformed("a field has no valid number")),
    }
}

/// Skips the value after a tag that is neither a number nor has a length.
fn skip(rest: &mut Bytes, (number, wire): (u32, u64), depth: usize) -> Result<(), Malformed> {
    let width = match wire {
        VARINT => return varint(rest).map(drop),
        FIXED64 => 8,
        FIXED32 => 4,
        LENGTH => usize::try_from(varint(rest)?).unwrap_or(usize::MAX),
        GROUP if depth < MAX_GROUPS => loop {
            let (inner, wire) = tag(rest)?;
            match wire {
                GROUP_END if inner == number => return Ok(()),
                GROUP_END => return Err(Malformed("a group ends that did not begin")),
                wire => skip(rest, (inner, wire), depth + 1)?,
            }
        },
        GROUP => return Err(Malformed("groups lie in each other too deeply")),
        _ => return Err(Malformed("a field has no known type")),
    };
    if width > rest.remaining() {
        return Err(Malformed("a field is cut short"));
    }
    rest.advance(width);
    Ok(())
}

fn varint(rest: &mut Bytes) -> Result<u64, Malformed> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        if !rest.has_remaining() {
            return Err(Malformed("a number is cut short"));
        }
        let byte = rest.get_u8();
        if shift == 63 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Malformed("a number has more than 64 bits"))
}

fn put_varint(out: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        // Seven bits and the mark that more follow.
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
