use tollgate_wire::scan::{self, Kind, Member, NotJson, Value};

/// Members that are looked at before a document without any sign of an error counts as a success.
const MEMBERS: u8 = 4;

/// Characters of an error's words that are kept.
const WORDS: usize = 1000;

/// Whether a document under a success status is an error after all: told by its first members alone, so that
/// the rest need not be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// So many members had nothing to say.
    Undecided(u8),
    Success,
    /// An error; its words may still follow.
    Error(Option<String>),
}

/// What is known of a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen<'a> {
    Value(Value<'a>),
    /// It begins, and is not going to be captured.
    Opened(Kind),
}

/// The keys whose values [`Opening::see`] wants to read.
pub(super) fn is_telling(key: &[u8]) -> bool {
    matches!(key, b"error" | b"type" | b"object" | b"message")
}

/// The words of an error, if the data of this event is one. Read in one go, to its end: whatever else it is, it has to
/// be JSON.
///
/// # Errors
/// [`NotJson`]
pub(super) fn error_in(name: Option<&str>, data: &[u8]) -> Result<Option<String>, NotJson> {
    let mut opening = match name {
        Some("error") => Opening::Error(None),
        _ => Opening::Undecided(0),
    };
    let mut fault = None;
    if scan::kind(data) == Some(Kind::Object) {
        for member in scan::members(data) {
            match member {
                Ok(Member { key, value, .. }) => opening.see(key, Seen::Value(value)),
                Err(error) => fault = Some(error),
            }
        }
    } else {
        fault = scan::document(data).err();
    }
    match (opening, fault) {
        (Opening::Error(words), _) => Ok(Some(words.unwrap_or_else(|| shortened(data)))),
        (Opening::Undecided(_) | Opening::Success, None) => Ok(None),
        (Opening::Undecided(_) | Opening::Success, Some(fault)) => Err(fault),
    }
}

/// Text of any length as the words of an error.
pub(super) fn shortened(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(WORDS * 4)]).chars().take(WORDS).collect()
}

// === impl Opening ===

impl Opening {
    /// Takes the next member of the document.
    pub(super) fn see(&mut self, key: &[u8], seen: Seen<'_>) {
        match (&mut *self, seen) {
            (Self::Success, _) | (Self::Error(Some(_)), _) => {}
            (_, Seen::Value(value)) if key == b"error" && is_error(value) => {
                *self = Self::Error(Some(words(value)))
            }
            (Self::Error(None), Seen::Value(value)) if key == b"message" => {
                *self = Self::Error(Some(words(value)))
            }
            (Self::Error(None), _) => {}
            (Self::Undecided(_), Seen::Value(value))
                if matches!(key, b"type" | b"object") && value.bytes() == b"\"error\"" =>
            {
                *self = Self::Error(None);
            }
            (Self::Undecided(_), Seen::Opened(Kind::Object | Kind::Array)) => *self = Self::Success,
            (Self::Undecided(_), Seen::Value(value))
                if matches!(value.kind(), Kind::Object | Kind::Array) =>
            {
                *self = Self::Success;
            }
            (Self::Undecided(members), _) => {
                *members += 1;
                if *members == MEMBERS {
                    *self = Self::Success;
                }
            }
        }
    }
}

/// Providers also write `"error": null` and the like into successes.
fn is_error(value: Value<'_>) -> bool {
    !matches!(value.bytes(), b"null" | b"false" | b"\"\"" | b"{}")
}

fn words(value: Value<'_>) -> String {
    let text = match value.kind() {
        Kind::Text => value.text(),
        Kind::Object => value.get("message").and_then(Value::text),
        Kind::Array | Kind::Number | Kind::Bool | Kind::Null => None,
    };
    text.map_or_else(|| shortened(value.bytes()), |text| shortened(text.as_bytes()))
}
