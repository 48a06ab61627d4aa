use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_wire::cohere as wire;

use super::{
    error,
    reply::{self, End},
};
use crate::{
    Fault,
    translate::{
        event::{Answer, Decode, Event, ProviderError, ReplyHead, Sink},
        json::parsed,
        provider::openai::present,
    },
};

/// Tools that one answer may call; more is no answer but an attack.
const TOOLS: usize = 4096;

/// Reads replies of `POST /v2/chat` and their streams.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    tools: usize,
    counts: Counts,
    state: State,
}

/// Whether the numbers have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Counts {
    #[default]
    Due,
    Final,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Running,
    /// `message-end` was there.
    Complete,
}

// === impl Decoder ===

impl Decoder {
    fn content(raw: Option<&RawValue>, sink: &mut Sink<'_>) {
        let Some(content) = object::<wire::Content<'_>>(raw) else { return };
        if let Some(text) = present(content.thinking) {
            sink(Event::Thinking(text));
        }
        if let Some(text) = present(content.text) {
            sink(Event::Text(text));
        }
    }

    fn tool_started(&mut self, raw: Option<&RawValue>, sink: &mut Sink<'_>) -> Result<(), Fault> {
        let call = object::<wire::ToolCall<'_>>(raw);
        let Some((call, function)) = call.as_ref().and_then(|call| Some((call, call.function.as_ref()?)))
        else {
            return Err(Fault::Malformed("a tool call begins without a function".to_owned()));
        };
        if self.tools >= TOOLS {
            return Err(Fault::Malformed("too many tool calls".to_owned()));
        }
        let tool = self.tools;
        self.tools += 1;
        let (id, name) = (call.id.unwrap_or_default(), function.name.unwrap_or_default());
        sink(Event::ToolStarted { tool, id, name });
        if let Some(json) = present(function.arguments) {
            sink(Event::ToolArguments { tool, json });
        }
        Ok(())
    }

    /// Calls come one after the other: a piece belongs to the last.
    fn tool_arguments(&self, raw: Option<&RawValue>, sink: &mut Sink<'_>) {
        let call = object::<wire::ToolCall<'_>>(raw);
        let arguments = call.and_then(|call| call.function).and_then(|function| function.arguments);
        if let (Some(tool), Some(json)) = (self.tools.checked_sub(1), present(arguments)) {
            sink(Event::ToolArguments { tool, json });
        }
    }

    fn end(&mut self, delta: &wire::Delta<'_>, sink: &mut Sink<'_>) {
        if let Some(counted) = &delta.usage {
            self.counts = Counts::Final;
            sink(Event::Usage(reply::usage(counted)));
        }
        let told = present(delta.error).map(|text| text.decode().into_owned());
        match (told, reply::end(delta.finish_reason)) {
            (None, End::Finish(finish)) => {
                self.state = State::Complete;
                sink(Event::Finished(finish));
                sink(Event::Done);
            }
            (Some(message), _) => sink(Event::Error(ProviderError { message, ..ProviderError::default() })),
            (None, End::Failed(reason)) => {
                let message = reason.to_owned();
                sink(Event::Error(ProviderError { message, ..ProviderError::default() }));
            }
        }
    }
}

impl Decode for Decoder {
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Answer<'b>, Fault> {
        reply::whole(body)
    }

    fn event(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Fault> {
        if data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let event: wire::Event<'_> = parsed(data).map_err(Fault::Malformed)?;
        let message = event.delta.as_ref().and_then(|delta| delta.message.as_ref());
        let content = message.and_then(|message| message.content);
        let calls = message.and_then(|message| message.tool_calls);
        match event.kind.unwrap_or_default().escaped() {
            "message-start" => {
                sink(Event::Started(ReplyHead { id: present(event.id), ..ReplyHead::default() }));
            }
            "content-start" | "content-delta" => Self::content(content, sink),
            "content-end" | "tool-call-end" => sink(Event::BlockStopped),
            "tool-plan-delta" => {
                if let Some(text) = present(message.and_then(|message| message.tool_plan)) {
                    sink(Event::Text(text));
                }
            }
            "tool-call-start" => self.tool_started(calls, sink)?,
            "tool-call-delta" => self.tool_arguments(calls, sink),
            "citation-start" => {
                let citation = object::<wire::Citation<'_>>(message.and_then(|message| message.citations));
                if let Some(citation) = &citation {
                    reply::citations(citation).for_each(|one| sink(Event::Citation(one)));
                }
            }
            "message-end" => match &event.delta {
                Some(delta) => self.end(delta, sink),
                None => return Err(Fault::Malformed("a message-end without a delta".to_owned())),
            },
            // Cohere adds event types; what we do not know is not for us.
            _ => {}
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
        self.state == State::Complete
    }
}

/// `None` where it is absent or a list.
fn object<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}
