use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{Limit, Unit};

/// Something that is found out about a request while it is served, as policies name it: by namespace and key of
/// Envoy's dynamic metadata.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fact {
    /// Who finds it out.
    pub namespace: Namespace,
    /// Which; `:` or `.` lead into objects, and a name that has them itself is found first.
    pub key: Arc<str>,
}

/// Who finds out facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// Cost expressions, when a reply has ended
    Llm,
    /// Verified tokens: the name of their provider, then the claim
    Claims,
    /// What an external authorization service says of a request
    ExtAuth,
}

// === impl Fact ===

impl Fact {
    /// What the cost expression of this key found.
    #[must_use]
    pub fn cost(key: impl Into<Arc<str>>) -> Self {
        Self { namespace: Namespace::Llm, key: key.into() }
    }
}

// === impl Namespace ===

impl Namespace {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Llm, Self::Claims, Self::ExtAuth];

    /// Its name in policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llm => "io.envoy.ai_gateway",
            Self::Claims => "envoy.filters.http.jwt_authn",
            Self::ExtAuth => "envoy.filters.http.ext_authz",
        }
    }
}

/// A whole number of at least 0, also where it is written as text. The path is that of [`Fact::key`].
#[must_use]
pub fn number_at(members: &Map<String, Value>, path: &str) -> Option<u64> {
    match value_at(members, path)? {
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A limit: an object with `requests_per_unit` and `unit`; without a path it is the members themselves.
#[must_use]
pub fn limit_at(members: &Map<String, Value>, path: &str) -> Option<Limit> {
    let limit = match path {
        "" => members,
        path => value_at(members, path)?.as_object()?,
    };
    let unit = limit.get("unit")?.as_str()?;
    let unit = Unit::ALL.into_iter().find(|known| format!("{known:?}").eq_ignore_ascii_case(unit))?;
    Some(Limit { amount: number_at(limit, "requests_per_unit")?, unit })
}

fn value_at<'v>(members: &'v Map<String, Value>, path: &str) -> Option<&'v Value> {
    if let Some(value) = members.get(path) {
        return Some(value);
    }
    path.match_indices([':', '.']).find_map(|(at, separator)| {
        let (first, rest) = (path.get(..at)?, path.get(at + separator.len()..)?);
        value_at(members.get(first)?.as_object()?, rest)
    })
}

/// Envoy keeps numbers as floating ones, and so do some who make tokens.
fn whole(number: f64) -> Option<u64> {
    /// Above this a floating number may stand for another whole one.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
    ((0.0..=EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Map<String, Value> {
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => members,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_are_found_at_the_end_of_a_path_and_nothing_else_is_one() {
        let all = members(
            r#"{"a": {"b": 7, "c.d": {"e": "8"}}, "https://x.example/plan": 9, "f": 3.0, "g": -1, "h": 1.5,
                "i": true, "j": 1e300}"#,
        );
        assert_eq!(number_at(&all, "a:b"), Some(7));
        assert_eq!(number_at(&all, "a.c.d:e"), Some(8), "written as text, behind a name with a dot");
        assert_eq!(number_at(&all, "https://x.example/plan"), Some(9));
        assert_eq!(number_at(&all, "f"), Some(3));
        for none in ["g", "h", "i", "j", "a", "a:", ":", "", "zz"] {
            assert_eq!(number_at(&all, none), None, "{none:?}");
        }
    }

    #[test]
    fn a_limit_is_an_object_of_an_amount_and_a_unit_that_there_is() {
        let all = members(
            r#"{"plan": {"requests_per_unit": 5, "unit": "HOUR"}, "a": {"unit": "HOUR"},
                "b": {"requests_per_unit": 5, "unit": "FORTNIGHT"}, "requests_per_unit": 1, "unit": "minute"}"#,
        );
        assert_eq!(limit_at(&all, "plan"), Some(Limit { amount: 5, unit: Unit::Hour }));
        assert_eq!(limit_at(&all, ""), Some(Limit { amount: 1, unit: Unit::Minute }));
        for none in ["a", "b", "unit", "zz"] {
            assert_eq!(limit_at(&all, none), None, "{none}");
        }
    }
}
