use std::{cmp::Reverse, collections::HashMap, fmt, sync::Arc};

use crate::Table;

/// A hostname of a listener or a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Every host
    Any,
    /// `*.example.com`, kept as `.example.com`: any depth below, never the domain itself (Gateway API `Hostname`).
    Wildcard(Arc<str>),
    /// Exactly this one
    Exact(Arc<str>),
}

/// Routes by host; the most specific host is asked first, and its lesser ones when nothing there matches.
#[derive(Debug, Default)]
pub struct HostTable {
    exact: HashMap<Arc<str>, Table, foldhash::fast::RandomState>,
    /// Longest suffix first.
    wildcards: Vec<(Arc<str>, Table)>,
    any: Option<Table>,
}

// === impl HostPattern ===

impl HostPattern {
    /// Reads a hostname as manifests write it; letter case does not matter, empty means any.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix('*') {
            _ if text.is_empty() => Self::Any,
            Some(suffix) if suffix.starts_with('.') => Self::Wildcard(suffix.into()),
            _ => Self::Exact(text.into()),
        }
    }

    /// True where the host (lower case, no port) is covered.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Wildcard(suffix) => host.len() > suffix.len() && host.ends_with(&**suffix),
            Self::Exact(name) => host == &**name,
        }
    }

    /// The hosts that both cover, or `None` where there are none.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, narrow) | (narrow, Self::Any) => Some(narrow.clone()),
            (Self::Exact(name), pattern) | (pattern, Self::Exact(name)) => {
                pattern.matches(name).then(|| Self::Exact(Arc::clone(name)))
            }
            (Self::Wildcard(a), Self::Wildcard(b)) => {
                let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
                long.ends_with(&**short).then(|| Self::Wildcard(Arc::clone(long)))
            }
        }
    }

    /// Sorts the most specific first: exact, then long wildcards, then short ones, then any.
    #[must_use]
    pub fn specificity(&self) -> Reverse<(u8, usize)> {
        Reverse(match self {
            Self::Any => (0, 0),
            Self::Wildcard(suffix) => (1, suffix.len()),
            Self::Exact(name) => (2, name.len()),
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Wildcard(suffix) => write!(f, "*{suffix}"),
            Self::Exact(name) => f.write_str(name),
        }
    }
}

// === impl HostTable ===

impl HostTable {
    /// Takes one table per host pattern; a pattern that comes twice keeps the later table.
    #[must_use]
    pub fn new(tables: impl IntoIterator<Item = (HostPattern, Table)>) -> Self {
        let mut this = Self::default();
        for (pattern, table) in tables {
            match pattern {
                HostPattern::Any => this.any = Some(table),
                HostPattern::Wildcard(suffix) => this.wildcards.push((suffix, table)),
                HostPattern::Exact(name) => {
                    this.exact.insert(name, table);
                }
            }
        }
        this.wildcards.sort_by_key(|(suffix, _)| Reverse(suffix.len()));
        this
    }

    /// The tables that a request for this host (lower case, no port) is matched against, in this order.
    pub fn tables<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Table> {
        let wildcards = self
            .wildcards
            .iter()
            .filter(move |(suffix, _)| host.len() > suffix.len() && host.ends_with(&**suffix))
            .map(|(_, table)| table);
        self.exact.get(host).into_iter().chain(wildcards).chain(self.any.as_ref())
    }

    /// Every table with its pattern, the most specific first; for people and for `/config`.
    #[must_use]
    pub fn all(&self) -> Vec<(HostPattern, &Table)> {
        let exact = self.exact.iter().map(|(name, table)| (HostPattern::Exact(Arc::clone(name)), table));
        let wildcards = self.wildcards.iter().map(|(s, table)| (HostPattern::Wildcard(Arc::clone(s)), table));
        let any = self.any.iter().map(|table| (HostPattern::Any, table));
        let mut all: Vec<_> = exact.chain(wildcards).chain(any).collect();
        all.sort_by_key(|(pattern, _)| (pattern.specificity(), pattern.to_string()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_any_depth_but_not_the_domain_itself() {
        let pattern = HostPattern::parse("*.Example.com");
        assert!(pattern.matches("a.example.com") && pattern.matches("a.b.example.com"));
        assert!(!pattern.matches("example.com") && !pattern.matches("badexample.com"));
    }

    #[test]
    fn intersection_keeps_the_narrower_side() {
        let p = HostPattern::parse;
        assert_eq!(p("*.a.com").intersect(&p("x.a.com")), Some(p("x.a.com")));
        assert_eq!(p("*.a.com").intersect(&p("*.b.a.com")), Some(p("*.b.a.com")));
        assert_eq!(p("").intersect(&p("*.a.com")), Some(p("*.a.com")));
        assert_eq!(p("a.com").intersect(&p("*.a.com")), None);
    }
}
