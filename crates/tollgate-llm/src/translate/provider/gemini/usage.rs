use serde_json::value::RawValue;
use tollgate_types::{Tokens, Usage};
use tollgate_wire::{Number, gemini as wire};

/// Gemini counts thoughts beside the answer, and what its own tools put into the prompt beside the prompt; cached
/// tokens are part of the prompt, as in [`Usage`].
pub(super) fn usage(counts: &wire::Usage<'_>) -> Usage {
    let count = |number: Option<Number<'_>>| number.and_then(Number::as_u64);
    let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (None, None) => None,
        (one, other) => Some(Tokens(one.unwrap_or_default().saturating_add(other.unwrap_or_default()))),
    };
    let thoughts = count(counts.thoughts_token_count);
    Usage {
        input: sum(count(counts.prompt_token_count), count(counts.tool_use_prompt_token_count)),
        output: sum(count(counts.candidates_token_count), thoughts),
        total: count(counts.total_token_count).map(Tokens),
        cached_input: count(counts.cached_content_token_count).map(Tokens),
        cache_creation_input: None,
        reasoning: thoughts.map(Tokens),
        audio_input: sound(counts.prompt_tokens_details),
        audio_output: sound(counts.candidates_tokens_details),
    }
}

/// The tokens that are sound, where there are some.
fn sound(details: Option<&RawValue>) -> Option<Tokens> {
    let details: Vec<wire::ModalityTokens<'_>> = serde_json::from_str(details?.get()).ok()?;
    let sound = details.iter().find(|one| one.modality.is_some_and(|kind| kind.escaped() == "AUDIO"))?;
    sound.token_count.and_then(Number::as_u64).map(Tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_output_and_tools_prompts_are_input() {
        let counts: wire::Usage<'_> = serde_json::from_str(
            r#"{"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":7,"toolUsePromptTokenCount":2,
            "totalTokenCount":24,"cachedContentTokenCount":4,"promptTokensDetails":[{"modality":"TEXT","tokenCount":3},
            {"modality":"AUDIO","tokenCount":6}]}"#,
        )
        .unwrap();
        let tokens = |count| Some(Tokens(count));
        let wanted = Usage {
            input: tokens(12),
            output: tokens(12),
            total: tokens(24),
            cached_input: tokens(4),
            reasoning: tokens(7),
            audio_input: tokens(6),
            ..Usage::default()
        };
        assert_eq!(usage(&counts), wanted);
    }
}
