use http::{HeaderName, Method};
use regex::Regex;
use tollgate_types::Cidr;

use crate::{View, counter::Value, query};

/// One part of a client selector. A rule applies where all its conditions hold.
#[derive(Clone, Debug)]
pub enum Condition {
    /// On a header; of a repeated header, on its values joined by commas.
    Header {
        /// Which.
        name: HeaderName,
        /// What its value must be.
        value: TextSelect,
        /// Holds where it otherwise would not, also where the header is missing. Not for `Distinct`.
        invert: bool,
    },
    /// On the method: one of these.
    Method {
        /// Which.
        any_of: Vec<Method>,
        /// None of these.
        invert: bool,
    },
    /// On the path without its query.
    Path {
        /// What it must be; `Distinct` is not offered.
        value: PathSelect,
        /// Anything else.
        invert: bool,
    },
    /// On the client's address.
    Source {
        /// The block it is in.
        cidr: Cidr,
        /// A counter for each address, instead of one for the block.
        distinct: bool,
        /// Outside of the block; not with `distinct`.
        invert: bool,
    },
    /// On the first value of a query parameter.
    Query {
        /// Which; compared after percent-decoding.
        name: Box<str>,
        /// What its value must be.
        value: TextSelect,
        /// Holds where it otherwise would not.
        invert: bool,
    },
}

/// How a text is selected.
#[derive(Clone, Debug)]
pub enum TextSelect {
    /// Byte for byte
    Exact(Box<str>),
    /// The whole text; whoever compiles it anchors it
    Regex(Regex),
    /// Any value, with a counter for each
    Distinct,
}

/// How a path is selected.
#[derive(Clone, Debug)]
pub enum PathSelect {
    /// By elements; kept without a slash at its end, so `/` is empty
    Prefix(Box<str>),
    /// Byte for byte
    Exact(Box<str>),
    /// The whole path; whoever compiles it anchors it
    Regex(Regex),
}

/// What a condition says to a request.
pub(crate) enum Held {
    No,
    Yes,
    /// Yes, and this goes into the counter's name.
    With(Value),
}

// === impl Condition ===

impl Condition {
    pub(crate) fn of(&self, request: &View<'_>) -> Held {
        match self {
            Self::Header { name, value: TextSelect::Distinct, .. } => distinct_header(request, name),
            Self::Header { name, value, invert } => {
                let holds = request.header(name).is_some_and(|text| value.matches(&text));
                Held::when(holds != *invert)
            }
            Self::Method { any_of, invert } => Held::when(any_of.contains(request.method) != *invert),
            Self::Path { value, invert } => Held::when(value.matches(request.path) != *invert),
            Self::Source { cidr, distinct, invert } => source(request, *cidr, *distinct, *invert),
            Self::Query { name, value, invert } => {
                let text = query::value(request.query.unwrap_or_default(), name);
                match (value, text) {
                    (TextSelect::Distinct, Some(text)) => Held::With(Value::Bytes(text.into())),
                    (TextSelect::Distinct, None) => Held::No,
                    (value, text) => Held::when(text.is_some_and(|text| value.matches(&text)) != *invert),
                }
            }
        }
    }

    /// Where its entry stands among those of a key (headers, method, path, source, query).
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::Header { .. } => 0,
            Self::Method { .. } => 1,
            Self::Path { .. } => 2,
            Self::Source { .. } => 3,
            Self::Query { .. } => 4,
        }
    }
}

fn distinct_header(request: &View<'_>, name: &HeaderName) -> Held {
    let mut values = request.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        // One value is shared with the header map instead of copied.
        (Some(value), None) => Held::With(Value::Header(value.clone())),
        (Some(_), Some(_)) => match request.header(name) {
            Some(text) => Held::With(Value::Bytes(text.into())),
            None => Held::No,
        },
        (None, _) => Held::No,
    }
}

fn source(request: &View<'_>, cidr: Cidr, distinct: bool, invert: bool) -> Held {
    match request.client {
        Some(address) if cidr.contains(address) != invert => match distinct {
            true => Held::With(Value::Address(address.to_canonical())),
            false => Held::Yes,
        },
        _ => Held::No,
    }
}

// === impl TextSelect ===

impl TextSelect {
    fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => text == wanted.as_bytes(),
            Self::Regex(wanted) => std::str::from_utf8(text).is_ok_and(|text| wanted.is_match(text)),
            Self::Distinct => true,
        }
    }
}

// === impl PathSelect ===

impl PathSelect {
    fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(wanted) => path == &**wanted,
            Self::Prefix(prefix) => {
                path.strip_prefix(&**prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Regex(wanted) => wanted.is_match(path),
        }
    }
}

// === impl Held ===

impl Held {
    const fn when(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}
