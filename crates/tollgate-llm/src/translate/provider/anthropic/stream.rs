use serde_json::value::RawValue;
use tollgate_wire::{Literal, anthropic as wire, escape_into};

use super::{
    error,
    reply::{self, finish},
    usage::Counts,
};
use crate::{
    Fault,
    translate::{
        event::{Answer, Decode, Event, ProviderError, ReplyHead, Sink},
        json::parsed,
    },
};

/// Blocks that may be open at once; real streams have one.
const OPEN_BLOCKS: usize = 256;

/// Reads messages and streams of Anthropic's API.
#[derive(Debug)]
pub(crate) struct Decoder {
    counts: Counts,
    output: Output,
    /// Open blocks by their index.
    open: Vec<(u32, Block)>,
    tools: usize,
    state: State,
}

/// What `output_tokens` says: `message_start` knows the first token only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Begun,
    Counted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// `message_stop` was there.
    Complete,
}

/// What is open; deltas of anything else are read by their own type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Plain,
    Tool {
        tool: usize,
        arguments: Arguments,
    },
    /// Of the provider's own tools, which no other dialect has.
    Skipped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arguments {
    Missing,
    Seen,
}

// === impl Decoder ===

impl Decoder {
    pub(crate) const fn new() -> Self {
        Self {
            counts: Counts::NONE,
            output: Output::Begun,
            open: Vec::new(),
            tools: 0,
            state: State::Running,
        }
    }

    fn count(&mut self, usage: Option<&wire::Usage>, sink: &mut Sink<'_>) {
        if let Some(usage) = usage {
            self.counts.update(usage);
            sink(Event::Usage(self.counts.total()));
        }
    }

    fn block_started(
        &mut self,
        index: u32,
        block: &wire::ReplyBlock<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        if self.open.len() >= OPEN_BLOCKS {
            return Err(Fault::Malformed("too many open content blocks".to_owned()));
        }
        let opened = match block.kind.escaped() {
            "text" => {
                send(block.text, Event::Text, sink);
                Block::Plain
            }
            "thinking" => {
                send(block.thinking, Event::Thinking, sink);
                send(block.signature, Event::Signature, sink);
                Block::Plain
            }
            "redacted_thinking" => {
                send(block.data, Event::RedactedThinking, sink);
                Block::Plain
            }
            "tool_use" => self.tool_started(block, sink),
            _ => Block::Skipped,
        };
        self.open.retain(|(at, _)| *at != index);
        self.open.push((index, opened));
        Ok(())
    }

    fn tool_started(&mut self, block: &wire::ReplyBlock<'_>, sink: &mut Sink<'_>) -> Block {
        let tool = self.tools;
        self.tools += 1;
        sink(Event::ToolStarted {
            tool,
            id: block.id.unwrap_or_default(),
            name: block.name.unwrap_or_default(),
        });
        // Anthropic starts with `{}` and sends the input in pieces; servers that copy its API may send it whole.
        let input = block.input.map_or("{}", RawValue::get);
        let inner = input.trim_start_matches('{').trim_start();
        if inner.starts_with('}') || !input.starts_with('{') {
            return Block::Tool { tool, arguments: Arguments::Missing };
        }
        let mut escaped = Vec::with_capacity(input.len() + 16);
        escape_into(&mut escaped, input);
        let escaped = String::from_utf8_lossy(&escaped);
        sink(Event::ToolArguments { tool, json: Literal::from_escaped(&escaped) });
        Block::Tool { tool, arguments: Arguments::Seen }
    }

    fn block_delta(&mut self, index: u32, delta: &wire::BlockDelta<'_>, sink: &mut Sink<'_>) {
        let open = self.open.iter_mut().find(|(at, _)| *at == index).map(|(_, block)| block);
        if open.as_deref() == Some(&Block::Skipped) {
            return;
        }
        match delta.kind.unwrap_or_default().escaped() {
            "text_delta" => send(delta.text, Event::Text, sink),
            "thinking_delta" => send(delta.thinking, Event::Thinking, sink),
            "signature_delta" => send(delta.signature, Event::Signature, sink),
            "citations_delta" => {
                if let Some(citation) = delta.citation.as_deref().and_then(reply::citation) {
                    sink(Event::Citation(citation));
                }
            }
            "input_json_delta" => {
                if let (Some(Block::Tool { tool, arguments }), Some(json)) = (open, delta.partial_json)
                    && !json.is_empty()
                {
                    *arguments = Arguments::Seen;
                    sink(Event::ToolArguments { tool: *tool, json });
                }
            }
            _ => {}
        }
    }

    fn block_stopped(&mut self, index: u32, sink: &mut Sink<'_>) {
        let Some(at) = self.open.iter().position(|(open, _)| *open == index) else { return };
        match self.open.swap_remove(at).1 {
            Block::Plain | Block::Tool { arguments: Arguments::Seen, .. } => sink(Event::BlockStopped),
            // No input at all is an empty object, which other dialects have to be told.
            Block::Tool { tool, arguments: Arguments::Missing } => {
                sink(Event::ToolArguments { tool, json: Literal::from_escaped("{}") });
                sink(Event::BlockStopped);
            }
            Block::Skipped => {}
        }
    }
}

impl Decode for Decoder {
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Answer<'b>, Fault> {
        reply::whole(body)
    }

    fn event(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
        let event: wire::Event<'_> = parsed(data).map_err(Fault::Malformed)?;
        let index = event.index.unwrap_or_default();
        match event.kind.escaped() {
            "content_block_delta" => {
                if let Some(delta) = &event.delta {
                    self.block_delta(index, delta, sink);
                }
            }
            "content_block_start" => {
                if let Some(block) = &event.content_block {
                    self.block_started(index, block, sink)?;
                }
            }
            "content_block_stop" => self.block_stopped(index, sink),
            "message_start" => {
                if let Some(message) = &event.message {
                    sink(Event::Started(ReplyHead {
                        id: message.id,
                        model: message.model,
                        ..ReplyHead::default()
                    }));
                    self.count(message.usage.as_ref(), sink);
                }
            }
            "message_delta" => {
                self.count(event.usage.as_ref(), sink);
                if event.usage.is_some_and(|usage| usage.output_tokens.is_some()) {
                    self.output = Output::Counted;
                }
                if let Some(delta) = event.delta.filter(|delta| delta.stop_reason.is_some()) {
                    sink(Event::Finished(finish(delta.stop_reason, delta.stop_sequence)));
                }
            }
            "message_stop" => {
                self.state = State::Complete;
                sink(Event::Done);
            }
            "ping" => sink(Event::Ping),
            "error" => sink(Event::Error(event.error.as_ref().map(error::detail).unwrap_or_default())),
            // Anthropic adds event types (versioning policy); what we do not know is not for us.
            _ => {}
        }
        Ok(())
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::body(body)
    }

    fn has_counted(&self) -> bool {
        self.output == Output::Counted
    }

    fn is_complete(&self) -> bool {
        self.state == State::Complete
    }
}

/// Hands on text that is there and not empty.
fn send<'a>(text: Option<Literal<'a>>, event: impl Fn(Literal<'a>) -> Event<'a>, sink: &mut Sink<'_>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        sink(event(text));
    }
}
