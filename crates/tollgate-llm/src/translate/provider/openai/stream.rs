use tollgate_wire::{Literal, openai as wire};

use super::{
    error,
    reply::{self, finish, present},
    usage,
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

/// Reads chat completions and their streams.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    thinking: Thinking,
    /// Tools in the order in which they started.
    tools: Vec<Tool>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing of the answer yet: Azure's filter results come before it.
    Waiting,
    Running,
    /// The answer is whole, even where `[DONE]` does not come.
    Finished,
}

/// Where thinking is read from: servers that sign it send its text twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thinking {
    /// `thinking_blocks`, unless the plain text comes.
    Blocks,
    /// `reasoning_content`
    Plain,
}

/// A call that has started.
#[derive(Debug)]
struct Tool {
    /// The server's own index; `None` where it gives none.
    index: Option<u32>,
    /// As it was sent, escaped.
    id: String,
}

// === impl Decoder ===

impl Decoder {
    pub(crate) const fn new() -> Self {
        Self { state: State::Waiting, thinking: Thinking::Blocks, tools: Vec::new(), counts: Counts::Due }
    }

    fn delta(
        &mut self,
        delta: &wire::Delta<'_>,
        id: Option<Literal<'_>>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        let plain = present(delta.reasoning_content).or_else(|| present(delta.reasoning));
        if let Some(text) = plain {
            self.thinking = Thinking::Plain;
            sink(Event::Thinking(text));
        }
        for block in delta.thinking_blocks.iter().flatten() {
            if let Some(text) = present(block.thinking)
                && self.thinking == Thinking::Blocks
            {
                sink(Event::Thinking(text));
            }
            if let Some(signature) = present(block.signature) {
                sink(Event::Signature(signature));
            }
            if let Some(data) = present(block.data) {
                sink(Event::RedactedThinking(data));
            }
        }
        if let Some(text) = present(delta.content) {
            sink(Event::Text(text));
        }
        for citation in delta.annotations.iter().flatten().filter_map(reply::citation) {
            sink(Event::Citation(citation));
        }
        if let Some(text) = present(delta.refusal) {
            sink(Event::Refusal(text));
        }
        for call in delta.tool_calls.iter().flatten() {
            self.tool_call(call, id, sink)?;
        }
        Ok(())
    }

    fn tool_call(
        &mut self,
        call: &wire::DeltaToolCall<'_>,
        reply: Option<Literal<'_>>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        let Some(function) = &call.function else { return Ok(()) };
        let tool = match self.known(call) {
            Some(tool) => tool,
            None => self.start(call, function.name, reply, sink)?,
        };
        if let Some(json) = present(function.arguments) {
            sink(Event::ToolArguments { tool, json });
        }
        Ok(())
    }

    /// The call that goes on. A known index with another id is a new call: some servers count every call 0.
    fn known(&self, call: &wire::DeltaToolCall<'_>) -> Option<usize> {
        let id = present(call.id).map(Literal::escaped);
        let is_same = |tool: &Tool| id.is_none_or(|id| id == tool.id);
        match call.index {
            Some(_) => self.tools.iter().rposition(|tool| tool.index == call.index && is_same(tool)),
            None if id.is_some() => self.tools.iter().rposition(is_same),
            None => self.tools.len().checked_sub(1),
        }
    }

    fn start(
        &mut self,
        call: &wire::DeltaToolCall<'_>,
        name: Option<Literal<'_>>,
        reply: Option<Literal<'_>>,
        sink: &mut Sink<'_>,
    ) -> Result<usize, Fault> {
        let tool = self.tools.len();
        let Some(name) = present(name) else {
            return Err(Fault::Malformed(format!("tool call {tool} begins without a name")));
        };
        if tool >= TOOLS {
            return Err(Fault::Malformed("too many tool calls".to_owned()));
        }
        let id = match present(call.id) {
            Some(id) => id.escaped().to_owned(),
            None => format!("call_{}_{tool}", reply.unwrap_or_default().escaped()),
        };
        sink(Event::ToolStarted { tool, id: Literal::from_escaped(&id), name });
        self.tools.push(Tool { index: call.index, id });
        Ok(tool)
    }
}

impl Decode for Decoder {
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Answer<'b>, Fault> {
        reply::whole(body)
    }

    fn event(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
        let data = data.trim_ascii();
        if data == b"[DONE]" {
            self.state = State::Finished;
            sink(Event::Done);
            return Ok(());
        }
        let mut chunk: wire::Chunk<'_> = parsed(data).map_err(Fault::Malformed)?;
        if let Some(error) = &chunk.error {
            sink(Event::Error(error::detail(error)));
            return Ok(());
        }
        // There is one answer: more are refused before the call.
        let choice = chunk.choices.iter_mut().flatten().find(|choice| choice.index.unwrap_or_default() == 0);
        if self.state == State::Waiting && choice.is_some() {
            self.state = State::Running;
            sink(Event::Started(ReplyHead {
                id: present(chunk.id),
                model: present(chunk.model),
                created: chunk.created,
                service_tier: chunk.service_tier,
            }));
        }
        if let Some(counted) = &chunk.usage {
            let counted = usage(counted);
            if counted.output.is_some() {
                self.counts = Counts::Final;
            }
            sink(Event::Usage(counted));
        }
        if let Some(choice) = choice {
            if let Some(delta) = &choice.delta {
                self.delta(delta, chunk.id, sink)?;
            }
            let logprobs = reply::logprobs(choice.logprobs.take());
            if !logprobs.is_empty() {
                sink(Event::Logprobs(logprobs));
            }
            if let Some(reason) = present(choice.finish_reason) {
                self.state = State::Finished;
                sink(Event::Finished(finish(Some(reason), choice.stop_reason)));
            }
        }
        Ok(())
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::body(body)
    }

    fn has_counted(&self) -> bool {
        self.counts == Counts::Final
    }

    fn is_complete(&self) -> bool {
        self.state == State::Finished
    }
}
