use crate::Tokens;

/// Tokens of one reply, in one semantics whatever the provider's own is.
///
/// `input` is the whole prompt: it *includes* `cached_input` and `cache_creation_input`, as OpenAI counts.
/// Anthropic and Bedrock count the three apart, so their readers add them up. `output` includes `reasoning`.
/// `None` means that the provider did not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub input: Option<Tokens>,
    /// Completion tokens, reasoning included.
    pub output: Option<Tokens>,
    /// The provider's own total, or input plus output where it gives none.
    pub total: Option<Tokens>,
    /// Prompt tokens served from a cache (part of `input`).
    pub cached_input: Option<Tokens>,
    /// Prompt tokens written to a cache (part of `input`).
    pub cache_creation_input: Option<Tokens>,
    /// Tokens the model spent thinking (part of `output`).
    pub reasoning: Option<Tokens>,
    /// Prompt tokens that are sound (part of `input`).
    pub audio_input: Option<Tokens>,
    /// Completion tokens that are sound (part of `output`).
    pub audio_output: Option<Tokens>,
}

// === impl Usage ===

impl Usage {
    /// True where the provider reported nothing at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.input.is_none()
            && self.output.is_none()
            && self.total.is_none()
            && self.cached_input.is_none()
            && self.cache_creation_input.is_none()
            && self.reasoning.is_none()
            && self.audio_input.is_none()
            && self.audio_output.is_none()
    }

    /// Takes over every field that `later` sets: counts in a stream are cumulative, so the latest wins.
    pub fn merge(&mut self, later: &Self) {
        self.each(later, |_, later| later);
    }

    /// Adds another reply's tokens: those of a session, whose replies are counted each for itself.
    pub fn add(&mut self, other: &Self) {
        self.each(other, |own, other| own.unwrap_or_default() + other);
    }

    /// Puts `put(own, other)` into every field that `other` sets.
    fn each(&mut self, other: &Self, put: impl Fn(Option<Tokens>, Tokens) -> Tokens) {
        let Self {
            input,
            output,
            total,
            cached_input,
            cache_creation_input,
            reasoning,
            audio_input,
            audio_output,
        } = other;
        let set = |field: &mut Option<Tokens>, value: &Option<Tokens>| {
            if let Some(value) = value {
                *field = Some(put(*field, *value));
            }
        };
        set(&mut self.input, input);
        set(&mut self.output, output);
        set(&mut self.total, total);
        set(&mut self.cached_input, cached_input);
        set(&mut self.cache_creation_input, cache_creation_input);
        set(&mut self.reasoning, reasoning);
        set(&mut self.audio_input, audio_input);
        set(&mut self.audio_output, audio_output);
    }

    /// The total as reported, or else the sum of what is known.
    #[must_use]
    pub fn total_or_sum(&self) -> Tokens {
        self.total.unwrap_or_else(|| self.input.unwrap_or_default() + self.output.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_counts_replace_earlier_ones_and_silence_keeps_them() {
        let mut usage = Usage { input: Some(Tokens(7)), output: Some(Tokens(1)), ..Usage::default() };
        usage.merge(&Usage { output: Some(Tokens(5)), ..Usage::default() });
        assert_eq!((usage.input, usage.output), (Some(Tokens(7)), Some(Tokens(5))));
        assert_eq!(usage.total_or_sum(), Tokens(12));
    }
}
