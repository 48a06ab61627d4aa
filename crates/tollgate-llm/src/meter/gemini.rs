use tollgate_wire::scan::{self, Member, Value};

use super::{End, FIRST, Meter, says_something};
use crate::Counts;

// === impl Meter ===

impl Meter {
    /// One event of a Gemini stream. There is no end mark: the reason of every candidate is one.
    pub(super) fn gemini_event(&mut self, data: &[u8]) {
        let mut has_usage = false;
        for Member { key, value, .. } in scan::members(data).map_while(Result::ok) {
            match key {
                b"candidates" => self.candidates(value),
                // A prompt that is not answered.
                b"promptFeedback"
                    if value.members().map_while(Result::ok).any(|member| is_block(&member)) =>
                {
                    self.choices.note(Some(FIRST), true);
                    self.end = End::Finished;
                }
                b"usageMetadata" => {
                    has_usage = true;
                    self.member(key, value);
                }
                b"modelVersion" if self.model.is_none() => self.member(key, value),
                b"error" => self.end = End::Failed,
                _ => {}
            }
        }
        if has_usage && self.end == End::Finished {
            self.counts = Counts::Final;
        }
    }

    fn candidates(&mut self, list: Value<'_>) {
        let (mut any, mut piece) = (false, false);
        for candidate in scan::elements(list.bytes()).map_while(Result::ok) {
            let (mut index, mut finished) = (Some(FIRST), false);
            any = true;
            for Member { key, value, .. } in candidate.members().map_while(Result::ok) {
                match key {
                    b"index" => index = value.count(),
                    b"finishReason" => finished = says_something(value),
                    b"content" => piece |= says_something(value),
                    _ => {}
                }
            }
            self.choices.note(index, finished);
        }
        self.pieces += u64::from(piece);
        if any && matches!(self.end, End::Open | End::Finished) {
            self.end = if self.choices.are_finished() { End::Finished } else { End::Open };
        }
    }
}

fn is_block(member: &Member<'_>) -> bool {
    member.key == b"blockReason" && says_something(member.value)
}
