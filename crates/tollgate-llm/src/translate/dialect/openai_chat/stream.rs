use http::StatusCode;
use serde_json::value::RawValue;
use tollgate_types::Usage;
use tollgate_wire::Literal;

use super::{error, extras, finish_reason, reply, usage};
use crate::{
    Fault,
    translate::{
        Job,
        event::{Answer, Drawn, Encode, Event, Finish, Names, ProviderError, ReplyHead, TokenLogprob},
        json,
        turn::{Citation, Origin},
    },
};

/// Thinking that is held until its signature comes, in bytes.
const THINKING_LIMIT: usize = 8 << 20;

/// Answers to one call (OpenAI API reference, `n`).
const CHOICES: usize = 128;

/// Writes `chat.completion` bodies and `chat.completion.chunk` streams.
#[derive(Debug)]
pub(crate) struct Writer {
    model: String,
    now: u64,
    usage_chunk: UsageChunk,
    /// Everything in a chunk before `choices`; empty until the stream has started.
    head: Vec<u8>,
    /// One for each answer; the first is always there.
    lanes: Vec<Lane>,
    /// The answer that is being written.
    lane: usize,
    usage: Usage,
}

/// How far one of the answers has come.
#[derive(Debug)]
struct Lane {
    role: RoleMark,
    /// The open thinking block, escaped.
    thinking: String,
    /// Its tools, by the numbers of the stream.
    tools: Vec<usize>,
    /// Where the open text began, and where it ends, in characters.
    text: (u64, u64),
    finish: &'static str,
    /// The stop sequence that matched, escaped.
    matched: Option<String>,
}

/// Whether the client asked for usage in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UsageChunk {
    Wanted,
    Unwanted,
}

/// The role stands in the first delta and in no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RoleMark {
    Due,
    Given,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(job: &Job<'_>) -> Self {
        Self {
            model: job.model.as_str().to_owned(),
            now: job.now,
            usage_chunk: if job.wants_usage { UsageChunk::Wanted } else { UsageChunk::Unwanted },
            head: Vec::new(),
            lanes: vec![Lane::NEW],
            lane: 0,
            usage: Usage::default(),
        }
    }

    fn names(&self) -> Names<'_> {
        Names { model: &self.model, now: self.now }
    }

    fn start(&mut self, head: &ReplyHead<'_>) {
        if self.head.is_empty() {
            let mut bytes = b"data: ".to_vec();
            reply::head(&mut bytes, "chat.completion.chunk", head, self.names());
            self.head = bytes;
        }
    }

    /// Everything up to the fields of the delta.
    fn open(&mut self, out: &mut Vec<u8>) {
        self.start(&ReplyHead::default());
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#","choices":[{"index":"#);
        json::number(out, self.lane as u64);
        out.extend_from_slice(br#","delta":{"#);
        let lane = self.lane();
        if lane.role == RoleMark::Due {
            lane.role = RoleMark::Given;
            out.extend_from_slice(br#""role":"assistant""#);
        }
    }

    fn lane(&mut self) -> &mut Lane {
        if self.lanes.len() <= self.lane {
            self.lanes.resize_with(self.lane + 1, || Lane::NEW);
        }
        &mut self.lanes[self.lane]
    }

    /// True as long as no delta of this answer has gone out.
    fn is_first(&mut self) -> bool {
        self.lane().role == RoleMark::Due
    }

    fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"},"logprobs":null,"finish_reason":null}]"#);
        self.end_chunk(out);
    }

    fn end_chunk(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.usage_chunk {
            UsageChunk::Wanted => b",\"usage\":null}\n\n".as_slice(),
            UsageChunk::Unwanted => b"}\n\n".as_slice(),
        });
    }

    fn delta(&mut self, name: &str, text: Literal<'_>, out: &mut Vec<u8>) {
        self.open(out);
        json::literal_field(out, name, text);
        self.close(out);
    }

    /// The whole block once its signature is there, so that a client that collects the blocks can send them back.
    fn signed(&mut self, signature: Literal<'_>, out: &mut Vec<u8>) {
        let text = std::mem::take(&mut self.lane().thinking);
        self.open(out);
        json::key(out, "thinking_blocks");
        out.extend_from_slice(br#"[{"type":"thinking""#);
        json::literal_field(out, "thinking", Literal::from_escaped(&text));
        json::literal_field(out, "signature", signature);
        out.extend_from_slice(b"}]");
        self.close(out);
    }

    fn redacted(&mut self, data: Literal<'_>, out: &mut Vec<u8>) {
        self.open(out);
        json::key(out, "thinking_blocks");
        out.extend_from_slice(br#"[{"type":"redacted_thinking""#);
        json::literal_field(out, "data", data);
        out.extend_from_slice(b"}]");
        self.close(out);
    }

    fn tool_started(&mut self, tool: usize, names: (Literal<'_>, Literal<'_>), out: &mut Vec<u8>) {
        let (id, name) = names;
        let is_first = self.is_first();
        self.open(out);
        if is_first {
            json::raw_field(out, "content", "null");
        }
        open_tool(self.lane().tool(tool), out);
        json::literal_field(out, "id", id);
        json::text_field(out, "type", "function");
        json::key(out, "function");
        out.push(b'{');
        json::literal_field(out, "name", name);
        json::text_field(out, "arguments", "");
        out.extend_from_slice(b"}}]");
        self.close(out);
    }

    fn tool_arguments(&mut self, tool: usize, piece: Literal<'_>, out: &mut Vec<u8>) {
        self.open(out);
        open_tool(self.lane().tool(tool), out);
        json::key(out, "function");
        out.push(b'{');
        json::literal_field(out, "arguments", piece);
        out.extend_from_slice(b"}}]");
        self.close(out);
    }

    fn text(&mut self, text: Literal<'_>, out: &mut Vec<u8>) {
        self.lane().text.1 += reply::chars(text);
        self.delta("content", text, out);
    }

    fn citation(&mut self, citation: &Citation<'_>, out: &mut Vec<u8>) {
        let Origin::Url(_) = citation.origin else { return };
        self.open(out);
        json::key(out, "annotations");
        out.push(b'[');
        reply::annotation(citation, self.lane().text, out);
        out.push(b']');
        self.close(out);
    }

    fn image(&mut self, drawn: Drawn<'_>, out: &mut Vec<u8>) {
        self.open(out);
        json::key(out, "images");
        out.push(b'[');
        reply::image(drawn, out);
        out.push(b']');
        self.close(out);
    }

    fn logprobs(&mut self, tokens: &[TokenLogprob<'_>], out: &mut Vec<u8>) {
        self.open(out);
        out.push(b'}');
        reply::logprobs(tokens, out);
        out.extend_from_slice(br#","finish_reason":null}]"#);
        self.end_chunk(out);
    }

    fn extra(&mut self, name: &str, value: &RawValue, out: &mut Vec<u8>) {
        self.open(out);
        extras(name, value, out);
        self.close(out);
    }

    fn choose(&mut self, choice: usize) -> Result<(), Fault> {
        if choice >= CHOICES {
            return Err(Fault::Malformed(format!("answer {choice} of a stream that has at most {CHOICES}")));
        }
        self.lane = choice;
        Ok(())
    }

    fn finished(&mut self, finish: &Finish<'_>) {
        let lane = self.lane();
        lane.finish = finish_reason(finish);
        if let Finish::StopSequence(matched) = finish {
            lane.matched = Some(matched.escaped().to_owned());
        }
    }

    /// The last chunk of the answer that is being written.
    fn end_choice(&mut self, out: &mut Vec<u8>) {
        let is_first = self.is_first();
        self.open(out);
        if is_first {
            json::text_field(out, "content", "");
        }
        out.extend_from_slice(br#"},"logprobs":null"#);
        let lane = self.lane();
        json::text_field(out, "finish_reason", lane.finish);
        if let Some(matched) = &lane.matched {
            json::literal_field(out, "stop_reason", Literal::from_escaped(matched));
        }
        out.extend_from_slice(b"}]");
        self.end_chunk(out);
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        for lane in 0..self.lanes.len() {
            self.lane = lane;
            self.end_choice(out);
        }
        if self.usage_chunk == UsageChunk::Wanted {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(br#","choices":[],"usage":"#);
            usage(out, &self.usage);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

// === impl Lane ===

impl Lane {
    const NEW: Self = Self {
        role: RoleMark::Due,
        thinking: String::new(),
        tools: Vec::new(),
        text: (0, 0),
        finish: "stop",
        matched: None,
    };

    /// The place of one of the stream's tools among those of this answer.
    fn tool(&mut self, tool: usize) -> usize {
        self.tools.iter().position(|known| *known == tool).unwrap_or_else(|| {
            self.tools.push(tool);
            self.tools.len() - 1
        })
    }
}

impl Encode for Writer {
    fn whole(&mut self, answer: &Answer<'_>, out: &mut Vec<u8>) {
        reply::whole(answer, self.names(), out);
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match *event {
            Event::Started(ref head) => self.start(head),
            Event::Choice(choice) => self.choose(choice)?,
            Event::Text(text) => self.text(text, out),
            Event::Citation(ref citation) => self.citation(citation, out),
            Event::Logprobs(ref tokens) => self.logprobs(tokens, out),
            Event::Extra(name, value) => self.extra(name, value, out),
            Event::Refusal(text) => self.delta("refusal", text, out),
            Event::Image(drawn) => self.image(drawn, out),
            Event::Thinking(text) => {
                let thinking = &mut self.lane().thinking;
                if thinking.len() + text.escaped().len() > THINKING_LIMIT {
                    return Err(Fault::TooLarge(THINKING_LIMIT));
                }
                thinking.push_str(text.escaped());
                self.delta("reasoning_content", text, out);
            }
            Event::Signature(signature) => self.signed(signature, out),
            Event::RedactedThinking(data) => self.redacted(data, out),
            Event::ToolStarted { tool, id, name } => self.tool_started(tool, (id, name), out),
            Event::ToolArguments { tool, json } => self.tool_arguments(tool, json, out),
            Event::BlockStopped => {
                let lane = self.lane();
                lane.thinking.clear();
                lane.text.0 = lane.text.1;
            }
            Event::Finished(ref finish) => self.finished(finish),
            Event::Usage(ref counted) => self.usage.merge(counted),
            // Before the first delta a byte would forbid another backend; later a comment keeps the line alive.
            Event::Ping => {
                if !self.is_first() {
                    out.extend_from_slice(b": ping\n\n");
                }
            }
            Event::Error(ref error) => self.broken(error, out),
            Event::Done => self.done(out),
        }
        Ok(())
    }

    fn error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
        error::body(status, error, out);
    }

    fn broken(&mut self, error: &ProviderError, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        error::event(error, out);
        out.extend_from_slice(b"\n\n");
    }
}

/// `"tool_calls":[{"index":n`
fn open_tool(tool: usize, out: &mut Vec<u8>) {
    json::key(out, "tool_calls");
    out.extend_from_slice(b"[{");
    json::number_field(out, "index", tool as u64);
}
