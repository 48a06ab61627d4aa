use std::{mem, sync::Arc};

use smallvec::SmallVec;

use crate::{
    Claim, Condition, Counter, Fact, Limit, Mode, TextSelect, View,
    condition::Held,
    counter::{Shape, Value},
};

/// One rule of a policy, ready to be asked. Made once per snapshot.
#[derive(Clone, Debug)]
pub struct LimitRule {
    /// For people: `policy <namespace>/<name> rule <name or index>`.
    pub id: Arc<str>,
    /// How much in each window.
    pub limit: Limit,
    /// Charged when the request enters.
    pub request_cost: Cost,
    /// Charged when the reply has ended, if anything is.
    pub response_cost: Option<Cost>,
    /// Counted, but refuses nobody.
    pub shadow: bool,
    /// `x-ratelimit-*` may tell of it.
    pub show_headers: bool,
    /// What takes the place of [`Self::limit`], where a request has it.
    pub limit_from: Option<Fact>,
    conditions: Vec<Condition>,
    shape: Arc<Shape>,
}

/// What a [`LimitRule`] is made from.
#[derive(Clone, Debug)]
pub struct LimitRuleSpec {
    /// See [`LimitRule::id`].
    pub id: Arc<str>,
    /// Whose traffic its counter is about.
    pub scope: Scope,
    /// Position among the rules that are numbered together: shared ones apart from the others, a quota's by itself.
    pub number: usize,
    /// All have to hold; in the order in which the user wrote them, all selectors in one list.
    pub conditions: Vec<Condition>,
    /// See [`LimitRule::limit`].
    pub limit: Limit,
    /// See [`LimitRule::request_cost`].
    pub request_cost: Cost,
    /// See [`LimitRule::response_cost`].
    pub response_cost: Option<Cost>,
    /// See [`LimitRule::shadow`].
    pub shadow: bool,
    /// See [`LimitRule::show_headers`].
    pub show_headers: bool,
}

/// Whose traffic a counter is about; the front of its name.
#[derive(Clone, Debug)]
pub enum Scope {
    /// One match of one rule of a route on one listener.
    Route {
        /// `<gateway namespace>/<gateway>/<listener>`
        listener: Arc<str>,
        /// `httproute/<namespace>/<name>/rule/<i>/match/<j>/<host>`, dots of the host as `_`
        route: Arc<str>,
    },
    /// Everything its policy is attached to.
    Shared {
        /// `<namespace>/<name>`
        policy: Arc<str>,
        /// Position among all rules of the policy.
        index: usize,
    },
    /// A rule of a quota.
    QuotaRule(QuotaOf),
    /// The bucket for everybody beside a quota's rules.
    QuotaDefault(QuotaOf),
    /// The one bucket of a quota without rules.
    QuotaWhole(QuotaOf),
}

/// A backend's model.
#[derive(Clone, Debug)]
pub struct QuotaOf {
    /// `<namespace>/<name>` of the AIServiceBackend
    pub backend: Arc<str>,
    /// As the backend knows it.
    pub model: Arc<str>,
}

/// What a request or a reply costs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cost {
    /// Always this
    Number(u64),
    /// What was found out; nothing where nothing was
    Metadata(Fact),
}

// === impl LimitRule ===

impl LimitRule {
    /// Orders the conditions as keys have them, and names the counter as far as it is the same for all requests.
    #[must_use]
    pub fn new(spec: LimitRuleSpec) -> Self {
        let LimitRuleSpec { id, scope, number, mut conditions, limit, .. } = spec;
        conditions.sort_by_key(Condition::rank);
        if matches!(scope, Scope::QuotaRule(_)) {
            conditions.sort_by(|a, b| header_name(a).cmp(header_name(b)));
        }
        let shape = Arc::new(shape(&scope, number, &conditions));
        Self {
            id,
            limit,
            request_cost: spec.request_cost,
            response_cost: spec.response_cost,
            shadow: spec.shadow,
            show_headers: spec.show_headers,
            limit_from: None,
            conditions,
            shape,
        }
    }

    /// The same rule with a limit that requests bring along.
    #[must_use]
    pub fn limited_by(self, fact: Fact) -> Self {
        Self { limit_from: Some(fact), ..self }
    }

    /// How much this request may: what it brings along, or what is written in the rule. A limit of another unit is
    /// counted on a counter of its own.
    pub fn limit_of(&self, facts: impl FnOnce(&Fact) -> Option<Limit>) -> Limit {
        self.limit_from.as_ref().and_then(facts).unwrap_or(self.limit)
    }

    /// The counter that this request is counted on; `None` where the rule does not apply to it.
    #[must_use]
    pub fn claim(&self, request: &View<'_>) -> Option<Counter> {
        self.claim_in(self.limit, request)
    }

    /// The counter for this limit, which [`Self::limit_of`] found.
    #[must_use]
    pub fn claim_in(&self, limit: Limit, request: &View<'_>) -> Option<Counter> {
        let mut values: SmallVec<[Value; 1]> = SmallVec::new();
        for condition in &self.conditions {
            match condition.of(request) {
                Held::No => return None,
                Held::Yes => {}
                Held::With(value) => values.push(value),
            }
        }
        Some(Counter::new(&self.shape, limit.unit, values))
    }

    /// What it is known by from one snapshot to the next: a rule that says of other requests, or that counts them
    /// elsewhere, is another one. How much it allows has no part in that.
    #[must_use]
    pub fn identity(&self) -> (&str, u64) {
        (&self.id, self.shape.seed())
    }

    /// What has to hold for a request.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.conditions.iter()
    }

    /// True where it has no selectors, so that it applies to every request.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.conditions.is_empty()
    }

    /// The claim on a counter of this rule: `hits` charged now, `hold` set aside until the real cost is known.
    #[must_use]
    pub fn charge(&self, counter: Counter, hits: u64, hold: u64) -> Claim {
        let mode = if self.shadow { Mode::Shadow } else { Mode::Enforced };
        Claim { counter, limit: self.limit, hits, hold, mode }
    }
}

// === impl Cost ===

impl Cost {
    /// The amount, where `facts` knows what was found out.
    pub fn amount(&self, facts: impl FnOnce(&Fact) -> Option<u64>) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Metadata(fact) => facts(fact).unwrap_or(0),
        }
    }
}

/// Other conditions have no part in a quota's key upstream; they come first here.
fn header_name(condition: &Condition) -> &str {
    match condition {
        Condition::Header { name, .. } => name.as_str(),
        Condition::Method { .. }
        | Condition::Path { .. }
        | Condition::Source { .. }
        | Condition::Query { .. } => "",
    }
}

/// Collects the entries of a key: `_<key>_<value>` each.
#[derive(Default)]
struct Pieces {
    done: Vec<Box<str>>,
    open: String,
}

impl Pieces {
    fn entry(&mut self, key: &str, value: &str) {
        for text in [key, value] {
            self.open.push('_');
            self.open.push_str(text);
        }
    }

    /// An entry whose value each request brings.
    fn hole(&mut self, key: &str) {
        self.open.push('_');
        self.open.push_str(key);
        self.open.push('_');
        self.done.push(mem::take(&mut self.open).into());
    }

    fn finish(mut self) -> Shape {
        self.done.push(self.open.into());
        Shape::new(self.done)
    }
}

fn shape(scope: &Scope, number: usize, conditions: &[Condition]) -> Shape {
    let mut pieces = Pieces::default();
    match scope {
        Scope::Route { listener, route } => {
            pieces.open.push_str(listener);
            pieces.entry(route, route);
            policy_entries(&mut pieces, number, conditions);
        }
        Scope::Shared { policy, index } => {
            pieces.open.push_str(policy);
            let rule = format!("{policy}/rule/{index}");
            pieces.entry(&rule, &rule);
            policy_entries(&mut pieces, number, conditions);
        }
        Scope::QuotaRule(of) => {
            quota_front(&mut pieces, of);
            quota_entries(&mut pieces, number, conditions);
        }
        Scope::QuotaDefault(of) => {
            quota_front(&mut pieces, of);
            let key = format!("rule-{number}-match--1");
            pieces.entry(&key, &key);
        }
        Scope::QuotaWhole(of) => quota_front(&mut pieces, of),
    }
    pieces.finish()
}

fn quota_front(pieces: &mut Pieces, QuotaOf { backend, model }: &QuotaOf) {
    pieces.open.push_str("ai-gateway-quota");
    pieces.entry("backend_name", backend);
    pieces.entry("model_name_override", model);
}

/// Headers and query parameters are numbered together, headers first; an address entry knows nothing of its rule.
fn policy_entries(pieces: &mut Pieces, number: usize, conditions: &[Condition]) {
    let mut matched = 0;
    for condition in conditions {
        match condition {
            Condition::Header { value, .. } | Condition::Query { value, .. } => {
                let key = format!("rule-{number}-match-{matched}");
                matched += 1;
                text_entry(pieces, &key, value);
            }
            Condition::Method { .. } => same(pieces, &format!("rule-{number}-method")),
            Condition::Path { .. } => same(pieces, &format!("rule-{number}-path")),
            Condition::Source { cidr, distinct, invert } => {
                let block = if *invert { format!("invert:{cidr}") } else { cidr.to_string() };
                pieces.entry("masked_remote_address", &block);
                if *distinct {
                    pieces.hole("remote_address");
                }
            }
        }
    }
    if conditions.is_empty() {
        same(pieces, &format!("rule-{number}-match--1"));
    }
}

fn quota_entries(pieces: &mut Pieces, number: usize, conditions: &[Condition]) {
    let mut matched = 0;
    for condition in conditions {
        match condition {
            Condition::Header { name, value, .. } => {
                let text = match value {
                    TextSelect::Exact(text) => format!("|{text}"),
                    TextSelect::Regex(regex) => format!("|{}", unanchored(regex.as_str())),
                    TextSelect::Distinct => String::new(),
                };
                text_entry(pieces, &format!("rule-{number}-{name}{text}-match-{matched}"), value);
                matched += 1;
            }
            other => policy_entries(pieces, number, std::slice::from_ref(other)),
        }
    }
    if conditions.is_empty() {
        same(pieces, &format!("rule-{number}-match-0"));
    }
}

fn text_entry(pieces: &mut Pieces, key: &str, value: &TextSelect) {
    match value {
        TextSelect::Distinct => pieces.hole(key),
        TextSelect::Exact(_) | TextSelect::Regex(_) => same(pieces, key),
    }
}

fn same(pieces: &mut Pieces, key: &str) {
    pieces.entry(key, key);
}

/// The pattern as the user wrote it: the key is made from that.
pub(crate) fn unanchored(pattern: &str) -> &str {
    pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(pattern)
}

#[cfg(test)]
mod tests;
