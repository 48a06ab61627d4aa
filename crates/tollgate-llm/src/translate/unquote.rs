//! Answers that a provider can hold to a pattern as JSON strings alone: clients get what stands between the quotes.

use http::StatusCode;
use tollgate_wire::{Literal, escape_into};

use super::{
    event::{Answer, Choice, Encode, Event, ProviderError},
    turn::PartKind,
};
use crate::Fault;

/// Takes the quotes off each answer's text, and one level of escapes with them. A text that is no JSON string stays as
/// it is.
#[derive(Debug)]
pub(crate) struct Unquote {
    encode: Box<dyn Encode>,
    /// One for each answer of a stream.
    lanes: Vec<Lane>,
    lane: usize,
}

/// How far the string of one answer has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Lane {
    #[default]
    Before,
    /// The beginning of an escape that is not whole yet.
    Inside(String),
    After,
    /// No JSON string.
    Plain,
}

// === impl Unquote ===

impl Unquote {
    pub(crate) fn new(encode: Box<dyn Encode>) -> Self {
        Self { encode, lanes: vec![Lane::Before], lane: 0 }
    }

    fn text(&mut self, text: Literal<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.lanes.len() <= self.lane {
            self.lanes.resize(self.lane + 1, Lane::Before);
        }
        let Some(lane) = self.lanes.get_mut(self.lane) else { return Ok(()) };
        if *lane == Lane::Plain {
            return self.encode.event(&Event::Text(text), out);
        }
        let mut inner = Vec::new();
        lane.push(&text.decode(), &mut inner);
        if *lane == Lane::Plain {
            return self.encode.event(&Event::Text(text), out);
        }
        if inner.is_empty() {
            return Ok(());
        }
        let inner = String::from_utf8_lossy(&inner);
        self.encode.event(&Event::Text(Literal::from_escaped(&inner)), out)
    }
}

impl Encode for Unquote {
    fn whole(&mut self, answer: &Answer<'_>, out: &mut Vec<u8>) {
        let texts: Vec<_> = answer.choices.iter().map(unquoted).collect();
        let mut own: Answer<'_> = answer.clone();
        for (choice, text) in own.choices.iter_mut().zip(&texts) {
            let Some(text) = text else { continue };
            let at = choice.parts.iter().position(|part| matches!(part, PartKind::Text(_)));
            choice.parts.retain(|part| !matches!(part, PartKind::Text(_)));
            if let Some(at) = at {
                choice.parts.insert(at, PartKind::Text(Literal::from_escaped(text)));
            }
        }
        self.encode.whole(&own, out);
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match event {
            Event::Text(text) => return self.text(*text, out),
            Event::Choice(choice) => self.lane = *choice,
            Event::Started(_)
            | Event::Citation(_)
            | Event::Logprobs(_)
            | Event::Extra(..)
            | Event::Refusal(_)
            | Event::Image(_)
            | Event::Thinking(_)
            | Event::Signature(_)
            | Event::RedactedThinking(_)
            | Event::ToolStarted { .. }
            | Event::ToolArguments { .. }
            | Event::BlockStopped
            | Event::Finished(_)
            | Event::Usage(_)
            | Event::Ping
            | Event::Error(_)
            | Event::Done => {}
        }
        self.encode.event(event, out)
    }

    fn error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
        self.encode.error(status, error, out);
    }

    fn broken(&mut self, error: &ProviderError, out: &mut Vec<u8>) {
        self.encode.broken(error, out);
    }
}

/// The text of an answer without its quotes, escaped; `None` where it is no JSON string.
fn unquoted(choice: &Choice<'_>) -> Option<String> {
    let texts = choice
        .parts
        .iter()
        .filter_map(|part| if let PartKind::Text(text) = part { Some(text.decode()) } else { None });
    let text: String = serde_json::from_str(texts.collect::<String>().trim()).ok()?;
    let mut escaped = Vec::with_capacity(text.len());
    escape_into(&mut escaped, &text);
    String::from_utf8(escaped).ok()
}

// === impl Lane ===

impl Lane {
    /// Takes a piece of the JSON and appends what it says, which is escaped already.
    fn push(&mut self, piece: &str, out: &mut Vec<u8>) {
        let piece = match self {
            Self::After | Self::Plain => return,
            Self::Before => {
                let piece = piece.trim_start();
                match piece.strip_prefix('"') {
                    Some(rest) => rest,
                    None if piece.is_empty() => return,
                    None => return *self = Self::Plain,
                }
            }
            Self::Inside(_) => piece,
        };
        let mut text = if let Self::Inside(begun) = self { std::mem::take(begun) } else { String::new() };
        text.push_str(piece);
        let mut rest = text.as_str();
        *self = loop {
            let special = rest.find(|c: char| matches!(c, '"' | '\\') || c < ' ');
            let (plain, from) = rest.split_at(special.unwrap_or(rest.len()));
            out.extend_from_slice(plain.as_bytes());
            match from.bytes().next() {
                None => break Self::Inside(String::new()),
                Some(b'"') => break Self::After,
                Some(b'\\') => match escape(from) {
                    Escape::Whole(length) => {
                        let (whole, after) = from.split_at(length);
                        out.extend_from_slice(whole.as_bytes());
                        rest = after;
                    }
                    Escape::Begun => break Self::Inside(from.to_owned()),
                    Escape::None => {
                        out.extend_from_slice(br"\\");
                        rest = from.split_at(1).1;
                    }
                },
                // JSON forbids it here; a model may write it all the same.
                Some(_) => {
                    let (control, after) = from.split_at(1);
                    escape_into(out, control);
                    rest = after;
                }
            }
        };
    }
}

/// What stands behind a backslash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    /// So many bytes, its second half included where it is a pair.
    Whole(usize),
    /// More has to come.
    Begun,
    /// Nothing that JSON knows: the backslash stands for itself.
    None,
}

fn escape(text: &str) -> Escape {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        None => Escape::Begun,
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Escape::Whole(2),
        Some(b'u') => match (unicode(bytes), bytes.get(6..)) {
            (Unicode::Begun, _) => Escape::Begun,
            (Unicode::None, _) => Escape::None,
            (Unicode::High, Some([] | [b'\\'])) => Escape::Begun,
            (Unicode::High, Some(second @ [b'\\', b'u', ..])) => match unicode(second) {
                Unicode::Begun => Escape::Begun,
                Unicode::High | Unicode::Other => Escape::Whole(12),
                Unicode::None => Escape::Whole(6),
            },
            (Unicode::High | Unicode::Other, _) => Escape::Whole(6),
        },
        Some(_) => Escape::None,
    }
}

/// Four digits behind `\u`.
enum Unicode {
    /// The first half of a pair.
    High,
    Other,
    Begun,
    None,
}

fn unicode(bytes: &[u8]) -> Unicode {
    let digits = bytes.get(2..bytes.len().min(6)).unwrap_or_default();
    match digits {
        _ if !digits.iter().all(u8::is_ascii_hexdigit) => Unicode::None,
        [b'd' | b'D', b'8' | b'9' | b'a' | b'A' | b'b' | b'B', _, _] => Unicode::High,
        [_, _, _, _] => Unicode::Other,
        _ => Unicode::Begun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of pieces.
    fn pushed(pieces: &[&str]) -> (String, Lane) {
        let (mut lane, mut out) = (Lane::default(), Vec::new());
        for piece in pieces {
            lane.push(piece, &mut out);
        }
        (String::from_utf8(out).unwrap(), lane)
    }

    #[test]
    fn quotes_and_one_level_of_escapes_go_wherever_the_pieces_end() {
        let json = r#" "a\"b\\c\n\u00e9\ud83d\ude00é""#;
        let wanted = r#"a\"b\\c\n\u00e9\ud83d\ude00é"#;
        assert_eq!(pushed(&[json]), (wanted.to_owned(), Lane::After));
        let boundaries: Vec<_> = (0..=json.len()).filter(|at| json.is_char_boundary(*at)).collect();
        for at in &boundaries {
            let (before, after) = json.split_at(*at);
            assert_eq!(pushed(&[before, after]).0, wanted, "split at {at}");
        }
        let each: Vec<_> = boundaries.windows(2).map(|pair| &json[pair[0]..pair[1]]).collect();
        assert_eq!(pushed(&each).0, wanted);
    }

    #[test]
    fn no_piece_ends_inside_an_escape() {
        let json = r#""\ud83d\ude00\\""#;
        let (mut lane, mut texts) = (Lane::default(), Vec::new());
        for at in 0..json.len() {
            let mut out = Vec::new();
            lane.push(&json[at..=at], &mut out);
            texts.push(Literal::from_escaped(&String::from_utf8(out).unwrap()).decode().into_owned());
        }
        assert_eq!(texts.concat(), "😀\\");
    }

    #[test]
    fn what_is_no_string_stays_as_it_is() {
        assert_eq!(pushed(&["{\"a\":1}"]).1, Lane::Plain);
        assert_eq!(pushed(&[" ", "\"a", "\" and more"]), ("a".to_owned(), Lane::After));
        assert_eq!(pushed(&["\"a\nb"]).0, r"a\nb");
        assert_eq!(pushed(&["\"\\", "é\\u00", "x\""]).0, r"\\é\\u00x");
    }
}
