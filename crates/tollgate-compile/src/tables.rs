use std::{
    cmp::{Ordering, Reverse},
    collections::HashMap,
    sync::Arc,
};

use tollgate_snapshot::{
    Entry, Guard, HostPattern, HostTable, Matcher, ModelEntry, PathMatch, Rule, Table, TextMatch,
};
use tollgate_types::ModelId;

/// One way to reach a rule, before it is sorted into a table.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'a> {
    /// The table it belongs to.
    pub(crate) host: HostPattern,
    pub(crate) matcher: Matcher,
    pub(crate) rule: Arc<Rule>,
    /// The route's creation in unix seconds; routes from files mostly have none.
    pub(crate) created: Option<i64>,
    /// Namespace, name and kind of the route.
    pub(crate) route: (&'a str, &'a str, &'static str),
    /// The rule's and the match's place in the route.
    pub(crate) place: (usize, usize),
}

/// A model to list under a host.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) host: HostPattern,
    pub(crate) entry: ModelEntry,
}

/// Which of two candidates for one host is asked first: Gateway API's order (HTTPRouteRule, `matches`), then
/// Envoy Gateway's preference for exact matches over patterns where the former leaves it open.
fn precedence(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let first_has_more = |a: usize, b: usize| Reverse(a).cmp(&Reverse(b));
    let (x, y) = (&a.matcher, &b.matcher);
    // 1, 2: hosts have tables of their own.
    // 3: exact paths; Envoy Gateway places patterns between these and prefixes.
    path_rank(&x.path)
        .cmp(&path_rank(&y.path))
        // 4: the longest path
        .then_with(|| first_has_more(path_length(&x.path), path_length(&y.path)))
        // 5: a method
        .then_with(|| first_has_more(usize::from(x.method.is_some()), usize::from(y.method.is_some())))
        // 6: the most headers, the model's included
        .then_with(|| first_has_more(header_count(x), header_count(y)))
        // 7: the most query parameters
        .then_with(|| first_has_more(x.query.len(), y.query.len()))
        // Envoy Gateway: the most exact ones among them
        .then_with(|| first_has_more(exact_headers(x), exact_headers(y)))
        .then_with(|| first_has_more(exact_queries(x), exact_queries(y)))
        // 8: the oldest route; one without a date counts as new
        .then_with(|| a.created.unwrap_or(i64::MAX).cmp(&b.created.unwrap_or(i64::MAX)))
        // 9: the alphabet
        .then_with(|| a.route.cmp(&b.route))
        // 10: the order of the resource
        .then_with(|| a.place.cmp(&b.place))
}

fn path_rank(path: &PathMatch) -> u8 {
    match path {
        PathMatch::Exact(_) => 0,
        PathMatch::Regex(_) => 1,
        PathMatch::Prefix(_) => 2,
    }
}

fn path_length(path: &PathMatch) -> usize {
    match path {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => path.len(),
        PathMatch::Regex(pattern) => pattern.as_str().len(),
    }
}

fn header_count(matcher: &Matcher) -> usize {
    matcher.headers.len() + usize::from(matcher.model.is_some())
}

fn exact_headers(matcher: &Matcher) -> usize {
    let exact_model = matches!(matcher.model, Some(tollgate_snapshot::ModelMatch::Exact(_)));
    matcher.headers.iter().filter(|header| is_exact(&header.value)).count() + usize::from(exact_model)
}

fn exact_queries(matcher: &Matcher) -> usize {
    matcher.query.iter().filter(|query| is_exact(&query.value)).count()
}

fn is_exact(text: &TextMatch) -> bool {
    matches!(text, TextMatch::Exact(_))
}

/// Sorts candidates by host, the most specific first, and by precedence inside a host.
pub(crate) fn sort(candidates: &mut [Candidate<'_>]) {
    candidates.sort_by(|a, b| {
        (a.host.specificity(), a.host.to_string())
            .cmp(&(b.host.specificity(), b.host.to_string()))
            .then_with(|| precedence(a, b))
    });
}

/// Makes the tables of a listener from sorted candidates, and from models in the order of the resources.
pub(crate) fn tables(candidates: &[Candidate<'_>], models: &[Listed]) -> HostTable {
    HostTable::new(candidates.chunk_by(|a, b| a.host == b.host).filter_map(|chunk| {
        let host = chunk.first()?.host.clone();
        let entries =
            chunk.iter().map(|c| Entry { matcher: c.matcher.clone(), rule: Arc::clone(&c.rule) }).collect();
        let listing = listing(&host, models);
        Some((host, Table::new(entries, listing)))
    }))
}

/// A table's own models, then those of the less specific tables that requests fall through to.
fn listing(host: &HostPattern, models: &[Listed]) -> Vec<ModelEntry> {
    let own = models.iter().filter(|model| model.host == *host);
    let covers = |pattern: &HostPattern| pattern != host && pattern.intersect(host).as_ref() == Some(host);
    let mut inherited: Vec<_> = models.iter().filter(|model| covers(&model.host)).collect();
    inherited.sort_by_key(|model| model.host.specificity());
    let mut listing = Vec::<ModelEntry>::new();
    let mut seen = HashMap::<ModelId, Vec<Guard>>::new();
    for Listed { entry, .. } in own.chain(inherited) {
        // One that two policies guard stands here for the callers of both.
        let guards = seen.entry(entry.id.clone()).or_default();
        if !guards.iter().any(|guard| guard.is(&entry.guard)) {
            guards.push(entry.guard.clone());
            listing.push(entry.clone());
        }
    }
    listing
}
