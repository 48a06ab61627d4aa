use tollgate_wire::{Literal, bedrock as wire};

use super::{
    error,
    reply::{self, citation, finish, is_hosted},
    usage,
};
use crate::{
    Fault,
    translate::{
        event::{Answer, Decode, Event, ProviderError, ReplyHead, Sink},
        json::parsed,
    },
};

/// Calls that may be open at once; real streams have one.
const OPEN_BLOCKS: usize = 256;

/// Reads replies and streams of Converse.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// Open calls by the index of their block. Other blocks need not begin, and are read by their deltas.
    open: Vec<(u32, Block)>,
    tools: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// `messageStop` was there; the numbers follow.
    Stopped,
    /// `metadata` was there.
    Counted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Tool {
        tool: usize,
        arguments: Arguments,
    },
    /// A call of a tool that Bedrock runs itself.
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
        Self { open: Vec::new(), tools: 0, state: State::Running }
    }

    fn block_started(&mut self, block: &wire::BlockStarted<'_>, sink: &mut Sink<'_>) -> Result<(), Fault> {
        let Some(call) = block.start.as_ref().and_then(|start| start.tool_use.as_ref()) else {
            return Ok(());
        };
        if self.open.len() >= OPEN_BLOCKS {
            return Err(Fault::Malformed("too many open content blocks".to_owned()));
        }
        let opened = if is_hosted(call.kind) {
            Block::Skipped
        } else {
            let tool = self.tools;
            self.tools += 1;
            sink(Event::ToolStarted {
                tool,
                id: call.id.unwrap_or_default(),
                name: call.name.unwrap_or_default(),
            });
            Block::Tool { tool, arguments: Arguments::Missing }
        };
        self.open.retain(|(at, _)| *at != block.content_block_index);
        self.open.push((block.content_block_index, opened));
        Ok(())
    }

    fn block_delta(&mut self, index: u32, delta: &wire::Delta<'_>, sink: &mut Sink<'_>) {
        send(delta.text, Event::Text, sink);
        if let Some(source) = delta.citation.as_ref().and_then(citation) {
            sink(Event::Citation(source));
        }
        if let Some(reasoning) = &delta.reasoning {
            send(reasoning.text, Event::Thinking, sink);
            send(reasoning.redacted, Event::RedactedThinking, sink);
            send(reasoning.signature, Event::Signature, sink);
        }
        let input = delta.tool_use.as_ref().and_then(|tool| tool.input).filter(|input| !input.is_empty());
        let open = self.open.iter_mut().find(|(at, _)| *at == index).map(|(_, block)| block);
        if let (Some(json), Some(Block::Tool { tool, arguments })) = (input, open) {
            *arguments = Arguments::Seen;
            sink(Event::ToolArguments { tool: *tool, json });
        }
    }

    fn block_stopped(&mut self, index: u32, sink: &mut Sink<'_>) {
        let open = self.open.iter().position(|(at, _)| *at == index);
        match open.map(|at| self.open.swap_remove(at).1) {
            Some(Block::Skipped) => return,
            // No input at all is an empty object, which other dialects have to be told.
            Some(Block::Tool { tool, arguments: Arguments::Missing }) => {
                sink(Event::ToolArguments { tool, json: Literal::from_escaped("{}") });
            }
            Some(Block::Tool { arguments: Arguments::Seen, .. }) | None => {}
        }
        sink(Event::BlockStopped);
    }

    fn counted(&mut self, metadata: &wire::Metadata<'_>, sink: &mut Sink<'_>) {
        if let Some(counts) = &metadata.usage {
            sink(Event::Usage(usage::total(counts)));
        }
        if self.state == State::Stopped {
            self.state = State::Counted;
            sink(Event::Done);
        }
    }
}

impl Decode for Decoder {
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Answer<'b>, Fault> {
        reply::whole(body)
    }

    fn event(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
        let event: wire::Event<'_> = parsed(data).map_err(Fault::Malformed)?;
        if let Some(block) = &event.content_block_delta {
            if let Some(delta) = &block.delta {
                self.block_delta(block.content_block_index, delta, sink);
            }
        } else if let Some(block) = &event.content_block_start {
            self.block_started(block, sink)?;
        } else if let Some(block) = event.content_block_stop {
            self.block_stopped(block.content_block_index, sink);
        } else if event.message_start.is_some() {
            sink(Event::Started(ReplyHead::default()));
        } else if let Some(stop) = &event.message_stop {
            self.state = State::Stopped;
            sink(Event::Finished(finish(stop.stop_reason, stop.additional)));
        } else if let Some(metadata) = &event.metadata {
            self.counted(metadata, sink);
        } else if let Some(error) = &event.error {
            let owned = |text: Option<Literal<'_>>| text.unwrap_or_default().decode().into_owned();
            let (kind, message) = (owned(error.kind), owned(error.message));
            sink(Event::Error(ProviderError { kind, message, request_id: None }));
        }
        // Bedrock adds events; what we do not know is not for us.
        Ok(())
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::body(body)
    }

    fn has_counted(&self) -> bool {
        self.state == State::Counted
    }

    fn is_complete(&self) -> bool {
        self.state != State::Running
    }
}

/// Hands on text that is there and not empty.
fn send<'a>(text: Option<Literal<'a>>, event: impl Fn(Literal<'a>) -> Event<'a>, sink: &mut Sink<'_>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        sink(event(text));
    }
}
