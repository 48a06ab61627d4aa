use tollgate_types::{Tokens, Usage};
use tollgate_wire::anthropic as wire;

/// Counts as Anthropic gives them: the parts of the prompt apart, cumulative over a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    fresh: Option<u64>,
    read: Option<u64>,
    created: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

// === impl Counts ===

impl Counts {
    /// Nothing counted yet.
    pub(super) const NONE: Self =
        Self { fresh: None, read: None, created: None, output: None, thinking: None };

    /// Takes what a later event says. A later zero for the prompt means that it is not told again.
    pub(super) fn update(&mut self, usage: &wire::Usage) {
        let later = |known: &mut Option<u64>, value: Option<u64>| {
            if let Some(value) = value
                && (value > 0 || known.is_none())
            {
                *known = Some(value);
            }
        };
        later(&mut self.fresh, usage.input_tokens);
        later(&mut self.read, usage.cache_read_input_tokens);
        later(&mut self.created, usage.cache_creation_input_tokens);
        self.output = usage.output_tokens.or(self.output);
        self.thinking =
            usage.output_tokens_details.and_then(|details| details.thinking_tokens).or(self.thinking);
    }

    /// The same in the semantics of [`Usage`], whose input includes what a cache gave or took.
    pub(super) fn total(&self) -> Usage {
        let sum = |a: u64, b: u64| a.saturating_add(b);
        let parts = [self.fresh, self.read, self.created];
        let input = parts.iter().flatten().copied().reduce(sum);
        Usage {
            input: input.map(Tokens),
            output: self.output.map(Tokens),
            total: [input, self.output].into_iter().flatten().reduce(sum).map(Tokens),
            cached_input: self.read.map(Tokens),
            cache_creation_input: self.created.map(Tokens),
            reasoning: self.thinking.map(Tokens),
            ..Usage::default()
        }
    }
}
