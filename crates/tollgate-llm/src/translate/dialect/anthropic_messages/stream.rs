use http::StatusCode;
use tollgate_types::Usage;
use tollgate_wire::Literal;

use super::{Tools, blocks::Blocks, error, reply, usage};
use crate::{
    Fault,
    translate::{
        Job,
        event::{Answer, Encode, Event, Finish, Names, ProviderError, ReplyHead},
    },
};

/// Writes messages and their streams.
#[derive(Debug)]
pub(crate) struct Writer {
    model: String,
    now: u64,
    /// `message_start` up to its usage; empty once it went out.
    head: Head,
    blocks: Blocks,
    tools: Tools,
    finish: Ending,
    usage: Usage,
}

/// Where `message_start` is. It goes out with the first content, so that until then another backend may be tried.
#[derive(Debug)]
enum Head {
    /// Nothing is known yet.
    Unknown,
    /// Ready to go out.
    Ready(Vec<u8>),
    Sent,
}

/// Why the model stopped; the sequence is escaped.
#[derive(Debug)]
enum Ending {
    Other(Finish<'static>),
    Sequence(String),
}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(job: &Job<'_>) -> Self {
        Self {
            model: job.model.as_str().to_owned(),
            now: job.now,
            head: Head::Unknown,
            blocks: Blocks::default(),
            tools: Tools::None,
            finish: Ending::Other(Finish::Stop),
            usage: Usage::default(),
        }
    }

    fn names(&self) -> Names<'_> {
        Names { model: &self.model, now: self.now }
    }

    fn note(&mut self, head: &ReplyHead<'_>) {
        if matches!(self.head, Head::Unknown) {
            let mut bytes = b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":".to_vec();
            reply::head(&mut bytes, head, self.names());
            bytes.extend_from_slice(br#","content":[],"stop_reason":null,"stop_sequence":null,"usage":"#);
            self.head = Head::Ready(bytes);
        }
    }

    /// Sends `message_start` if it has not gone out, with the usage that is known.
    fn start(&mut self, out: &mut Vec<u8>) {
        if matches!(self.head, Head::Sent) {
            return;
        }
        self.note(&ReplyHead::default());
        if let Head::Ready(bytes) = std::mem::replace(&mut self.head, Head::Sent) {
            out.extend_from_slice(&bytes);
            usage(out, &self.usage);
            out.extend_from_slice(b"}}\n\n");
        }
    }

    fn finished(&mut self, finish: &Finish<'_>) {
        let plain = match finish {
            Finish::StopSequence(matched) => {
                self.finish = Ending::Sequence(matched.escaped().to_owned());
                return;
            }
            // A refusal that was said in words ends with `stop` at OpenAI.
            Finish::Stop if matches!(self.finish, Ending::Other(Finish::Refusal)) => return,
            Finish::Stop => Finish::Stop,
            Finish::Length => Finish::Length,
            Finish::ToolCalls => Finish::ToolCalls,
            Finish::Refusal => Finish::Refusal,
        };
        self.finish = Ending::Other(plain);
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.blocks.close_all(out);
        out.extend_from_slice(b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{");
        match &self.finish {
            Ending::Other(finish) => reply::end(finish, self.tools, out),
            Ending::Sequence(matched) => {
                reply::end(&Finish::StopSequence(Literal::from_escaped(matched)), self.tools, out);
            }
        }
        out.extend_from_slice(b"},\"usage\":");
        usage(out, &self.usage);
        out.extend_from_slice(b"}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }
}

impl Encode for Writer {
    fn whole(&mut self, answer: &Answer<'_>, out: &mut Vec<u8>) {
        reply::whole(answer, self.names(), out);
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match *event {
            Event::Started(ref head) => self.note(head),
            Event::Text(text) => {
                self.start(out);
                self.blocks.text(text, out);
            }
            Event::Citation(ref citation) => {
                self.start(out);
                self.blocks.citation(citation, out);
            }
            // One answer in words, without probabilities: Anthropic knows no other.
            Event::Choice(_) | Event::Logprobs(_) | Event::Extra(..) | Event::Image(_) => {}
            Event::Refusal(text) => {
                self.start(out);
                self.finish = Ending::Other(Finish::Refusal);
                self.blocks.text(text, out);
            }
            Event::Thinking(text) => {
                self.start(out);
                self.blocks.thinking(text, out);
            }
            Event::Signature(signature) => {
                self.start(out);
                self.blocks.signature(signature, out);
            }
            Event::RedactedThinking(data) => {
                self.start(out);
                self.blocks.redacted_thinking(data, out);
            }
            Event::ToolStarted { tool, id, name } => {
                self.start(out);
                self.tools = Tools::Called;
                self.blocks.tool(tool, (id, name), out)?;
            }
            Event::ToolArguments { tool, json } => self.blocks.arguments(tool, json, out)?,
            Event::BlockStopped => self.blocks.close(out),
            Event::Finished(ref finish) => self.finished(finish),
            Event::Usage(ref counted) => self.usage.merge(counted),
            Event::Ping => {
                if matches!(self.head, Head::Sent) {
                    out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
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
        out.extend_from_slice(b"event: error\ndata: ");
        error::object(error::kind_in_stream(&error.kind), error, out);
        out.extend_from_slice(b"\n\n");
    }
}
