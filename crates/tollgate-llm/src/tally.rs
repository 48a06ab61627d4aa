//! What a stream is charged where it ends before the provider has counted.
//!
//! Providers send about one token per event, so the output is the number of events that brought content; the
//! input is a quarter of the bytes of the request's strings. Both give way to the provider's own numbers.

use tollgate_types::{Tokens, Usage};

/// Bytes of prose per token, about, in English and in source code.
const BYTES_PER_TOKEN: u64 = 4;

/// How far a stream has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that brought text, reasoning or arguments of tools.
    pub pieces: u64,
    /// Who has counted the tokens.
    pub counts: Counts,
}

/// Who has counted a reply's tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counts {
    /// The provider, or nobody where it keeps silent: no stream has begun, or it ended whole, or its last
    /// numbers are here.
    #[default]
    Final,
    /// The provider's last numbers are still to come.
    Due,
}

/// Tokens of so much prose.
pub(crate) const fn tokens_of(prose: usize) -> Tokens {
    Tokens((prose as u64).div_ceil(BYTES_PER_TOKEN))
}

// === impl Tally ===

impl Tally {
    /// The provider's numbers, completed where they are not final.
    pub(crate) fn complete(self, usage: Usage, prompt: Tokens) -> Usage {
        if self.counts == Counts::Final {
            return usage;
        }
        let input = usage.input.unwrap_or(prompt);
        let output = usage.output.unwrap_or_default().max(Tokens(self.pieces));
        Usage { input: Some(input), output: Some(output), total: Some(input + output), ..usage }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_numbers_stay_as_they_are() {
        let usage = Usage { output: Some(Tokens(3)), ..Usage::default() };
        let tally = Tally { pieces: 9, counts: Counts::Final };
        assert_eq!(tally.complete(usage, Tokens(5)), usage);
    }

    #[test]
    fn what_the_provider_has_not_said_yet_is_estimated() {
        let tally = Tally { pieces: 9, counts: Counts::Due };
        let usage = tally.complete(Usage::default(), tokens_of(41));
        assert_eq!(usage.input, Some(Tokens(11)));
        assert_eq!((usage.output, usage.total), (Some(Tokens(9)), Some(Tokens(20))));
        let began = Usage { input: Some(Tokens(7)), output: Some(Tokens(1)), ..Usage::default() };
        assert_eq!(tally.complete(began, Tokens(5)).total, Some(Tokens(16)));
    }
}
