//! Which entries of the tables of its listener a request may go to.

use std::sync::Arc;

use smallvec::SmallVec;
use tollgate_snapshot::{Entry, Found, Guard, PathMatch, RequestView, Rule, Service, Table};
use tollgate_types::ModelId;

use crate::Record;

/// Who claims an LLM path, as far as the head tells.
pub(crate) enum Claim<'a> {
    /// Rules that ask for a model, or that take any.
    Llm,
    /// A plain rule that is more specific than those.
    Http(&'a Arc<Rule>),
    /// Nobody, or only `/`, which is no reason to send prompts to a web server.
    Nobody,
}

/// Sees who that is.
pub(crate) fn claim(record: &Record) -> Claim<'_> {
    let mut lists_models = false;
    let listener = record.listener.as_ref();
    for table in listener.iter().flat_map(|listener| listener.hosts.tables(&record.host)) {
        lists_models |= !table.models().is_empty();
        match table.peek(&view(record)) {
            Found::Nothing => {}
            Found::Entry(entry) if entry.rule.service == Service::Http => {
                let weak = is_catch_all(entry) && lists_models;
                return if weak { Claim::Nobody } else { Claim::Http(&entry.rule) };
            }
            Found::Entry(_) | Found::NeedsModel => return Claim::Llm,
        }
    }
    Claim::Nobody
}

/// The policies of all LLM rules that may take this request, each once.
pub(crate) fn guards(record: &Record) -> SmallVec<[&Guard; 2]> {
    let mut all = SmallVec::<[&Guard; 2]>::new();
    let listener = record.listener.as_ref();
    let tables = || listener.iter().flat_map(|listener| listener.hosts.tables(&record.host));
    // Where no policy stands anywhere it does not matter whose request it is.
    if tables().all(Table::is_open)
        && let Some(open) = tables().find_map(|table| table.guards().first())
    {
        all.push(open);
        return all;
    }
    if let Claim::Http(rule) = claim(record) {
        all.push(&rule.guard);
        return all;
    }
    for table in tables() {
        for guard in table.guards() {
            if !all.iter().any(|known| known.is(guard)) {
                all.push(guard);
            }
        }
    }
    all
}

/// True where it takes whatever no other takes.
pub(crate) fn is_catch_all(entry: &Entry) -> bool {
    matches!(&entry.matcher.path, PathMatch::Prefix(prefix) if prefix.is_empty())
}

fn view(record: &Record) -> RequestView<'_> {
    RequestView {
        method: &record.head.method,
        path: record.head.uri.path(),
        query: record.head.uri.query(),
        headers: &record.head.headers,
        endpoint: record.endpoint,
    }
}

/// The LLM rules that may take this request, whatever the model, each once.
pub(crate) fn llm_rules(record: &Record) -> Vec<&Arc<Rule>> {
    let mut all: Vec<&Arc<Rule>> = Vec::new();
    let listener = record.listener.as_ref();
    for table in listener.iter().flat_map(|listener| listener.hosts.tables(&record.host)) {
        for entry in table.entries() {
            let is_llm = entry.rule.service == Service::Llm && entry.matches(&view(record));
            if is_llm && !all.iter().any(|known| Arc::ptr_eq(known, &entry.rule)) {
                all.push(&entry.rule);
            }
        }
    }
    all
}

/// The entry that takes this request, which asks for this model.
pub(crate) fn find<'a>(record: &'a Record, model: Option<&ModelId>) -> Option<&'a Entry> {
    let hosts = &record.listener.as_ref()?.hosts;
    hosts.tables(&record.host).find_map(|table| table.find(&view(record), model))
}
