use http::StatusCode;
use tollgate_types::Usage;
use tollgate_wire::Literal;

use super::{
    Echo, REDACTED,
    items::{self, Content, Identity, Item, Response, Status},
};
use crate::{
    Fault,
    translate::{
        Job,
        dialect::openai_chat,
        event::{Answer, Drawn, Encode, Event, Finish, ProviderError, ReplyHead, TokenLogprob},
        json,
        turn::Citation,
    },
};

/// What is held of one answer, in bytes: the last event repeats all of it.
const HELD_LIMIT: usize = 16 << 20;

/// Writes responses and their streams.
#[derive(Debug)]
pub(crate) struct Writer {
    model: String,
    now: u64,
    echo: Echo,
    /// `None` until the provider has spoken.
    identity: Option<Identity>,
    started: Started,
    /// `sequence_number` of the next event.
    sequence: u64,
    items: Vec<Item>,
    open: Open,
    /// Calls that are not closed: the stream's number of the tool, and its item.
    calls: Vec<(usize, usize)>,
    held: usize,
    finish: Finish<'static>,
    usage: Usage,
}

/// Whether the first event has gone out. It goes with the first content, so that until then another backend may
/// be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Started {
    No,
    Yes,
}

/// What is open beside calls: always in the last item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Reasoning,
    Text,
    Refusal,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(job: &Job<'_>, echo: Echo) -> Self {
        Self {
            model: job.model.as_str().to_owned(),
            now: job.now,
            echo,
            identity: None,
            started: Started::No,
            sequence: 0,
            items: Vec::new(),
            open: Open::Nothing,
            calls: Vec::new(),
            held: 0,
            finish: Finish::Stop,
            usage: Usage::default(),
        }
    }

    fn note(&mut self, head: &ReplyHead<'_>) {
        if self.identity.is_none() {
            self.identity = Some(Identity::new(head, &self.model, self.now));
        }
    }

    /// `event: …`, `data: {"type":…,"sequence_number":…`
    fn begin(&mut self, kind: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"sequence_number\":");
        json::number(out, self.sequence);
        self.sequence += 1;
    }

    /// The whole response as it stands, as the member `response`.
    fn response(&mut self, kind: &str, status: Status, out: &mut Vec<u8>) {
        self.begin(kind, out);
        self.note(&ReplyHead::default());
        let Some(identity) = &self.identity else { return };
        json::key(out, "response");
        let usage = (status != Status::InProgress).then_some(&self.usage);
        let (echo, items, finish) = (&self.echo, self.items.as_slice(), self.finish);
        Response { identity, echo, items, status, finish, usage }.write(out);
        end(out);
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if self.started == Started::No {
            self.started = Started::Yes;
            self.response("response.created", Status::InProgress, out);
            self.response("response.in_progress", Status::InProgress, out);
        }
    }

    /// The id of an item.
    fn id(&self, index: usize) -> String {
        match (&self.identity, self.items.get(index)) {
            (Some(identity), Some(item)) => identity.item_id(item.prefix(), index),
            _ => String::new(),
        }
    }

    /// The item whole, as `item`.
    fn item_event(&mut self, kind: &str, index: usize, status: Status, out: &mut Vec<u8>) {
        self.begin(kind, out);
        json::number_field(out, "output_index", index as u64);
        json::key(out, "item");
        let id = self.id(index);
        if let Some(item) = self.items.get(index) {
            item.write(&id, status, out);
        }
        end(out);
    }

    /// `"item_id":…,"output_index":…` after the beginning of an event.
    fn of_item(&mut self, kind: &str, index: usize, out: &mut Vec<u8>) {
        self.begin(kind, out);
        json::key(out, "item_id");
        match (&self.identity, self.items.get(index)) {
            (Some(identity), Some(item)) => identity.write_item_id(item.prefix(), index, out),
            _ => json::raw(out, r#""""#),
        }
        json::number_field(out, "output_index", index as u64);
    }

    fn add(&mut self, item: Item, out: &mut Vec<u8>) -> usize {
        self.items.push(item);
        let index = self.items.len() - 1;
        self.item_event("response.output_item.added", index, Status::InProgress, out);
        index
    }

    fn hold(&mut self, text: Literal<'_>) -> Result<(), Fault> {
        self.held += text.escaped().len();
        if self.held > HELD_LIMIT { Err(Fault::TooLarge(HELD_LIMIT)) } else { Ok(()) }
    }

    fn last(&self) -> usize {
        self.items.len().saturating_sub(1)
    }

    /// The open part of the open message, with its place.
    fn content(&mut self) -> Option<(usize, &mut Content)> {
        match self.items.last_mut() {
            Some(Item::Message(contents)) => {
                let at = contents.len().checked_sub(1)?;
                Some((at, contents.last_mut()?))
            }
            Some(Item::Reasoning { .. } | Item::Call { .. } | Item::Image { .. }) | None => None,
        }
    }

    /// Opens a part of text or of a refusal, in the open message or in a new one.
    fn open_content(&mut self, open: Open, empty: Content, out: &mut Vec<u8>) {
        if self.open == open {
            return;
        }
        match self.open {
            Open::Text | Open::Refusal => self.close_content(out),
            Open::Nothing | Open::Reasoning => {
                self.close(out);
                self.add(Item::Message(Vec::new()), out);
            }
        }
        if let Some(Item::Message(contents)) = self.items.last_mut() {
            contents.push(empty);
        }
        self.open = open;
        self.content_event("response.content_part.added", out);
        end(out);
    }

    /// `"content_index":…,"part":{…}`
    fn content_event(&mut self, kind: &str, out: &mut Vec<u8>) {
        self.of_item(kind, self.last(), out);
        if let Some((at, content)) = self.content() {
            json::number_field(out, "content_index", at as u64);
            json::key(out, "part");
            content.write(out);
        }
    }

    fn say(&mut self, open: Open, text: Literal<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.hold(text)?;
        self.start(out);
        let (kind, empty) = match open {
            Open::Refusal => ("response.refusal.delta", Content::Refusal(String::new())),
            Open::Text | Open::Nothing | Open::Reasoning => ("response.output_text.delta", Content::text()),
        };
        self.open_content(open, empty, out);
        self.of_item(kind, self.last(), out);
        if let Some((at, content)) = self.content() {
            content.push(text);
            json::number_field(out, "content_index", at as u64);
        }
        json::literal_field(out, "delta", text);
        if open == Open::Text {
            json::raw_field(out, "logprobs", "[]");
        }
        end(out);
        Ok(())
    }

    fn cite(&mut self, citation: &Citation<'_>, out: &mut Vec<u8>) {
        if self.open != Open::Text {
            return;
        }
        let Some((at, content)) = self.content() else { return };
        let Some(place) = content.cite(citation) else { return };
        let span = if let Content::Text { span, .. } = content { *span } else { (0, 0) };
        self.of_item("response.output_text.annotation.added", self.last(), out);
        json::number_field(out, "content_index", at as u64);
        json::number_field(out, "annotation_index", place as u64);
        json::key(out, "annotation");
        items::annotation(citation, span, out);
        end(out);
    }

    fn logprobs(&mut self, tokens: &[TokenLogprob<'_>]) {
        if let Some((_, content)) = self.content() {
            content.add_logprobs(tokens);
        }
    }

    fn think(&mut self, text: Literal<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.hold(text)?;
        self.open_reasoning(out);
        let index = self.last();
        let Some(Item::Reasoning { text: held, .. }) = self.items.last_mut() else { return Ok(()) };
        let is_first = held.is_empty();
        held.push_str(text.escaped());
        if is_first {
            self.of_item("response.reasoning_summary_part.added", index, out);
            json::raw_field(out, "summary_index", "0");
            json::raw_field(out, "part", r#"{"type":"summary_text","text":""}"#);
            end(out);
        }
        self.of_item("response.reasoning_summary_text.delta", index, out);
        json::raw_field(out, "summary_index", "0");
        json::literal_field(out, "delta", text);
        end(out);
        Ok(())
    }

    fn open_reasoning(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        if self.open != Open::Reasoning {
            self.close(out);
            self.add(Item::Reasoning { text: String::new(), sealed: String::new() }, out);
            self.open = Open::Reasoning;
        }
    }

    /// A signature, or redacted thinking: the last of its item.
    fn seal(&mut self, mark: &str, seal: Literal<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.hold(seal)?;
        self.open_reasoning(out);
        if let Some(Item::Reasoning { sealed, .. }) = self.items.last_mut() {
            sealed.push_str(mark);
            sealed.push_str(seal.escaped());
        }
        self.close(out);
        Ok(())
    }

    fn call(&mut self, tool: usize, (id, name): (Literal<'_>, Literal<'_>), out: &mut Vec<u8>) {
        self.start(out);
        self.close(out);
        let owned = |text: Literal<'_>| text.escaped().to_owned();
        let item = Item::Call { call_id: owned(id), name: owned(name), arguments: String::new() };
        let index = self.add(item, out);
        self.calls.push((tool, index));
    }

    /// Images come whole.
    fn image(&mut self, drawn: Drawn<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.hold(drawn.data)?;
        self.start(out);
        self.close(out);
        let index = self.add(Item::Image { data: drawn.data.escaped().to_owned() }, out);
        self.of_item("response.image_generation_call.completed", index, out);
        end(out);
        self.item_event("response.output_item.done", index, Status::Completed, out);
        Ok(())
    }

    fn arguments(&mut self, tool: usize, piece: Literal<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.hold(piece)?;
        let Some(&(_, index)) = self.calls.iter().find(|(known, _)| *known == tool) else {
            return Err(Fault::Malformed(format!(
                "arguments of tool call {tool} came after the call had ended"
            )));
        };
        if let Some(Item::Call { arguments, .. }) = self.items.get_mut(index) {
            arguments.push_str(piece.escaped());
        }
        self.of_item("response.function_call_arguments.delta", index, out);
        json::literal_field(out, "delta", piece);
        end(out);
        Ok(())
    }

    fn close_call(&mut self, index: usize, out: &mut Vec<u8>) {
        self.of_item("response.function_call_arguments.done", index, out);
        if let Some(Item::Call { name, arguments, .. }) = self.items.get(index) {
            json::literal_field(out, "name", Literal::from_escaped(name));
            json::literal_field(out, "arguments", Literal::from_escaped(arguments));
        }
        end(out);
        self.item_event("response.output_item.done", index, Status::Completed, out);
    }

    /// Closes the open part of the open message.
    fn close_content(&mut self, out: &mut Vec<u8>) {
        let kind = match self.open {
            Open::Refusal => "response.refusal.done",
            Open::Text | Open::Nothing | Open::Reasoning => "response.output_text.done",
        };
        self.of_item(kind, self.last(), out);
        if let Some((at, content)) = self.content() {
            json::number_field(out, "content_index", at as u64);
            match content {
                Content::Text { text, logprobs, .. } => {
                    json::literal_field(out, "text", Literal::from_escaped(text));
                    json::key(out, "logprobs");
                    out.push(b'[');
                    out.extend_from_slice(logprobs);
                    out.push(b']');
                }
                Content::Refusal(text) => {
                    json::literal_field(out, "refusal", Literal::from_escaped(text));
                }
            }
        }
        end(out);
        self.content_event("response.content_part.done", out);
        end(out);
    }

    /// Closes what is open beside calls.
    fn close(&mut self, out: &mut Vec<u8>) {
        self.close_as(Status::Completed, out);
    }

    fn close_as(&mut self, status: Status, out: &mut Vec<u8>) {
        let index = self.last();
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => return,
            Open::Reasoning => self.close_summary(index, out),
            open @ (Open::Text | Open::Refusal) => {
                self.open = open;
                self.close_content(out);
                self.open = Open::Nothing;
            }
        }
        self.item_event("response.output_item.done", index, status, out);
    }

    fn close_summary(&mut self, index: usize, out: &mut Vec<u8>) {
        let Some(Item::Reasoning { text, .. }) = self.items.get_mut(index) else { return };
        if text.is_empty() {
            return;
        }
        let text = std::mem::take(text);
        self.of_item("response.reasoning_summary_text.done", index, out);
        json::raw_field(out, "summary_index", "0");
        json::literal_field(out, "text", Literal::from_escaped(&text));
        end(out);
        self.of_item("response.reasoning_summary_part.done", index, out);
        json::raw_field(out, "summary_index", "0");
        json::key(out, "part");
        items::summary(&text, out);
        end(out);
        if let Some(Item::Reasoning { text: held, .. }) = self.items.get_mut(index) {
            *held = text;
        }
    }

    /// The provider closed a block: reasoning ends with it, a message may go on in another block.
    fn block_stopped(&mut self, out: &mut Vec<u8>) {
        match self.open {
            Open::Reasoning => self.close(out),
            Open::Text | Open::Refusal => {
                if let Some((_, content)) = self.content() {
                    content.stretch();
                }
            }
            Open::Nothing => {
                if let Some((_, index)) = self.calls.pop() {
                    self.close_call(index, out);
                }
            }
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        let status = Status::of(&self.finish);
        self.close_as(status, out);
        for (_, index) in std::mem::take(&mut self.calls) {
            self.close_call(index, out);
        }
        let kind = match status {
            Status::Incomplete => "response.incomplete",
            Status::Completed | Status::InProgress => "response.completed",
        };
        self.response(kind, status, out);
    }
}

impl Encode for Writer {
    fn whole(&mut self, answer: &Answer<'_>, out: &mut Vec<u8>) {
        let identity = Identity::new(&answer.head, &self.model, self.now);
        let finish = answer.choices.first().map(|choice| choice.finish).unwrap_or_default();
        let items = items::collect(answer);
        Response {
            identity: &identity,
            echo: &self.echo,
            items: &items,
            status: Status::of(&finish),
            finish,
            usage: Some(&answer.usage),
        }
        .write(out);
    }

    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        match *event {
            Event::Started(ref head) => self.note(head),
            Event::Text(text) => self.say(Open::Text, text, out)?,
            Event::Refusal(text) => self.say(Open::Refusal, text, out)?,
            Event::Citation(ref citation) => self.cite(citation, out),
            Event::Logprobs(ref tokens) => self.logprobs(tokens),
            // One answer, and no fields beside OpenAI's.
            Event::Choice(_) | Event::Extra(..) => {}
            Event::Image(drawn) => self.image(drawn, out)?,
            Event::Thinking(text) => self.think(text, out)?,
            Event::Signature(signature) => self.seal("", signature, out)?,
            Event::RedactedThinking(data) => self.seal(REDACTED, data, out)?,
            Event::ToolStarted { tool, id, name } => self.call(tool, (id, name), out),
            Event::ToolArguments { tool, json } => self.arguments(tool, json, out)?,
            Event::BlockStopped => self.block_stopped(out),
            Event::Finished(ref finish) => {
                self.finish = match finish {
                    Finish::Stop | Finish::StopSequence(_) => Finish::Stop,
                    Finish::Length => Finish::Length,
                    Finish::ToolCalls => Finish::ToolCalls,
                    Finish::Refusal => Finish::Refusal,
                }
            }
            Event::Usage(ref counted) => self.usage.merge(counted),
            Event::Ping => {
                if self.started == Started::Yes {
                    out.extend_from_slice(b": ping\n\n");
                }
            }
            Event::Error(ref error) => self.broken(error, out),
            Event::Done => self.done(out),
        }
        Ok(())
    }

    fn error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
        openai_chat::error_body(status, error, out);
    }

    fn broken(&mut self, error: &ProviderError, out: &mut Vec<u8>) {
        self.begin("error", out);
        match error.kind.as_str() {
            "" => json::text_field(out, "code", "server_error"),
            kind => json::text_field(out, "code", kind),
        }
        json::text_field(out, "message", &error.message);
        json::raw_field(out, "param", "null");
        end(out);
    }
}

/// The end of an event.
fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n\n");
}
