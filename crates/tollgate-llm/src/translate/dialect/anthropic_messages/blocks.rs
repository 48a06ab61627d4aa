use std::collections::VecDeque;

use tollgate_wire::Literal;

use super::depth::Depth;
use crate::{
    Fault,
    translate::{json, turn::Citation},
};

/// Arguments of calls that wait for another call's end, in bytes.
const WAITING_LIMIT: usize = 16 << 20;

/// Kinds of deltas, each with the key of its text.
const TEXT: &str = r#""text_delta","text":"#;
const THINKING: &str = r#""thinking_delta","thinking":"#;
const SIGNATURE: &str = r#""signature_delta","signature":"#;
const INPUT: &str = r#""input_json_delta","partial_json":"#;

/// The content blocks of a stream. Anthropic's come one after the other; OpenAI's calls may interleave, so a call
/// that begins while another is incomplete waits until that one's arguments are a whole object.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Index of the open block, or of the next one.
    index: u64,
    open: Open,
    waiting: VecDeque<Call>,
    waiting_bytes: usize,
}

/// What is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    None,
    Text,
    Thinking,
    /// Thinking whose signature is out: what follows is a new block.
    Signed,
    Tool {
        tool: usize,
        depth: Depth,
    },
}

/// A call that waits; its texts are escaped.
#[derive(Debug)]
struct Call {
    tool: usize,
    id: String,
    name: String,
    arguments: String,
}

// === impl Blocks ===

impl Blocks {
    pub(super) fn text(&mut self, text: Literal<'_>, out: &mut Vec<u8>) {
        if self.open != Open::Text {
            self.close_all(out);
            self.start(Open::Text, br#"{"type":"text","text":""}"#, out);
        }
        self.delta(TEXT, text, out);
    }

    /// Belongs to the open text; without one it has no place.
    pub(super) fn citation(&self, citation: &Citation<'_>, out: &mut Vec<u8>) {
        if self.open != Open::Text {
            return;
        }
        self.open_delta(out);
        out.extend_from_slice(br#""citations_delta","citation":"#);
        super::reply::citation(citation, out);
        out.extend_from_slice(b"}}\n\n");
    }

    pub(super) fn thinking(&mut self, text: Literal<'_>, out: &mut Vec<u8>) {
        if self.open != Open::Thinking {
            self.start_thinking(out);
        }
        self.delta(THINKING, text, out);
    }

    pub(super) fn signature(&mut self, signature: Literal<'_>, out: &mut Vec<u8>) {
        if !matches!(self.open, Open::Thinking | Open::Signed) {
            self.start_thinking(out);
        }
        self.delta(SIGNATURE, signature, out);
        self.open = Open::Signed;
    }

    pub(super) fn redacted_thinking(&mut self, data: Literal<'_>, out: &mut Vec<u8>) {
        self.close_all(out);
        let mut block = br#"{"type":"redacted_thinking""#.to_vec();
        json::literal_field(&mut block, "data", data);
        block.push(b'}');
        self.start(Open::Signed, &block, out);
        self.close(out);
    }

    pub(super) fn tool(
        &mut self,
        tool: usize,
        (id, name): (Literal<'_>, Literal<'_>),
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        if matches!(self.open, Open::Tool { depth, .. } if !depth.is_complete()) {
            let owned = |text: Literal<'_>| text.escaped().to_owned();
            self.reserve(id.escaped().len() + name.escaped().len())?;
            self.waiting.push_back(Call { tool, id: owned(id), name: owned(name), arguments: String::new() });
        } else {
            self.close(out);
            self.start_tool(tool, (id, name), out);
        }
        Ok(())
    }

    pub(super) fn arguments(
        &mut self,
        tool: usize,
        piece: Literal<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match &mut self.open {
            Open::Tool { tool: open, depth } if *open == tool => {
                depth.push(piece.escaped());
                let is_complete = depth.is_complete();
                self.delta(INPUT, piece, out);
                while is_complete && !self.waiting.is_empty() && self.is_free() {
                    self.next_call(out);
                }
                Ok(())
            }
            _ => {
                self.reserve(piece.escaped().len())?;
                match self.waiting.iter_mut().find(|call| call.tool == tool) {
                    Some(call) => {
                        call.arguments.push_str(piece.escaped());
                        Ok(())
                    }
                    None => Err(Fault::Malformed(format!(
                        "arguments of tool call {tool} came after the call had ended"
                    ))),
                }
            }
        }
    }

    /// Closes the open block and writes out what waits.
    pub(super) fn close_all(&mut self, out: &mut Vec<u8>) {
        while !self.waiting.is_empty() {
            self.next_call(out);
        }
        self.close(out);
    }

    /// Closes the open block, if there is one.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        if self.open == Open::None {
            return;
        }
        out.extend_from_slice(
            b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":",
        );
        json::number(out, self.index);
        out.extend_from_slice(b"}\n\n");
        self.open = Open::None;
        self.index += 1;
    }

    fn is_free(&self) -> bool {
        !matches!(self.open, Open::Tool { depth, .. } if !depth.is_complete())
    }

    fn next_call(&mut self, out: &mut Vec<u8>) {
        let Some(call) = self.waiting.pop_front() else { return };
        self.close(out);
        self.start_tool(call.tool, (Literal::from_escaped(&call.id), Literal::from_escaped(&call.name)), out);
        if let Open::Tool { depth, .. } = &mut self.open {
            depth.push(&call.arguments);
        }
        if !call.arguments.is_empty() {
            self.delta(INPUT, Literal::from_escaped(&call.arguments), out);
        }
        if self.waiting.is_empty() {
            self.waiting_bytes = 0;
        }
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), Fault> {
        self.waiting_bytes += bytes;
        if self.waiting_bytes > WAITING_LIMIT { Err(Fault::TooLarge(WAITING_LIMIT)) } else { Ok(()) }
    }

    fn start_thinking(&mut self, out: &mut Vec<u8>) {
        self.close_all(out);
        self.start(Open::Thinking, br#"{"type":"thinking","thinking":"","signature":""}"#, out);
    }

    fn start_tool(&mut self, tool: usize, (id, name): (Literal<'_>, Literal<'_>), out: &mut Vec<u8>) {
        let mut block = br#"{"type":"tool_use""#.to_vec();
        json::literal_field(&mut block, "id", id);
        json::literal_field(&mut block, "name", name);
        json::raw_field(&mut block, "input", "{}");
        block.push(b'}');
        self.start(Open::Tool { tool, depth: Depth::default() }, &block, out);
    }

    fn start(&mut self, open: Open, block: &[u8], out: &mut Vec<u8>) {
        self.open = open;
        out.extend_from_slice(
            b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":",
        );
        json::number(out, self.index);
        out.extend_from_slice(b",\"content_block\":");
        out.extend_from_slice(block);
        out.extend_from_slice(b"}\n\n");
    }

    /// Everything up to the kind of the delta.
    fn open_delta(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
        );
        json::number(out, self.index);
        out.extend_from_slice(b",\"delta\":{\"type\":");
    }

    fn delta(&self, kind: &str, text: Literal<'_>, out: &mut Vec<u8>) {
        self.open_delta(out);
        out.extend_from_slice(kind.as_bytes());
        json::literal(out, text);
        out.extend_from_slice(b"}}\n\n");
    }
}
