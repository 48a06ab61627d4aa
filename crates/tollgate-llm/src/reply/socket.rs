use tollgate_wire::websocket::{Content, Frames, Part};

use crate::meter::Meter;

/// The most that is kept of one message, in bytes: the end of a response repeats its text, but not its sound.
const MESSAGE: usize = 1024 * 1024;

/// So many bytes of a message tell what it is.
const OPENING: usize = 256;

/// What a realtime session's server says, read on its way.
#[derive(Debug)]
pub(super) struct Socket {
    frames: Frames,
    message: Vec<u8>,
    /// What is done with the message that comes.
    reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// It may matter.
    Kept,
    /// It does not matter, or is too long.
    Skipped,
    /// Nothing can be read any more.
    Over,
}

// === impl Socket ===

impl Socket {
    pub(super) const fn new() -> Self {
        Self { frames: Frames::new(), message: Vec::new(), reading: Reading::Kept }
    }

    /// Reads what the client got.
    pub(super) fn see(&mut self, piece: &[u8], meter: &mut Meter) {
        let mut at = 0;
        while self.reading != Reading::Over {
            match self.frames.next(piece, &mut at) {
                Ok(Some(part)) => self.take(part, meter),
                Ok(None) => return,
                // It goes on without us: what passes is no worse for it.
                Err(_) => self.reading = Reading::Over,
            }
        }
    }

    fn take(&mut self, Part { content, data, last }: Part<'_>, meter: &mut Meter) {
        if content == Content::Control {
            return;
        }
        if content == Content::Binary || self.message.len() + data.len() > MESSAGE {
            self.reading = Reading::Skipped;
        }
        if self.reading == Reading::Kept {
            self.message.extend_from_slice(data);
            if self.message.len() >= OPENING && !may_matter(&self.message[..OPENING]) {
                self.reading = Reading::Skipped;
            }
        }
        if last {
            if self.reading == Reading::Kept {
                meter.realtime_event(&self.message);
            }
            self.message.clear();
            self.message.shrink_to(OPENING * 4);
            self.reading = Reading::Kept;
        }
    }
}

/// True unless this is plainly the beginning of another event: one whose type stands before all objects in it.
fn may_matter(opening: &[u8]) -> bool {
    let inner = opening.iter().skip(1).position(|byte| *byte == b'{');
    let own = opening.get(..=inner.unwrap_or(opening.len())).unwrap_or(opening);
    let has = |text: &[u8], within: &[u8]| memchr::memmem::find(within, text).is_some();
    !has(b"\"type\"", own) || has(b"response.done", opening) || has(b"session.", opening)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_by_its_own_type_wherever_that_stands() {
        let sound = br#"{"type":"response.output_audio.delta","delta":"AAAA"#;
        let done = br#"{"type":"response.done","response":{"output":[{"type":"message""#;
        let type_last = br#"{"response":{"id":"r","output":[{"type":"message","content":[{"type":"text""#;
        assert!(!may_matter(sound));
        assert!(may_matter(done) && may_matter(type_last));
    }
}
