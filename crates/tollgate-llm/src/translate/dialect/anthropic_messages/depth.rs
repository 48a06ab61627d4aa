/// Tells when a JSON object that arrives in escaped pieces is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Depth {
    depth: u32,
    place: Place,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Plain,
    String,
    /// After a backslash in a string.
    Escape,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Open,
    Closed,
}

// === impl Depth ===

impl Depth {
    /// Takes the next piece: JSON as it stands inside a JSON string. Pieces never end inside an escape, for each
    /// was a whole string.
    pub(super) fn push(&mut self, piece: &str) {
        let mut bytes = piece.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => match bytes.next() {
                    Some(b'u') => {
                        let code = [bytes.next(), bytes.next(), bytes.next(), bytes.next()];
                        self.step(match code.map(Option::unwrap_or_default) {
                            [b'0', b'0', b'2', b'2'] => b'"',
                            [b'0', b'0', b'5', b'c' | b'C'] => b'\\',
                            [b'0', b'0', b'7', b'b' | b'B'] => b'{',
                            [b'0', b'0', b'7', b'd' | b'D'] => b'}',
                            _ => b'.',
                        });
                    }
                    Some(quote @ (b'"' | b'\\')) => self.step(quote),
                    Some(_) | None => self.step(b'.'),
                },
                plain => self.step(plain),
            }
        }
    }

    /// True once the object has been closed.
    pub(super) fn is_complete(self) -> bool {
        self.progress == Progress::Closed
    }

    fn step(&mut self, byte: u8) {
        match (self.place, byte) {
            (Place::Plain, b'"') => self.place = Place::String,
            (Place::Plain, b'{') => self.depth = self.depth.saturating_add(1),
            (Place::Plain, b'}') => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.progress = Progress::Closed;
                }
            }
            (Place::String, b'"') => self.place = Place::Plain,
            (Place::String, b'\\') => self.place = Place::Escape,
            (Place::Escape, _) => self.place = Place::String,
            (Place::Plain | Place::String, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete_after(pieces: &[&str]) -> Vec<bool> {
        let mut depth = Depth::default();
        pieces
            .iter()
            .map(|piece| {
                depth.push(piece);
                depth.is_complete()
            })
            .collect()
    }

    #[test]
    fn an_object_is_complete_when_its_own_brace_closes() {
        assert_eq!(complete_after(&[r#"{\"a\":{\"b\":1}"#, "}"]), [false, true]);
    }

    #[test]
    fn braces_in_strings_do_not_count() {
        assert_eq!(complete_after(&[r#"{\"a\":\"}\\\"}"#, r#"\""#, "}"]), [false, false, true]);
        assert_eq!(complete_after(&["{\\u0022a\\u0022:\\u0022}\\u0022", "}"]), [false, true]);
    }
}
