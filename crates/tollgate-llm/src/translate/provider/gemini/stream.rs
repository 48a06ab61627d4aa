use tollgate_wire::{Literal, escape_into, gemini as wire};

use super::{
    error,
    reply::{self, End, arguments, end, failure, head},
    usage::usage,
};
use crate::{
    Counts, Fault,
    translate::{
        event::{Answer, Decode, Event, ProviderError, ReplyHead, Sink},
        json::parsed,
    },
};

/// Tools that one answer may call; more is no answer but an attack.
const TOOLS: usize = 4096;

/// Answers of one request; Gemini gives at most eight.
const CANDIDATES: usize = 64;

/// Reads replies of `generateContent` and their streams.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The answers that have begun, by their index.
    lanes: Vec<Lane>,
    /// The answer that was written last.
    lane: usize,
    tools: usize,
    counts: Counts,
}

/// One of the answers.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    state: State,
    calls: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Running,
    /// Its reason was told.
    Finished,
}

// === impl Decoder ===

impl Decoder {
    pub(crate) const fn new() -> Self {
        Self { lanes: Vec::new(), lane: 0, tools: 0, counts: Counts::Due }
    }

    fn candidate(
        &mut self,
        candidate: wire::Candidate<'_>,
        head: &ReplyHead<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        let index = usize::try_from(candidate.index.unwrap_or_default()).unwrap_or(usize::MAX);
        self.choose(index, sink)?;
        for part in candidate.content.and_then(|content| content.parts).unwrap_or_default() {
            self.part(part, head, sink)?;
        }
        let tokens = reply::logprobs(candidate.logprobs_result);
        if !tokens.is_empty() {
            sink(Event::Logprobs(tokens));
        }
        let quoted = reply::quoted(candidate.citation_metadata.as_ref());
        for (citation, _) in quoted.chain(reply::grounded(candidate.grounding_metadata)) {
            sink(Event::Citation(citation));
        }
        let extras = [
            ("safety_ratings", candidate.safety_ratings),
            ("grounding_metadata", candidate.grounding_metadata),
        ];
        for (name, value) in extras {
            if let Some(value) = value {
                sink(Event::Extra(name, value));
            }
        }
        match candidate.finish_reason.unwrap_or_default().escaped() {
            "" | "FINISH_REASON_UNSPECIFIED" => {}
            reason => match end(reason, self.lanes.get(index).is_some_and(|lane| lane.calls)) {
                End::Finished(finish) => {
                    self.finish(index);
                    sink(Event::Finished(finish));
                }
                End::Failed => sink(Event::Error(ProviderError {
                    kind: reason.to_owned(),
                    message: failure(candidate.finish_reason, candidate.finish_message),
                    request_id: None,
                })),
            },
        }
        Ok(())
    }

    fn choose(&mut self, index: usize, sink: &mut Sink<'_>) -> Result<(), Fault> {
        if index >= CANDIDATES {
            return Err(Fault::Malformed(format!("candidate {index} of at most {CANDIDATES}")));
        }
        if self.lanes.len() <= index {
            self.lanes.resize(index + 1, Lane::default());
        }
        if self.lane != index {
            self.lane = index;
            sink(Event::Choice(index));
        }
        Ok(())
    }

    fn finish(&mut self, index: usize) {
        if let Some(lane) = self.lanes.get_mut(index) {
            lane.state = State::Finished;
        }
    }

    fn part(&mut self, part: wire::Part<'_>, head: &ReplyHead<'_>, sink: &mut Sink<'_>) -> Result<(), Fault> {
        let signature = part.thought_signature.filter(|signature| !signature.is_empty());
        let text = part.text.filter(|text| !text.is_empty());
        let is_thought = part.thought == Some(true);
        if let Some(text) = text.filter(|_| is_thought) {
            sink(Event::Thinking(text));
        }
        if let Some(signature) = signature {
            sink(Event::Signature(signature));
        }
        if let Some(text) = text.filter(|_| !is_thought) {
            sink(Event::Text(text));
        }
        if let Some(drawn) = reply::drawn(&part) {
            sink(Event::Image(drawn));
        }
        match part.function_call {
            Some(call) => self.call(&call, head, sink),
            None => Ok(()),
        }
    }

    /// Calls come whole.
    fn call(
        &mut self,
        call: &wire::FunctionCall<'_>,
        head: &ReplyHead<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        let tool = self.tools;
        let Some(name) = call.name.filter(|name| !name.is_empty()) else {
            return Err(Fault::Malformed(format!("function call {tool} has no name")));
        };
        if tool >= TOOLS {
            return Err(Fault::Malformed("too many function calls".to_owned()));
        }
        self.tools += 1;
        if let Some(lane) = self.lanes.get_mut(self.lane) {
            lane.calls = true;
        }
        let made = head.call_id(tool, 0);
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or(Literal::from_escaped(&made));
        sink(Event::ToolStarted { tool, id, name });
        let json = arguments(call.args);
        let mut escaped = Vec::with_capacity(json.len() + 16);
        escape_into(&mut escaped, &json);
        let escaped = String::from_utf8_lossy(&escaped);
        sink(Event::ToolArguments { tool, json: Literal::from_escaped(&escaped) });
        sink(Event::BlockStopped);
        Ok(())
    }

    /// A prompt that Gemini does not answer.
    fn blocked(&mut self, feedback: &wire::PromptFeedback<'_>, sink: &mut Sink<'_>) -> Result<(), Fault> {
        if feedback.block_reason.is_none() || !self.lanes.is_empty() {
            return Ok(());
        }
        self.choose(0, sink)?;
        if let Some(message) = feedback.block_reason_message.filter(|message| !message.is_empty()) {
            sink(Event::Refusal(message));
        }
        self.finish(0);
        sink(Event::Finished(crate::translate::event::Finish::Refusal));
        Ok(())
    }
}

impl Decode for Decoder {
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Answer<'b>, Fault> {
        reply::whole(body)
    }

    fn event(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
        let chunk: wire::Chunk<'_> = parsed(data).map_err(Fault::Malformed)?;
        if let Some(error) = &chunk.error {
            sink(Event::Error(error::detail(error)));
            return Ok(());
        }
        let head = head(&chunk);
        if self.lanes.is_empty() {
            sink(Event::Started(head));
        }
        // Before the content, so that dialects that name the prompt's tokens at the start can do so.
        let counted = chunk.usage_metadata.as_ref().map(usage);
        if let Some(counted) = counted {
            sink(Event::Usage(counted));
        }
        for candidate in chunk.candidates.into_iter().flatten() {
            self.candidate(candidate, &head, sink)?;
        }
        if let Some(feedback) = &chunk.prompt_feedback {
            self.blocked(feedback, sink)?;
        }
        if self.is_complete() && counted.is_some() {
            self.counts = Counts::Final;
        }
        Ok(())
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::body(body)
    }

    fn has_counted(&self) -> bool {
        self.counts == Counts::Final
    }

    /// There is no end mark: the reason of every answer is one.
    fn is_complete(&self) -> bool {
        !self.lanes.is_empty() && self.lanes.iter().all(|lane| lane.state == State::Finished)
    }
}
