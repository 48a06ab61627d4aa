use http::{HeaderMap, HeaderName, Method};
use regex::Regex;
use tollgate_types::{Endpoint, ModelId};

/// What matching may look at.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path without query, as the client sent it.
    pub path: &'a str,
    /// Query without `?`, where there is one.
    pub query: Option<&'a str>,
    /// Headers, internal ones already stripped.
    pub headers: &'a HeaderMap,
    /// The LLM endpoint at this path, if it is one; rules of AIGatewayRoutes match nothing else.
    pub endpoint: Option<Endpoint>,
}

/// One `matches[]` element: all its parts must hold.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The path.
    pub path: PathMatch,
    /// The method, where one is asked for.
    pub method: Option<Method>,
    /// Headers other than the model's; names are unique.
    pub headers: Vec<HeaderMatch>,
    /// Query parameters; names are unique.
    pub query: Vec<QueryMatch>,
    /// The match on `x-ai-eg-model`.
    pub model: Option<ModelMatch>,
}

/// A path rule (Gateway API `HTTPPathMatch`).
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// Byte for byte
    Exact(Box<str>),
    /// By elements; kept without a slash at its end, so `/` is empty
    Prefix(Box<str>),
    /// The whole path
    Regex(Regex),
}

/// How a text is compared.
#[derive(Clone, Debug)]
pub enum TextMatch {
    /// Byte for byte
    Exact(Box<str>),
    /// The whole text; compile anchors it
    Regex(Regex),
}

/// A header and what its value must be; of a repeated header any value may match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderMatch {
    /// Which.
    pub name: HeaderName,
    /// What.
    pub value: TextMatch,
}

/// A query parameter and what its (first) value must be, percent-decoding aside.
#[derive(Clone, Debug)]
pub struct QueryMatch {
    /// Which.
    pub name: Box<str>,
    /// What.
    pub value: TextMatch,
}

/// What the body's model must be.
#[derive(Clone, Debug)]
pub enum ModelMatch {
    /// This one
    Exact(ModelId),
    /// Any that matches in whole; compile anchors it
    Regex(Regex),
}

// === impl Matcher ===

impl Matcher {
    /// Everything but the model.
    #[must_use]
    pub fn matches(&self, request: &RequestView<'_>) -> bool {
        self.path.matches(request.path)
            && self.method.as_ref().is_none_or(|method| method == request.method)
            && self.headers.iter().all(|header| header.matches(request.headers))
            && self.query.iter().all(|query| query.matches(request.query.unwrap_or_default()))
    }

    /// The model alone; a matcher that asks for none accepts all, one that asks for one refuses `None`.
    #[must_use]
    pub fn accepts_model(&self, model: Option<&ModelId>) -> bool {
        match (&self.model, model) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ModelMatch::Exact(wanted)), Some(model)) => wanted == model,
            (Some(ModelMatch::Regex(wanted)), Some(model)) => wanted.is_match(model.as_str()),
        }
    }
}

// === impl PathMatch ===

impl PathMatch {
    /// True where the path (no query) is covered.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(wanted) => path == &**wanted,
            Self::Prefix(prefix) => {
                path.strip_prefix(&**prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Regex(wanted) => wanted.is_match(path),
        }
    }
}

// === impl TextMatch ===

impl PartialEq for TextMatch {
    fn eq(&self, other: &Self) -> bool {
        self.words() == other.words()
    }
}

impl Eq for TextMatch {}

impl std::hash::Hash for TextMatch {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.words().hash(state);
    }
}

impl TextMatch {
    /// What it is made of, for comparing: a pattern is what it was written as.
    fn words(&self) -> (bool, &str) {
        match self {
            Self::Exact(wanted) => (false, wanted),
            Self::Regex(wanted) => (true, wanted.as_str()),
        }
    }

    /// True where the text is covered.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(wanted) => text == &**wanted,
            Self::Regex(wanted) => wanted.is_match(text),
        }
    }
}

// === impl HeaderMatch ===

impl HeaderMatch {
    pub(crate) fn matches(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(&self.name)
            .iter()
            .any(|value| std::str::from_utf8(value.as_bytes()).is_ok_and(|value| self.value.matches(value)))
    }
}

// === impl QueryMatch ===

impl QueryMatch {
    pub(crate) fn matches(&self, query: &str) -> bool {
        query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(name, _)| *name == &*self.name)
            .is_some_and(|(_, value)| self.value.matches(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_whole_elements_only() {
        let prefix = PathMatch::Prefix("/v1".into());
        assert!(prefix.matches("/v1") && prefix.matches("/v1/") && prefix.matches("/v1/chat"));
        assert!(!prefix.matches("/v10"));
        assert!(PathMatch::Prefix("".into()).matches("/anything"));
    }
}
