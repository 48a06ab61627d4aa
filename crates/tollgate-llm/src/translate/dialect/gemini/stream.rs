use http::StatusCode;
use serde_json::value::RawValue;
use tollgate_types::Usage;
use tollgate_wire::Literal;

use super::{error, reply, seal};
use crate::{
    Fault,
    translate::{
        Job,
        event::{Answer, Encode, Event, Finish, Names, ProviderError, ReplyHead},
        json,
        turn::{Citation, Origin},
    },
};

/// Arguments of calls that are held until they are whole, in bytes.
const HELD: usize = 16 << 20;

/// Answers of one stream.
const CANDIDATES: usize = 128;

/// Writes replies and their streams. Gemini's calls come whole, so they are held until they are.
#[derive(Debug)]
pub(crate) struct Writer {
    model: String,
    now: u64,
    /// What ends every event, from `modelVersion` on; empty until the stream has started.
    tail: Vec<u8>,
    /// How each of the answers ends.
    lanes: Vec<&'static str>,
    lane: usize,
    calls: Vec<Call>,
    /// Bytes of them.
    held: usize,
    usage: Usage,
}

/// A call that is not whole yet; its texts are escaped.
#[derive(Debug)]
struct Call {
    lane: usize,
    tool: usize,
    id: String,
    name: String,
    arguments: String,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(job: &Job<'_>) -> Self {
        Self {
            model: job.model.as_str().to_owned(),
            now: job.now,
            tail: Vec::new(),
            lanes: vec!["STOP"],
            lane: 0,
            calls: Vec::new(),
            held: 0,
            usage: Usage::default(),
        }
    }

    fn names(&self) -> Names<'_> {
        Names { model: &self.model, now: self.now }
    }

    fn start(&mut self, head: &ReplyHead<'_>) {
        if self.tail.is_empty() {
            let mut tail = Vec::with_capacity(96);
            reply::head(head, self.names(), &mut tail);
            tail.extend_from_slice(b"}\n\n");
            self.tail = tail;
        }
    }

    fn open(&mut self, out: &mut Vec<u8>) {
        self.start(&ReplyHead::default());
        out.extend_from_slice(br#"data: {"candidates":[{"content":{"parts":["#);
    }

    /// The rest of an event whose parts are written.
    fn close(&self, lane: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"],"role":"model"}"#);
        self.end(lane, out);
    }

    fn end(&self, lane: usize, out: &mut Vec<u8>) {
        json::number_field(out, "index", lane as u64);
        out.extend_from_slice(b"}],");
        out.extend_from_slice(&self.tail);
    }

    fn text(&mut self, text: Literal<'_>, out: &mut Vec<u8>) {
        self.open(out);
        reply::text(text, out);
        self.close(self.lane, out);
    }

    fn thought(&mut self, text: Literal<'_>, sealed: Option<String>, out: &mut Vec<u8>) {
        self.open(out);
        reply::thought(text, sealed, out);
        self.close(self.lane, out);
    }

    fn choose(&mut self, choice: usize) -> Result<(), Fault> {
        if choice >= CANDIDATES {
            return Err(Fault::Malformed(format!(
                "answer {choice} of a stream that has at most {CANDIDATES}"
            )));
        }
        if self.lanes.len() <= choice {
            self.lanes.resize(choice + 1, "STOP");
        }
        self.lane = choice;
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Fault> {
        self.held = self.held.saturating_add(bytes);
        if self.held > HELD { Err(Fault::TooLarge(HELD)) } else { Ok(()) }
    }

    fn call_started(&mut self, tool: usize, id: Literal<'_>, name: Literal<'_>) -> Result<(), Fault> {
        self.hold(id.escaped().len() + name.escaped().len())?;
        let owned = |text: Literal<'_>| text.escaped().to_owned();
        let call = Call { lane: self.lane, tool, id: owned(id), name: owned(name), arguments: String::new() };
        self.calls.push(call);
        Ok(())
    }

    fn arguments(&mut self, tool: usize, piece: Literal<'_>) -> Result<(), Fault> {
        self.hold(piece.escaped().len())?;
        match self.calls.iter_mut().find(|call| call.tool == tool) {
            Some(call) => call.arguments.push_str(piece.escaped()),
            None => {
                return Err(Fault::Malformed(format!(
                    "arguments of call {tool} came after the call had ended"
                )));
            }
        }
        Ok(())
    }

    /// Writes the calls that are held.
    fn release(&mut self, out: &mut Vec<u8>) {
        for call in std::mem::take(&mut self.calls) {
            self.open(out);
            let arguments = Literal::from_escaped(&call.arguments).decode();
            let text = Literal::from_escaped;
            reply::call(text(&call.id), text(&call.name), object(&arguments), out);
            self.close(call.lane, out);
        }
        self.held = 0;
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.release(out);
        self.start(&ReplyHead::default());
        let last = self.lanes.len().saturating_sub(1);
        for (lane, reason) in self.lanes.iter().enumerate() {
            out.extend_from_slice(
                br#"data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"}"#,
            );
            json::text_field(out, "finishReason", reason);
            json::number_field(out, "index", lane as u64);
            out.extend_from_slice(b"}]");
            if lane == last && !self.usage.is_empty() {
                json::key(out, "usageMetadata");
                reply::usage(&self.usage, out);
            }
            out.push(b',');
            out.extend_from_slice(&self.tail);
        }
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
            Event::Refusal(text) => {
                self.finished(&Finish::Refusal);
                self.text(text, out);
            }
            Event::Citation(Citation {
                origin: Origin::Document { .. } | Origin::SearchResult { .. },
                ..
            }) => {}
            Event::Citation(ref citation) => {
                self.open(out);
                out.extend_from_slice(br#"],"role":"model"},"citationMetadata":{"citations":["#);
                reply::citation(citation, out);
                out.extend_from_slice(b"]}");
                self.end(self.lane, out);
            }
            Event::Logprobs(ref tokens) => {
                self.open(out);
                out.extend_from_slice(br#"],"role":"model"}"#);
                reply::logprobs(tokens, out);
                self.end(self.lane, out);
            }
            Event::Image(drawn) => {
                self.open(out);
                reply::image(drawn, out);
                self.close(self.lane, out);
            }
            Event::Thinking(text) => self.thought(text, None, out),
            Event::Signature(signature) => {
                self.thought(Literal::default(), Some(seal::signature(&signature.decode())), out);
            }
            Event::RedactedThinking(data) => {
                self.thought(Literal::default(), Some(seal::redacted(&data.decode())), out);
            }
            Event::ToolStarted { tool, id, name } => self.call_started(tool, id, name)?,
            Event::ToolArguments { tool, json } => self.arguments(tool, json)?,
            Event::BlockStopped => self.release(out),
            Event::Finished(ref finish) => self.finished(finish),
            Event::Usage(ref counted) => self.usage.merge(counted),
            // Google's SDKs take every line for JSON, so no comment keeps the line alive.
            Event::Ping | Event::Extra(..) => {}
            Event::Error(ref error) => self.broken(error, out),
            Event::Done => self.done(out),
        }
        Ok(())
    }

    fn error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
        error::body(status, error, out);
    }

    fn broken(&mut self, error: &ProviderError, out: &mut Vec<u8>) {
        error::event(error, out);
    }
}

impl Writer {
    /// A refusal that was said in words ends with `stop` at OpenAI.
    fn finished(&mut self, finish: &Finish<'_>) {
        if let Some(reason) = self.lanes.get_mut(self.lane)
            && *reason != reply::finish_reason(&Finish::Refusal)
        {
            *reason = reply::finish_reason(finish);
        }
    }
}

/// Arguments that the model wrote wrongly become an empty object: Google's SDKs take nothing but objects.
fn object(text: &str) -> &str {
    let is_object = text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok();
    if is_object { text } else { "{}" }
}
