use bytes::Bytes;
use smallvec::SmallVec;
use tollgate_types::{Endpoint, Usage};
use tollgate_wire::{
    scan::{self, Kind, NotJson},
    watch::{Found, Visitor, Watch},
};

use super::{
    Output,
    opening::{Opening, Seen, is_telling, shortened},
};
use crate::{Fault, meter::Meter};

/// The most that is captured of one member, in bytes.
const CAPTURED: usize = 64 * 1024;

/// The most that is held before it is clear whether the document is an error, in bytes.
const HELD: usize = 256 * 1024;

/// A member that counts.
enum Told<'a> {
    /// Its key without quotes, and the text of its value.
    Raw(&'a [u8], &'a [u8]),
    Usage(Usage),
}

/// The members that count of a document that is clearly no error.
struct AtOnce<'a, 'm> {
    meter: &'m Meter,
    is_wanted: fn(&[u8]) -> bool,
    told: SmallVec<[Told<'a>; 2]>,
}

/// A document on its way through. Nothing of it is kept but the members that count.
#[derive(Debug)]
pub(super) struct Whole {
    watch: Watch,
    /// Says which members count.
    is_wanted: fn(&[u8]) -> bool,
    opening: Opening,
    /// Waits until the opening is clear.
    held: Vec<Bytes>,
}

// === impl Whole ===

impl Whole {
    /// A document behind this white space.
    pub(super) fn new(endpoint: Endpoint, held: Vec<Bytes>) -> Self {
        let is_wanted: fn(&[u8]) -> bool = match endpoint {
            Endpoint::Files
            | Endpoint::File
            | Endpoint::Batches
            | Endpoint::Batch
            | Endpoint::BatchCancel => is_wanted_of_items,
            _ => is_wanted,
        };
        Self { watch: Watch::new(is_wanted, CAPTURED), is_wanted, opening: Opening::Undecided(0), held }
    }

    /// Reads text of the document.
    pub(super) fn read(&mut self, text: &[u8], meter: &mut Meter) -> Result<(), Fault> {
        if let Some(told) = self.told_at_once(text, meter) {
            return told.into_iter().try_for_each(|told| match told {
                Told::Raw(key, value) => meter.unread_member(key, value).map_err(malformed),
                Told::Usage(counted) => {
                    meter.take_counted(&counted);
                    Ok(())
                }
            });
        }
        let mut at = 0;
        while let Some(found) = self.watch.next(text, &mut at).map_err(malformed)? {
            match found {
                Found::Document(Kind::Object) => {}
                Found::Document(_) => self.opening = Opening::Success,
                Found::Opened { key, kind } => self.opening.see(key, Seen::Opened(kind)),
                Found::Captured { key, value } if self.opening == Opening::Success => {
                    meter.unread_member(key, value).map_err(malformed)?;
                }
                Found::Captured { key, value } => {
                    let value = scan::document(value).map_err(malformed)?;
                    self.opening.see(key, Seen::Value(value));
                    meter.member(key, value);
                }
                Found::TooLong { key: b"error" } if self.opening != Opening::Success => {
                    self.opening = Opening::Error(Some("an error too long to repeat".to_owned()));
                }
                Found::TooLong { .. } => {}
            }
            if let Opening::Error(Some(words)) = &self.opening {
                return Err(Fault::ErrorInReply(words.clone()));
            }
        }
        if self.opening == Opening::Error(None) && self.watch.is_complete() {
            return Err(self.wordless_error(text));
        }
        Ok(())
    }

    /// The members that count of a document that is all here, and clearly no error: nearly every reply.
    fn told_at_once<'t>(&mut self, text: &'t [u8], meter: &Meter) -> Option<SmallVec<[Told<'t>; 2]>> {
        let mut at_once = AtOnce { meter, is_wanted: self.is_wanted, told: SmallVec::new() };
        let told = self.watch.all(text, &mut at_once);
        if told {
            self.opening = Opening::Success;
        }
        told.then_some(at_once.told)
    }

    /// Takes what the client gets for the text that was read.
    pub(super) fn forward(&mut self, raw: Bytes, out: &mut Output) -> Result<(), Fault> {
        if self.opening == Opening::Success || self.watch.is_complete() {
            out.0.append(&mut self.held);
            out.0.push(raw);
            return Ok(());
        }
        self.held.push(raw);
        bounded(&self.held)
    }

    pub(super) fn finish(&mut self, out: &mut Output) -> Result<(), Fault> {
        if matches!(self.opening, Opening::Error(_)) {
            return Err(self.wordless_error(b""));
        }
        if !self.watch.is_complete() {
            return Err(Fault::Truncated);
        }
        out.0.append(&mut self.held);
        Ok(())
    }

    fn wordless_error(&self, last: &[u8]) -> Fault {
        let first = self.held.first().map_or(last, |held| held);
        Fault::ErrorInReply(shortened(first))
    }
}

// === impl AtOnce ===

impl<'a> Visitor<'a> for AtOnce<'a, '_> {
    fn read(&mut self, key: &'a [u8], ahead: &'a [u8]) -> Option<usize> {
        // As far as the walk captures it.
        let (usage, length) = self.meter.usage_ahead(key, ahead).filter(|(_, length)| *length <= CAPTURED)?;
        (self.is_wanted)(key).then(|| {
            self.told.push(Told::Usage(usage));
            length
        })
    }

    fn take(&mut self, key: &'a [u8], value: &'a [u8]) -> bool {
        match key {
            // Whether they say that it is one is read by the walk.
            b"error" => false,
            b"type" | b"object" => {
                value != b"\"error\"" && value.starts_with(b"\"") && scan::document(value).is_ok()
            }
            b"message" => scan::document(value).is_ok(),
            _ if (self.is_wanted)(key) => {
                self.told.push(Told::Raw(key, value));
                value.len() <= CAPTURED
            }
            // As far as the walk sees.
            _ => value.first().is_some_and(|first| Kind::of(*first).is_some()),
        }
    }
}

/// Refuses to hold more than the bound.
pub(super) fn bounded<'b>(held: impl IntoIterator<Item = &'b Bytes>) -> Result<(), Fault> {
    let size: usize = held.into_iter().map(Bytes::len).sum();
    if size > HELD { Err(Fault::Malformed("it does not begin within bounds".to_owned())) } else { Ok(()) }
}

/// Says no place: where the reply was cut into chunks is nobody's business.
pub(super) fn malformed(error: NotJson) -> Fault {
    Fault::Malformed(format!("it is not JSON: {}", error.reason))
}

fn is_wanted_of_items(key: &[u8]) -> bool {
    is_telling(key) || matches!(key, b"id" | b"input_file_id" | b"output_file_id" | b"error_file_id")
}

fn is_wanted(key: &[u8]) -> bool {
    is_telling(key)
        || matches!(
            key,
            b"usage"
                | b"usageMetadata"
                | b"meta"
                | b"model"
                | b"modelVersion"
                | b"input_tokens"
                | b"totalTokens"
        )
}
