//! Usage objects of the providers, read without serde: a count of the wrong type is a count that was not given.

mod usual;

use tollgate_types::{Tokens, Usage};
use tollgate_wire::scan::{self, Kind, Member, NotJson, Step, Value};

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

/// The usage object of OpenAI's chat, completions, embeddings and responses, and of those who copy it. Text that is
/// no object counts nothing.
///
/// # Errors
/// [`NotJson`]
pub(crate) fn openai(text: &[u8]) -> Result<Usage, NotJson> {
    match usual::openai(text) {
        Some(usage) => Ok(usage),
        None => any_openai(text),
    }
}

/// The same where the object begins a longer text, and is spelled as usual: how long it is, too.
pub(crate) fn openai_ahead(text: &[u8]) -> Option<(Usage, usize)> {
    usual::openai_ahead(text)
}

/// Gemini's `usageMetadata`: thoughts stand beside the answer, and what Google's own tools put into the prompt
/// beside the prompt. Text that is no object counts nothing.
///
/// # Errors
/// [`NotJson`]
pub(crate) fn gemini(text: &[u8]) -> Result<Usage, NotJson> {
    if scan::kind(text) != Some(Kind::Object) {
        return scan::document(text).map(|_| Usage::default());
    }
    let (mut usage, mut said, mut prompt, mut tools) = (Usage::default(), None, None, None);
    for member in scan::members(text) {
        let Member { key, value, .. } = member?;
        match key {
            b"promptTokenCount" => prompt = count(value),
            b"toolUsePromptTokenCount" => tools = count(value),
            b"candidatesTokenCount" => said = count(value),
            b"thoughtsTokenCount" => usage.reasoning = count(value),
            b"totalTokenCount" => usage.total = count(value),
            b"cachedContentTokenCount" => usage.cached_input = count(value),
            b"promptTokensDetails" => usage.audio_input = sound(value),
            b"candidatesTokensDetails" => usage.audio_output = sound(value),
            _ => {}
        }
    }
    usage.input = sum([prompt, tools]);
    usage.output = sum([said, usage.reasoning]);
    Ok(usage)
}

/// Of a list by kind, the tokens that are sound.
fn sound(details: Value<'_>) -> Option<Tokens> {
    let kinds = scan::elements(details.bytes()).map_while(Result::ok);
    kinds.into_iter().find_map(|kind| {
        let (mut is_sound, mut tokens) = (false, None);
        for Member { key, value, .. } in kind.members().map_while(Result::ok) {
            match key {
                b"modality" => is_sound = value.text().is_some_and(|kind| kind == "AUDIO"),
                b"tokenCount" => tokens = count(value),
                _ => {}
            }
        }
        tokens.filter(|_| is_sound)
    })
}

/// The same as [`openai`], however it is spelled.
fn any_openai(text: &[u8]) -> Result<Usage, NotJson> {
    if scan::kind(text) != Some(Kind::Object) {
        return scan::document(text).map(|_| Usage::default());
    }
    let mut usage = Usage::default();
    let mut outer: &[u8] = b"";
    for step in scan::steps(text, |key| is_input_details(key) || is_output_details(key)) {
        match step? {
            Step::Enter(key) => {
                outer = key;
                if is_output_details(key) {
                    (usage.reasoning, usage.audio_output) = (None, None);
                }
            }
            Step::Leave => outer = b"",
            Step::Member { key, value } if outer.is_empty() => openai_member(key, value, &mut usage),
            Step::Member { key, value } if is_input_details(outer) => input_detail(key, value, &mut usage),
            Step::Member { key, value } => {
                if scan::is_key(key, "reasoning_tokens") {
                    usage.reasoning = count(value);
                } else if scan::is_key(key, "audio_tokens") {
                    usage.audio_output = count(value);
                }
            }
        }
    }
    usage.total = usage.total.or_else(|| sum([usage.input, usage.output]));
    Ok(usage)
}

/// The counts of Cohere: `meta` of embeddings and rankings, `usage` of chats. Tokens are what was read and written;
/// where there are none, those that are charged stand for them.
///
/// # Errors
/// [`NotJson`]
pub(crate) fn cohere(text: &[u8]) -> Result<Usage, NotJson> {
    if scan::kind(text) != Some(Kind::Object) {
        return scan::document(text).map(|_| Usage::default());
    }
    let (mut tokens, mut billed, mut cached) = ([None; 2], [None; 2], None);
    let mut outer: &[u8] = b"";
    for step in scan::steps(text, |key| matches!(key, b"tokens" | b"billed_units")) {
        match step? {
            Step::Enter(key) => outer = key,
            Step::Leave => outer = b"",
            Step::Member { key: b"cached_tokens", value } if outer.is_empty() => cached = count(value),
            Step::Member { key, value } => {
                let counts = if outer == b"tokens" { &mut tokens } else { &mut billed };
                match key {
                    b"input_tokens" => counts[0] = count(value),
                    b"output_tokens" => counts[1] = count(value),
                    _ => {}
                }
            }
        }
    }
    let [input, output] = if tokens == [None; 2] { billed } else { tokens };
    Ok(Usage { input, output, total: sum([input, output]), cached_input: cached, ..Usage::default() })
}

fn openai_member(key: &[u8], value: Value<'_>, usage: &mut Usage) {
    match key {
        b"prompt_tokens" | b"input_tokens" => usage.input = count(value),
        b"completion_tokens" | b"output_tokens" => usage.output = count(value),
        b"total_tokens" => usage.total = count(value),
        // No object, or it would have been entered.
        b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
            (usage.reasoning, usage.audio_output) = (None, None);
        }
        // DeepSeek's.
        b"prompt_cache_hit_tokens" if usage.cached_input.is_none() => usage.cached_input = count(value),
        _ => {}
    }
}

fn input_detail(key: &[u8], value: Value<'_>, usage: &mut Usage) {
    match key {
        b"cached_tokens" => usage.cached_input = count(value),
        b"cache_creation_input_tokens" | b"cache_creation_tokens" | b"cache_write_tokens" => {
            usage.cache_creation_input = count(value);
        }
        b"audio_tokens" => usage.audio_input = count(value),
        _ => {}
    }
}

fn is_input_details(key: &[u8]) -> bool {
    matches!(key, b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details")
}

fn is_output_details(key: &[u8]) -> bool {
    matches!(key, b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details")
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
    /// Takes over a `usage` object. Text that is no object counts nothing.
    ///
    /// # Errors
    /// [`NotJson`]
    pub(crate) fn read(&mut self, text: &[u8]) -> Result<(), NotJson> {
        if scan::kind(text) != Some(Kind::Object) {
            return scan::document(text).map(|_| ());
        }
        let (mut read, mut is_inside, mut thinking) = (*self, false, None);
        for step in scan::steps(text, |key| key == b"output_tokens_details") {
            match step? {
                Step::Enter(_) => (is_inside, thinking) = (true, None),
                Step::Leave => {
                    is_inside = false;
                    read.thinking = read.thinking.max(thinking);
                }
                Step::Member { key, value } if is_inside => {
                    if scan::is_key(key, "thinking_tokens") {
                        thinking = count(value);
                    }
                }
                Step::Member { key, value } => read.member(key, value),
            }
        }
        *self = read;
        Ok(())
    }

    fn member(&mut self, key: &[u8], value: Value<'_>) {
        let field = match key {
            b"input_tokens" => &mut self.input,
            b"cache_read_input_tokens" => &mut self.cache_read,
            b"cache_creation_input_tokens" => &mut self.cache_creation,
            b"output_tokens" => &mut self.output,
            _ => return,
        };
        *field = (*field).max(count(value));
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
            ..Usage::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_openai(text: &str) -> Usage {
        openai(text.as_bytes()).unwrap()
    }

    #[test]
    fn openai_counts_are_read_in_both_vocabularies() {
        let chat = read_openai(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":
            {"cached_tokens":4,"cache_creation_input_tokens":2},"completion_tokens_details":{"reasoning_tokens":3}}"#,
        );
        let responses = read_openai(
            r#"{"input_tokens":10,"output_tokens":5,"total_tokens":15,"input_tokens_details":
            {"cached_tokens":4,"cache_creation_input_tokens":2},"output_tokens_details":{"reasoning_tokens":3}}"#,
        );
        assert_eq!(chat, responses);
        let tokens = |count| Some(Tokens(count));
        let wanted = Usage {
            input: tokens(10),
            output: tokens(5),
            total: tokens(15),
            cached_input: tokens(4),
            cache_creation_input: tokens(2),
            reasoning: tokens(3),
            ..Usage::default()
        };
        assert_eq!(chat, wanted);
    }

    #[test]
    fn sound_is_counted_apart_in_every_spelling() {
        let chat = read_openai(
            r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"audio_tokens":4},
            "completion_tokens_details":{"audio_tokens":3}}"#,
        );
        let realtime = read_openai(
            r#"{"input_tokens":10,"output_tokens":5,"input_token_details":{"audio_tokens":4},
            "output_token_details":{"text_tokens":2,"audio_tokens":3}}"#,
        );
        assert_eq!(chat, realtime);
        assert_eq!((chat.audio_input, chat.audio_output), (Some(Tokens(4)), Some(Tokens(3))));
    }

    #[test]
    fn cohere_charges_what_it_read_unless_it_says_only_what_it_charges() {
        let read = |text: &str| {
            let usage = cohere(text.as_bytes()).unwrap();
            (usage.input.map(|it| it.0), usage.output.map(|it| it.0), usage.total.map(|it| it.0))
        };
        let chat = r#"{"billed_units":{"input_tokens":5,"output_tokens":2},"tokens":{"input_tokens":71.0,"output_tokens":2.0}}"#;
        assert_eq!(read(chat), (Some(71), Some(2), Some(73)));
        assert_eq!(read(r#"{"billed_units":{"input_tokens":3}}"#), (Some(3), None, Some(3)));
        assert_eq!(read(r#"{"billed_units":{"search_units":1}}"#), (None, None, None));
        assert_eq!(read("null"), (None, None, None));
    }

    #[test]
    fn counts_of_the_wrong_type_are_counts_not_given() {
        for text in
            ["{\"prompt_tokens\":-1}", "{\"prompt_tokens\":\"9\"}", "null", "[]", "{\"prompt_tokens\":null}"]
        {
            assert!(read_openai(text).is_empty(), "{text}");
        }
        assert_eq!(read_openai("{\"prompt_tokens\":3.0}").input, Some(Tokens(3)));
    }

    #[test]
    fn anthropic_caches_are_part_of_the_input_and_repeats_count_once() {
        let mut counts = AnthropicCounts::default();
        counts.read(br#"{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,"output_tokens":1}"#).unwrap();
        counts.read(br#"{"input_tokens":10,"output_tokens":40}"#).unwrap();
        let usage = counts.usage();
        assert_eq!((usage.input, usage.output), (Some(Tokens(17)), Some(Tokens(40))));
        assert_eq!((usage.cached_input, usage.cache_creation_input), (Some(Tokens(5)), Some(Tokens(2))));
        assert_eq!(usage.total, Some(Tokens(57)));
    }
}
