//! Usage objects of the providers, read without serde: a count of the wrong type is a count that was not given.

use tollgate_types::{Tokens, Usage};
use tollgate_wire::scan::{Member, Value};

/// Anthropic's counts, which exclude each other. In a stream they are cumulative, and `message_delta` may repeat
/// or correct those of `message_start`; the largest is the latest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AnthropicCounts {
    input: Option<Tokens>,
    cache_read: Option<Tokens>,
    cache_creation: Option<Tokens>,
    output: Option<Tokens>,
    thinking: Option<Tokens>,
}

/// The usage object of OpenAI's chat, completions, embeddings and responses, and of those who copy it.
pub(crate) fn openai(value: Value<'_>) -> Usage {
    let mut usage = Usage::default();
    for Member { key, value, .. } in value.members().map_while(Result::ok) {
        match key {
            b"prompt_tokens" | b"input_tokens" => usage.input = count(value),
            b"completion_tokens" | b"output_tokens" => usage.output = count(value),
            b"total_tokens" => usage.total = count(value),
            b"prompt_tokens_details" | b"input_tokens_details" => input_details(value, &mut usage),
            b"completion_tokens_details" | b"output_tokens_details" => {
                usage.reasoning = value.get("reasoning_tokens").and_then(count);
            }
            // DeepSeek's.
            b"prompt_cache_hit_tokens" if usage.cached_input.is_none() => usage.cached_input = count(value),
            _ => {}
        }
    }
    usage.total = usage.total.or_else(|| sum([usage.input, usage.output]));
    usage
}

fn input_details(value: Value<'_>, usage: &mut Usage) {
    for Member { key, value, .. } in value.members().map_while(Result::ok) {
        match key {
            b"cached_tokens" => usage.cached_input = count(value),
            b"cache_creation_input_tokens" | b"cache_creation_tokens" | b"cache_write_tokens" => {
                usage.cache_creation_input = count(value);
            }
            _ => {}
        }
    }
}

fn count(value: Value<'_>) -> Option<Tokens> {
    value.count().map(Tokens)
}

/// The sum of what is known, `None` where nothing is.
fn sum<const N: usize>(parts: [Option<Tokens>; N]) -> Option<Tokens> {
    parts.into_iter().flatten().reduce(|sum, part| sum + part)
}

// === impl AnthropicCounts ===

impl AnthropicCounts {
    /// Takes over a `usage` object.
    pub(crate) fn read(&mut self, value: Value<'_>) {
        for Member { key, value, .. } in value.members().map_while(Result::ok) {
            let field = match key {
                b"input_tokens" => &mut self.input,
                b"cache_read_input_tokens" => &mut self.cache_read,
                b"cache_creation_input_tokens" => &mut self.cache_creation,
                b"output_tokens" => &mut self.output,
                b"output_tokens_details" => {
                    self.thinking = self.thinking.max(value.get("thinking_tokens").and_then(count));
                    continue;
                }
                _ => continue,
            };
            *field = (*field).max(count(value));
        }
    }

    /// In the gateway's semantics: cached tokens are part of the input.
    pub(crate) fn usage(&self) -> Usage {
        let Self { input, cache_read, cache_creation, output, thinking } = *self;
        let input = sum([input, cache_read, cache_creation]);
        Usage {
            input,
            output,
            total: sum([input, output]),
            cached_input: cache_read,
            cache_creation_input: cache_creation,
            reasoning: thinking,
        }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_wire::scan;

    use super::*;

    fn value(text: &str) -> Value<'_> {
        scan::document(text.as_bytes()).unwrap()
    }

    #[test]
    fn openai_counts_are_read_in_both_vocabularies() {
        let chat = openai(value(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":
            {"cached_tokens":4,"cache_creation_input_tokens":2},"completion_tokens_details":{"reasoning_tokens":3}}"#,
        ));
        let responses = openai(value(
            r#"{"input_tokens":10,"output_tokens":5,"total_tokens":15,"input_tokens_details":
            {"cached_tokens":4,"cache_creation_input_tokens":2},"output_tokens_details":{"reasoning_tokens":3}}"#,
        ));
        assert_eq!(chat, responses);
        let tokens = |count| Some(Tokens(count));
        let wanted = Usage {
            input: tokens(10),
            output: tokens(5),
            total: tokens(15),
            cached_input: tokens(4),
            cache_creation_input: tokens(2),
            reasoning: tokens(3),
        };
        assert_eq!(chat, wanted);
    }

    #[test]
    fn counts_of_the_wrong_type_are_counts_not_given() {
        for text in
            ["{\"prompt_tokens\":-1}", "{\"prompt_tokens\":\"9\"}", "null", "[]", "{\"prompt_tokens\":null}"]
        {
            assert!(openai(value(text)).is_empty(), "{text}");
        }
        assert_eq!(openai(value("{\"prompt_tokens\":3.0}")).input, Some(Tokens(3)));
    }

    #[test]
    fn anthropic_caches_are_part_of_the_input_and_repeats_count_once() {
        let mut counts = AnthropicCounts::default();
        counts.read(value(
            r#"{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,"output_tokens":1}"#,
        ));
        counts.read(value(r#"{"input_tokens":10,"output_tokens":40}"#));
        let usage = counts.usage();
        assert_eq!((usage.input, usage.output), (Some(Tokens(17)), Some(Tokens(40))));
        assert_eq!((usage.cached_input, usage.cache_creation_input), (Some(Tokens(5)), Some(Tokens(2))));
        assert_eq!(usage.total, Some(Tokens(57)));
    }
}
