use std::{cmp::Reverse, sync::Arc};

use crate::{Claim, Claims, Cost, LimitRule, View};

/// The local rate limits of one route: rules for some callers, and one for all others. Kept in [`crate::Buckets`].
#[derive(Clone, Debug)]
pub struct LocalLimits {
    /// Strictest first.
    rules: Vec<Arc<LimitRule>>,
    /// The one without selectors; nobody else is limited where it is missing.
    default: Option<Arc<LimitRule>>,
}

// === impl LocalLimits ===

impl LocalLimits {
    /// In any order. Of several rules without selectors the first counts; validation reports the others.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = Arc<LimitRule>>) -> Self {
        let (all, mut rules): (Vec<_>, Vec<_>) = rules.into_iter().partition(|rule| rule.is_for_all());
        // Seconds for one request: the more, the stricter.
        rules.sort_by_key(|rule| {
            let amount = u128::from(rule.limit.amount.max(1));
            Reverse(u128::from(rule.limit.unit.seconds()) * 1_000_000 / amount)
        });
        Self { rules, default: all.into_iter().next() }
    }

    /// All of them.
    pub fn rules(&self) -> impl Iterator<Item = &LimitRule> {
        self.rules.iter().chain(&self.default).map(|rule| &**rule)
    }

    /// The claims of a request with the rules they are of: all rules that apply, or the default one where none does.
    #[must_use]
    pub fn claims(&self, request: &View<'_>) -> (Claims, Vec<&Arc<LimitRule>>) {
        let mut claims = Claims::new();
        let mut rules = Vec::new();
        for rule in &self.rules {
            if let Some(claim) = claim(rule, request) {
                claims.push(claim);
                rules.push(rule);
            }
        }
        if claims.is_empty()
            && let Some(rule) = &self.default
            && let Some(claim) = claim(rule, request)
        {
            claims.push(claim);
            rules.push(rule);
        }
        (claims, rules)
    }
}

fn claim(rule: &LimitRule, request: &View<'_>) -> Option<Claim> {
    // Local limits know no metadata: a request is one.
    let hits = match rule.request_cost {
        Cost::Number(number) => number,
        Cost::Metadata(_) => 1,
    };
    Some(rule.charge(rule.claim(request)?, hits, 0))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Method};

    use super::*;
    use crate::{Buckets, Condition, Limit, LimitRuleSpec, Scope, TextSelect, Unit, UnixMillis};

    fn rule(number: usize, amount: u64, caller: Option<&str>) -> Arc<LimitRule> {
        let conditions = caller.map(|caller| Condition::Header {
            name: HeaderName::from_static("x-caller"),
            value: TextSelect::Exact(caller.into()),
            invert: false,
        });
        Arc::new(LimitRule::new(LimitRuleSpec {
            id: format!("rule {number}").into(),
            scope: Scope::Route { listener: "a/b/c".into(), route: "r".into() },
            number,
            conditions: conditions.into_iter().collect(),
            limit: Limit { amount, unit: Unit::Minute },
            request_cost: Cost::Number(1),
            response_cost: None,
            shadow: false,
            show_headers: true,
        }))
    }

    #[test]
    fn a_matching_rule_takes_the_place_of_the_default() {
        let limits = LocalLimits::new([rule(0, 1, None), rule(1, 3, Some("a")), rule(2, 2, Some("a"))]);
        let buckets = Buckets::default();
        let admitted = |caller: &str| {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("x-caller"),
                caller.parse().expect("a value"),
            )]);
            let view = View { method: &Method::GET, path: "/", query: None, headers: &headers, client: None };
            let (claims, rules) = limits.claims(&view);
            let decision = buckets.take(&claims, UnixMillis(0));
            (decision.is_admitted(), rules.iter().map(|rule| &*rule.id).collect::<Vec<_>>())
        };
        assert_eq!(admitted("a"), (true, vec!["rule 2", "rule 1"]), "strictest first");
        assert!(admitted("a").0 && !admitted("a").0, "two, of the default's one");
        assert_eq!(admitted("b"), (true, vec!["rule 0"]));
        assert!(!admitted("b").0);
    }
}
