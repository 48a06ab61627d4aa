//! Rules as people read them.

use std::fmt::{self, Display, Formatter};

use http::Method;

use crate::{Condition, Cost, Fact, LimitRule, PathSelect, TextSelect, rule::unanchored};

impl Display for LimitRule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.limit)?;
        if let Some(fact) = &self.limit_from {
            write!(f, ", or what {fact} says")?;
        }
        for (i, condition) in self.conditions().enumerate() {
            write!(f, "{}{condition}", if i == 0 { " for " } else { ", " })?;
        }
        if self.request_cost != Cost::Number(1) {
            write!(f, "; a request costs {}", self.request_cost)?;
        }
        if let Some(cost) = &self.response_cost {
            write!(f, "; a reply costs {cost}")?;
        }
        if self.shadow { f.write_str(" (shadow)") } else { Ok(()) }
    }
}

impl Display for Cost {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Metadata(fact) => write!(f, "{fact}"),
        }
    }
}

impl Display for Fact {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace.name(), self.key)
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let not = |invert: &bool| if *invert { "not " } else { "" };
        match self {
            Self::Header { name, value, invert } => write!(f, "{}header {name}{value}", not(invert)),
            Self::Query { name, value, invert } => write!(f, "{}query {name}{value}", not(invert)),
            Self::Method { any_of, invert } => {
                let names: Vec<_> = any_of.iter().map(Method::as_str).collect();
                write!(f, "{}method {}", not(invert), names.join(" or "))
            }
            Self::Path { value, invert } => write!(f, "{}path {value}", not(invert)),
            Self::Source { cidr, distinct: true, .. } => write!(f, "each address in {cidr}"),
            Self::Source { cidr, invert, .. } => write!(f, "{}addresses in {cidr}", not(invert)),
        }
    }
}

impl Display for TextSelect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, " = {text}"),
            Self::Regex(regex) => write!(f, " ~ {}", unanchored(regex.as_str())),
            Self::Distinct => f.write_str(" (each value)"),
        }
    }
}

impl Display for PathSelect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "{path}"),
            Self::Prefix(path) => write!(f, "{path}/*"),
            Self::Regex(regex) => write!(f, "~ {}", unanchored(regex.as_str())),
        }
    }
}
