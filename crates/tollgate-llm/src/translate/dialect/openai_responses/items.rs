use tollgate_types::Tokens;
use tollgate_wire::Literal;

use super::{Echo, REDACTED};
use crate::translate::{
    dialect::openai_chat,
    event::{Answer, Finish, ReplyHead, TokenLogprob},
    json,
    turn::{Citation, Origin, PartKind, Source},
};

/// One item of the answer; texts are escaped.
#[derive(Debug)]
pub(super) enum Item {
    Reasoning {
        text: String,
        sealed: String,
    },
    Message(Vec<Content>),
    Call {
        call_id: String,
        name: String,
        arguments: String,
    },
    /// Base64.
    Image {
        data: String,
    },
}

/// One part of a message.
#[derive(Debug)]
pub(super) enum Content {
    Text {
        text: String,
        /// Elements of `annotations`, and how many they are.
        annotations: Vec<u8>,
        cited: usize,
        /// Elements of `logprobs`.
        logprobs: Vec<u8>,
        /// Where the text began to which citations belong, and where it ends, in characters.
        span: (u64, u64),
    },
    Refusal(String),
}

/// Whether an item, or the answer, is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    InProgress,
    Completed,
    /// Cut by a bound or a filter.
    Incomplete,
}

/// What an answer says of itself.
#[derive(Debug)]
pub(super) struct Identity {
    /// `resp_…`, escaped.
    pub(super) id: String,
    /// Escaped.
    pub(super) model: String,
    /// Unix seconds.
    pub(super) created: u64,
    pub(super) service_tier: Option<String>,
}

// === impl Identity ===

impl Identity {
    /// Where the provider is silent, the call's own model and time stand in.
    pub(super) fn new(head: &ReplyHead<'_>, model: &str, now: u64) -> Self {
        let id = match head.id.filter(|id| !id.is_empty()).map(Literal::escaped) {
            Some(id) if id.starts_with("resp_") => id.to_owned(),
            Some(id) => format!("resp_{id}"),
            None => format!("resp_{now:x}"),
        };
        let model = match head.model.filter(|model| !model.is_empty()) {
            Some(model) => model.escaped().to_owned(),
            None => {
                let mut escaped = Vec::with_capacity(model.len());
                tollgate_wire::escape_into(&mut escaped, model);
                String::from_utf8_lossy(&escaped).into_owned()
            }
        };
        Self {
            id,
            model,
            created: head.created.and_then(tollgate_wire::Number::as_u64).unwrap_or(now),
            service_tier: head.service_tier.map(|tier| tier.escaped().to_owned()),
        }
    }

    /// `"<prefix>_<response>_<index>"`, without the quotes.
    pub(super) fn item_id(&self, prefix: &str, index: usize) -> String {
        format!("{prefix}_{}_{index}", self.stem())
    }

    /// The same, written with its quotes: events of a stream name their item, one for every token.
    pub(super) fn write_item_id(&self, prefix: &str, index: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(prefix.as_bytes());
        out.push(b'_');
        out.extend_from_slice(self.stem().as_bytes());
        out.push(b'_');
        json::number(out, index as u64);
        out.push(b'"');
    }

    /// What ids of items are made of.
    fn stem(&self) -> &str {
        self.id.strip_prefix("resp_").unwrap_or(&self.id)
    }
}

// === impl Status ===

impl Status {
    pub(super) const fn of(finish: &Finish<'_>) -> Self {
        match finish {
            Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls => Self::Completed,
            Finish::Length | Finish::Refusal => Self::Incomplete,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}

// === impl Item ===

impl Item {
    /// The beginning of its ids.
    pub(super) const fn prefix(&self) -> &'static str {
        match self {
            Self::Reasoning { .. } => "rs",
            Self::Message(_) => "msg",
            Self::Call { .. } => "fc",
            Self::Image { .. } => "ig",
        }
    }

    /// The whole object.
    pub(super) fn write(&self, id: &str, status: Status, out: &mut Vec<u8>) {
        json::comma(out);
        out.push(b'{');
        json::literal_field(out, "id", Literal::from_escaped(id));
        match self {
            Self::Reasoning { text, sealed } => {
                json::text_field(out, "type", "reasoning");
                json::key(out, "summary");
                out.push(b'[');
                if !text.is_empty() {
                    summary(text, out);
                }
                out.push(b']');
                if !sealed.is_empty() {
                    json::literal_field(out, "encrypted_content", Literal::from_escaped(sealed));
                }
            }
            Self::Message(contents) => {
                json::text_field(out, "type", "message");
                json::text_field(out, "status", status.word());
                json::text_field(out, "role", "assistant");
                json::key(out, "content");
                out.push(b'[');
                contents.iter().for_each(|content| content.write(out));
                out.push(b']');
            }
            Self::Call { call_id, name, arguments } => {
                json::text_field(out, "type", "function_call");
                json::text_field(out, "status", status.word());
                json::literal_field(out, "call_id", Literal::from_escaped(call_id));
                json::literal_field(out, "name", Literal::from_escaped(name));
                json::literal_field(out, "arguments", Literal::from_escaped(arguments));
            }
            Self::Image { data } => {
                json::text_field(out, "type", "image_generation_call");
                json::text_field(out, "status", status.word());
                match status {
                    Status::InProgress => json::raw_field(out, "result", "null"),
                    Status::Completed | Status::Incomplete => {
                        json::literal_field(out, "result", Literal::from_escaped(data));
                    }
                }
            }
        }
        out.push(b'}');
    }
}

/// One part of a reasoning item's `summary`.
pub(super) fn summary(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"summary_text""#);
    json::literal_field(out, "text", Literal::from_escaped(text));
    out.push(b'}');
}

// === impl Content ===

impl Content {
    pub(super) const fn text() -> Self {
        Self::Text {
            text: String::new(),
            annotations: Vec::new(),
            cited: 0,
            logprobs: Vec::new(),
            span: (0, 0),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        json::comma(out);
        match self {
            Self::Text { text, annotations, logprobs, .. } => {
                out.extend_from_slice(br#"{"type":"output_text","annotations":["#);
                out.extend_from_slice(annotations);
                out.extend_from_slice(br#"],"logprobs":["#);
                out.extend_from_slice(logprobs);
                out.push(b']');
                json::literal_field(out, "text", Literal::from_escaped(text));
            }
            Self::Refusal(text) => {
                out.extend_from_slice(br#"{"type":"refusal""#);
                json::literal_field(out, "refusal", Literal::from_escaped(text));
            }
        }
        out.push(b'}');
    }

    /// What follows is another stretch of text: citations after it belong to that alone.
    pub(super) const fn stretch(&mut self) {
        if let Self::Text { span, .. } = self {
            span.0 = span.1;
        }
    }

    pub(super) fn push(&mut self, more: Literal<'_>) {
        match self {
            Self::Text { text, span, .. } => {
                text.push_str(more.escaped());
                span.1 += more.chars();
            }
            Self::Refusal(text) => text.push_str(more.escaped()),
        }
    }

    /// Adds a citation; gives its place among the annotations, or `None` where OpenAI has no such kind.
    pub(super) fn cite(&mut self, citation: &Citation<'_>) -> Option<usize> {
        let (Self::Text { annotations, cited, span, .. }, Origin::Url(_)) = (self, citation.origin) else {
            return None;
        };
        json::comma(annotations);
        annotation(citation, *span, annotations);
        *cited += 1;
        Some(*cited - 1)
    }

    pub(super) fn add_logprobs(&mut self, tokens: &[TokenLogprob<'_>]) {
        if let Self::Text { logprobs, .. } = self {
            openai_chat::logprobs(tokens, logprobs);
        }
    }
}

/// A `url_citation`.
pub(super) fn annotation(citation: &Citation<'_>, text: (u64, u64), out: &mut Vec<u8>) {
    let Origin::Url(url) = citation.origin else { return };
    let (from, to) = citation.span.unwrap_or(text);
    out.extend_from_slice(br#"{"type":"url_citation""#);
    json::number_field(out, "start_index", from);
    json::number_field(out, "end_index", to);
    json::literal_field(out, "url", url);
    json::literal_field(out, "title", citation.title.unwrap_or_default());
    out.push(b'}');
}

/// Everything of a response but the opening of the object that holds it.
pub(super) struct Response<'r> {
    pub(super) identity: &'r Identity,
    pub(super) echo: &'r Echo,
    pub(super) items: &'r [Item],
    pub(super) status: Status,
    pub(super) finish: Finish<'r>,
    /// `None` while it is in progress.
    pub(super) usage: Option<&'r tollgate_types::Usage>,
}

// === impl Response ===

impl Response<'_> {
    /// The whole object.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Identity { id, model, created, service_tier } = self.identity;
        out.push(b'{');
        json::literal_field(out, "id", Literal::from_escaped(id));
        json::text_field(out, "object", "response");
        json::number_field(out, "created_at", *created);
        json::text_field(out, "status", self.status.word());
        json::raw_field(out, "error", "null");
        json::key(out, "incomplete_details");
        json::raw(
            out,
            match (self.status, self.finish) {
                (Status::Incomplete, Finish::Refusal) => r#"{"reason":"content_filter"}"#,
                (Status::Incomplete, _) => r#"{"reason":"max_output_tokens"}"#,
                (Status::InProgress | Status::Completed, _) => "null",
            },
        );
        json::literal_field(out, "model", Literal::from_escaped(model));
        json::key(out, "output");
        out.push(b'[');
        for (index, item) in self.items.iter().enumerate() {
            let last = index + 1 == self.items.len();
            let status = if last { self.status } else { Status::Completed };
            item.write(&self.identity.item_id(item.prefix(), index), status, out);
        }
        out.push(b']');
        self.echo.write(out);
        if let Some(tier) = service_tier {
            json::literal_field(out, "service_tier", Literal::from_escaped(tier));
        }
        json::key(out, "usage");
        match self.usage {
            Some(counted) => usage(counted, out),
            None => json::raw(out, "null"),
        }
        out.push(b'}');
    }
}

fn usage(usage: &tollgate_types::Usage, out: &mut Vec<u8>) {
    let count = |tokens: Option<Tokens>| tokens.unwrap_or_default().0;
    out.push(b'{');
    json::number_field(out, "input_tokens", count(usage.input));
    json::key(out, "input_tokens_details");
    out.push(b'{');
    json::number_field(out, "cached_tokens", count(usage.cached_input));
    if let Some(created) = usage.cache_creation_input {
        json::number_field(out, "cache_creation_input_tokens", created.0);
    }
    out.push(b'}');
    json::number_field(out, "output_tokens", count(usage.output));
    json::key(out, "output_tokens_details");
    out.push(b'{');
    json::number_field(out, "reasoning_tokens", count(usage.reasoning));
    out.push(b'}');
    json::number_field(out, "total_tokens", usage.total_or_sum().0);
    out.push(b'}');
}

/// The items of a whole answer.
pub(super) fn collect(answer: &Answer<'_>) -> Vec<Item> {
    let owned = |text: Literal<'_>| text.escaped().to_owned();
    let mut items = Vec::new();
    let Some(choice) = answer.choices.first() else { return items };
    for part in &choice.parts {
        match part {
            PartKind::Text(text) => message(&mut items, Content::text(), *text),
            PartKind::Refusal(text) => message(&mut items, Content::Refusal(String::new()), *text),
            PartKind::Citation(citation) => {
                if let Some(Item::Message(contents)) = items.last_mut()
                    && let Some(content) = contents.last_mut()
                {
                    content.cite(citation);
                }
            }
            PartKind::Thinking { text, signature } => items.push(Item::Reasoning {
                text: owned(*text),
                sealed: signature.map(owned).unwrap_or_default(),
            }),
            PartKind::RedactedThinking(data) => items.push(Item::Reasoning {
                text: String::new(),
                sealed: format!("{REDACTED}{}", data.escaped()),
            }),
            PartKind::ToolCall { id, name, input } => {
                let mut arguments = Vec::with_capacity(input.len());
                tollgate_wire::escape_into(&mut arguments, input);
                let arguments = String::from_utf8_lossy(&arguments).into_owned();
                items.push(Item::Call { call_id: owned(*id), name: owned(*name), arguments });
            }
            PartKind::Image { source: Source::Base64 { data, .. }, .. } => {
                items.push(Item::Image { data: owned(*data) });
            }
            PartKind::Image { source: Source::Url(_), .. }
            | PartKind::Document { .. }
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::ToolResult { .. } => {}
        }
    }
    if let Some(Item::Message(contents)) =
        items.iter_mut().rev().find(|item| matches!(item, Item::Message(_)))
        && let Some(content) = contents.first_mut()
    {
        content.add_logprobs(&choice.logprobs);
    }
    items
}

/// Text joins the message before it, where there is one; each text is a stretch of its own for citations.
fn message(items: &mut Vec<Item>, empty: Content, text: Literal<'_>) {
    if !matches!(items.last(), Some(Item::Message(_))) {
        items.push(Item::Message(Vec::new()));
    }
    let Some(Item::Message(contents)) = items.last_mut() else { return };
    let same = |content: &Content| std::mem::discriminant(content) == std::mem::discriminant(&empty);
    if !contents.last().is_some_and(same) {
        contents.push(empty);
    }
    if let Some(content) = contents.last_mut() {
        content.stretch();
        content.push(text);
    }
}
