use tollgate_types::{Tokens, Usage};
use tollgate_wire::bedrock as wire;

/// Bedrock counts the parts of the prompt apart; [`Usage`] has them in its input.
pub(super) fn total(usage: &wire::Usage) -> Usage {
    let sum = |a: u64, b: u64| a.saturating_add(b);
    let parts = [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_write_input_tokens];
    let input = parts.into_iter().flatten().reduce(sum);
    Usage {
        input: input.map(Tokens),
        output: usage.output_tokens.map(Tokens),
        total: [input, usage.output_tokens].into_iter().flatten().reduce(sum).map(Tokens),
        cached_input: usage.cache_read_input_tokens.map(Tokens),
        cache_creation_input: usage.cache_write_input_tokens.map(Tokens),
        ..Usage::default()
    }
}
