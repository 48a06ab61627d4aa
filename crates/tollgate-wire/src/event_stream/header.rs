use super::BrokenFrame;

/// The headers of a frame, one after the other: the length of the name (1 byte), the name, the type of the value
/// (1 byte), the value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Headers<'a> {
    rest: &'a [u8],
}

/// The type whose values are text; the others are stepped over.
const TEXT: u8 = 7;

// === impl Headers ===

impl<'a> Headers<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The next header: its name, and its value where that is text.
    fn read(&mut self) -> Option<(&'a [u8], Option<&'a str>)> {
        let length = self.take(1)?;
        let name = self.take(length.first().copied()?.into())?;
        let kind = self.take(1)?.first().copied()?;
        let length = match kind {
            // true, false
            0 | 1 => 0,
            // 8, 16, 32 and 64 bits, a time in milliseconds, a UUID
            2 => 1,
            3 => 2,
            4 => 4,
            5 | 8 => 8,
            9 => 16,
            // bytes and text, behind a length of 16 bits
            6 | TEXT => u16::from_be_bytes(self.take(2)?.first_chunk().copied()?).into(),
            _ => return None,
        };
        let value = self.take(length)?;
        let text = if kind == TEXT { std::str::from_utf8(value).ok() } else { None };
        Some((name, text))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<(&'a [u8], Option<&'a str>), BrokenFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_none() {
            self.rest = &[];
        }
        Some(read.ok_or(BrokenFrame::Headers))
    }
}
