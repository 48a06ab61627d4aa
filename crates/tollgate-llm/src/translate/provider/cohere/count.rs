//! Cohere tokenizes plain text, and knows of no conversation. Source: Cohere API reference, `POST /v1/tokenize`.

use serde::Deserialize;
use tollgate_wire::escape_into;

use super::error;
use crate::{
    Fault, Untranslatable,
    translate::{
        Job,
        event::ProviderError,
        json::{self, parsed},
        provider::Call,
        turn::{Message, Part, PartKind, Turn},
    },
};

/// Encodes a request to `POST /v1/tokenize`: all texts of the prompt one after the other, tools as JSON before them.
pub(crate) fn count_call(job: &Job<'_>, turn: &Turn<'_>) -> Result<Call, Untranslatable> {
    turn.refuse_hosted("Cohere")?;
    let mut text = Text(vec![b'{']);
    json::text_field(&mut text.0, "model", job.model.as_str());
    json::key(&mut text.0, "text");
    text.0.push(b'"');
    let start = text.0.len();
    for tool in &turn.tools {
        text.escaped(start, tool.name.escaped());
        text.escaped(start, tool.description.map_or("", |description| description.escaped()));
        text.plain(start, tool.schema.map_or("", |schema| schema.get()));
    }
    for message in &turn.messages {
        for part in &message.parts {
            text.part(start, message, part)?;
        }
    }
    text.0.extend_from_slice(b"\"}");
    Ok(Call { path: "/v1/tokenize".to_owned(), headers: Vec::new(), body: text.0 })
}

/// A body that ends in an open string.
struct Text(Vec<u8>);

// === impl Text ===

impl Text {
    fn part(&mut self, start: usize, message: &Message<'_>, part: &Part<'_>) -> Result<(), Untranslatable> {
        match &part.kind {
            PartKind::Text(text) | PartKind::Refusal(text) | PartKind::Thinking { text, .. } => {
                self.escaped(start, text.escaped());
            }
            PartKind::ToolCall { name, input, .. } => {
                self.escaped(start, name.escaped());
                self.plain(start, input);
            }
            PartKind::ToolResult { parts, .. } => {
                parts.iter().try_for_each(|inner| self.part(start, message, inner))?;
            }
            PartKind::RedactedThinking(_) | PartKind::Citation(_) => {}
            PartKind::Image { .. } | PartKind::Document { .. } | PartKind::Audio(_) | PartKind::Video(_) => {
                return Err(Untranslatable::Field {
                    field: message.place(part.at),
                    reason: "Cohere counts the tokens of text alone".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// A text on lines of its own, as it stands in the client's JSON.
    fn escaped(&mut self, start: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.0.len() > start {
            self.0.extend_from_slice(br"\n");
        }
        self.0.extend_from_slice(text.as_bytes());
    }

    fn plain(&mut self, start: usize, text: &str) {
        let mut escaped = Vec::with_capacity(text.len());
        escape_into(&mut escaped, text);
        self.escaped(start, &String::from_utf8_lossy(&escaped));
    }
}

#[derive(Deserialize)]
struct Tokenized {
    tokens: Vec<i64>,
}

/// The number of tokens in a whole success body.
pub(crate) fn counted(body: &[u8]) -> Result<u64, Fault> {
    let tokenized: Tokenized = parsed(body).map_err(Fault::Malformed)?;
    Ok(tokenized.tokens.len() as u64)
}

/// A whole error body.
pub(crate) fn count_error(body: &[u8]) -> Option<ProviderError> {
    error::body(body)
}
