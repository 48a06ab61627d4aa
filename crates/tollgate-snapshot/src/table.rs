use std::{collections::HashMap, sync::Arc};

use tollgate_types::ModelId;

use crate::{Guard, Matcher, ModelEntry, ModelMatch, RequestView, Rule, Service};

/// One way to reach a rule.
#[derive(Debug)]
pub struct Entry {
    /// What a request must look like.
    pub matcher: Matcher,
    /// What happens then.
    pub rule: Arc<Rule>,
}

/// Every entry for one host pattern, in Gateway API order of precedence, indexed by exact model name.
#[derive(Debug, Default)]
pub struct Table {
    entries: Vec<Entry>,
    /// Positions in `entries` that ask for exactly this model, ascending.
    by_model: HashMap<ModelId, Vec<u32>, foldhash::fast::RandomState>,
    /// Positions of all other entries, ascending.
    rest: Vec<u32>,
    models: Vec<ModelEntry>,
    /// Of all LLM entries, each once.
    guards: Vec<Guard>,
    /// True where anybody may call every entry.
    open: bool,
}

/// What a table says before the model is known.
#[derive(Debug)]
pub enum Found<'a> {
    /// This entry, whatever the model is.
    Entry(&'a Entry),
    /// An entry that asks for a model might match: read the body first.
    NeedsModel,
    /// Nothing here, whatever the model is.
    Nothing,
}

// === impl Entry ===

impl Entry {
    /// Everything but the model.
    #[must_use]
    pub fn matches(&self, request: &RequestView<'_>) -> bool {
        (self.rule.service == Service::Http || request.endpoint.is_some()) && self.matcher.matches(request)
    }
}

// === impl Table ===

impl Table {
    /// Takes entries that are already in order of precedence, and the models to list.
    #[must_use]
    pub fn new(entries: Vec<Entry>, models: Vec<ModelEntry>) -> Self {
        let mut this = Self { models, ..Self::default() };
        for (position, entry) in (0..).zip(&entries) {
            match &entry.matcher.model {
                Some(ModelMatch::Exact(model)) => {
                    this.by_model.entry(model.clone()).or_default().push(position)
                }
                Some(ModelMatch::Regex(_)) | None => this.rest.push(position),
            }
        }
        for entry in entries.iter().filter(|entry| entry.rule.service == Service::Llm) {
            let guard = &entry.rule.guard;
            if !this.guards.iter().any(|known| known.is(guard)) {
                this.guards.push(guard.clone());
            }
        }
        this.open = entries.iter().all(|entry| matches!(entry.rule.guard, Guard::Open));
        this.entries = entries;
        this
    }

    /// In order of precedence.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Models to list for this host, in the order of the resources.
    #[must_use]
    pub fn models(&self) -> &[ModelEntry] {
        &self.models
    }

    /// Who may call the LLM rules, each policy once.
    #[must_use]
    pub fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// True where no policy stands before any entry.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Looks with the model known, or known to be absent.
    #[must_use]
    pub fn find(&self, request: &RequestView<'_>, model: Option<&ModelId>) -> Option<&Entry> {
        let exact = model.and_then(|model| self.by_model.get(model)).map_or(&[][..], Vec::as_slice);
        merge(exact, &self.rest)
            .filter_map(|position| self.entries.get(position as usize))
            .find(|entry| entry.matches(request) && entry.matcher.accepts_model(model))
    }

    /// Looks before the body is read.
    #[must_use]
    pub fn peek(&self, request: &RequestView<'_>) -> Found<'_> {
        match self.entries.iter().find(|entry| entry.matches(request)) {
            None => Found::Nothing,
            Some(entry) if entry.matcher.model.is_some() => Found::NeedsModel,
            Some(entry) => Found::Entry(entry),
        }
    }
}

/// Two ascending lists as one.
fn merge<'a>(mut a: &'a [u32], mut b: &'a [u32]) -> impl Iterator<Item = u32> + use<'a> {
    std::iter::from_fn(move || {
        let from_a = match (a.first(), b.first()) {
            (Some(x), Some(y)) => x < y,
            (first, _) => first.is_some(),
        };
        let side = if from_a { &mut a } else { &mut b };
        let (first, rest) = side.split_first()?;
        *side = rest;
        Some(*first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lists_merge_in_order() {
        assert_eq!(merge(&[1, 4], &[0, 2, 9]).collect::<Vec<_>>(), [0, 1, 2, 4, 9]);
        assert_eq!(merge(&[], &[3]).collect::<Vec<_>>(), [3]);
    }
}
