//! What is known of a request under the names that policies have for it.

use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use tollgate_auth::Claims;
use tollgate_limit::{Fact, Limit, Namespace, limit_at, number_at};

use crate::Record;

/// The key of how many bytes the request's body has.
const CONTENT_LENGTH_KEY: &str = "content_length";

// === impl Record ===

impl Record {
    /// A number; `costs` are those of the reply, and empty before its end.
    pub(super) fn number(&self, fact: &Fact, costs: &[(Arc<str>, u64)]) -> Option<u64> {
        match fact.namespace {
            Namespace::Llm => {
                let cost = costs.iter().find(|(key, _)| *key == fact.key).map(|(_, cost)| *cost);
                cost.or_else(|| (*fact.key == *CONTENT_LENGTH_KEY).then(|| self.content_length()))
            }
            Namespace::Claims => self.in_claims(&fact.key, |claims, path| number_at(claims.members(), path)),
            Namespace::ExtAuth => number_at(self.vetted()?, &fact.key),
        }
    }

    /// A limit that the request brings along.
    pub(super) fn limit_told_by(&self, fact: &Fact) -> Option<Limit> {
        match fact.namespace {
            Namespace::Llm => None,
            Namespace::Claims => self.in_claims(&fact.key, |claims, path| limit_at(claims.members(), path)),
            Namespace::ExtAuth => limit_at(self.vetted()?, &fact.key),
        }
    }

    /// What is read in the claims of the provider whose name the key begins with.
    fn in_claims<T>(&self, key: &str, read: impl Fn(&Claims, &str) -> Option<T>) -> Option<T> {
        self.claims_by_provider().find_map(|(provider, claims)| {
            let rest = key.strip_prefix(provider)?;
            match rest.strip_prefix([':', '.']) {
                Some(path) => read(claims, path),
                None if rest.is_empty() => read(claims, ""),
                None => None,
            }
        })
    }

    /// What has arrived, or is announced.
    fn content_length(&self) -> u64 {
        let announced = self.head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        self.bytes_in.max(announced.and_then(|text| text.parse().ok()).unwrap_or(0))
    }
}
