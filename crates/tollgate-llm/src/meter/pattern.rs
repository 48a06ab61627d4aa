use tollgate_wire::scan;

/// The last plain piece, less its text. Nearly all events of a stream differ in nothing else, and what they say to us
/// is then what that one said.
#[derive(Debug, Default)]
pub(super) struct Pattern {
    /// Up to the text's opening quote, inclusive; empty where there is none.
    before: Vec<u8>,
    /// From the text's closing quote on.
    behind: Vec<u8>,
}

/// The largest event that is learned, less its text, in bytes.
const LONGEST_PATTERN: usize = 2048;

/// How an event's line begins, and how the event ends, as most write it.
const FIELD: &[u8] = b"data: ";
const BLANK: &[u8] = b"\n\n";

// === impl Pattern ===

impl Pattern {
    /// True for the event that was learned with any other text in it, but none that is empty.
    pub(super) fn fits(&self, data: &[u8]) -> bool {
        let Some(rest) = data.strip_prefix(&*self.before).filter(|_| !self.before.is_empty()) else {
            return false;
        };
        if !rest.ends_with(&self.behind) || rest.first() == Some(&b'"') {
            return false;
        }
        scan::string_end(data, self.before.len()) == data.len().checked_sub(self.behind.len())
    }

    /// How long the event is that `text` begins with, if it is one data line which [fits](Self::fits).
    pub(super) fn leading(&self, text: &[u8]) -> Option<usize> {
        let data = text.strip_prefix(FIELD)?;
        let rest = data.strip_prefix(&*self.before).filter(|_| !self.before.is_empty())?;
        if rest.first() == Some(&b'"') {
            return None;
        }
        let end = scan::string_end(data, self.before.len())?;
        let rest = data.get(end..)?.strip_prefix(&*self.behind)?.strip_prefix(BLANK)?;
        Some(text.len() - rest.len())
    }

    /// Takes a plain piece without usage, whose text begins at `text`, as the one to compare with.
    pub(super) fn learn(&mut self, data: &[u8], text: usize) {
        self.before.clear();
        self.behind.clear();
        let Some(end) = scan::string_end(data, text) else { return };
        // Whether the rest is JSON is nobody's business: events that fit are told from it as this one was. Only a text
        // that is no value might pass for a key.
        if !matches!(data.get(end + 1), Some(b',' | b'}')) {
            return;
        }
        let is_line = memchr::memchr2(b'\n', b'\r', data).is_none();
        if is_line && data.len() - (end - text) <= LONGEST_PATTERN {
            self.before.extend_from_slice(&data[..text]);
            self.behind.extend_from_slice(&data[end..]);
        }
    }
}
