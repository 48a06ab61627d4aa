use serde_json::value::RawValue;
use tollgate_wire::{Literal, Number, responses::Request};

use crate::translate::json;

/// What every response repeats of its request, as JSON members in the client's spelling. OpenAI's SDKs require most of
/// them.
#[derive(Clone, Debug)]
pub(crate) struct Echo(Vec<u8>);

// === impl Echo ===

impl Echo {
    pub(super) fn of(request: &Request<'_>) -> Self {
        let mut echo = Self(Vec::with_capacity(512));
        echo.constant("background", "false");
        echo.text("instructions", request.instructions);
        echo.number("max_output_tokens", request.max_output_tokens, "null");
        echo.raw("max_tool_calls", request.max_tool_calls, "null");
        echo.raw("metadata", request.metadata, "{}");
        let parallel = request.parallel_tool_calls.unwrap_or(true);
        echo.constant("parallel_tool_calls", if parallel { "true" } else { "false" });
        echo.constant("previous_response_id", "null");
        echo.raw("reasoning", request.reasoning, r#"{"effort":null,"summary":null}"#);
        echo.text("safety_identifier", request.safety_identifier);
        // Nothing is kept here, whatever the client asked for.
        echo.constant("store", "false");
        echo.number("temperature", request.temperature, "1.0");
        echo.raw("text", request.text, r#"{"format":{"type":"text"}}"#);
        echo.raw("tool_choice", request.tool_choice, r#""auto""#);
        echo.raw("tools", request.tools, "[]");
        echo.number("top_logprobs", request.top_logprobs, "0");
        echo.number("top_p", request.top_p, "1.0");
        echo.raw("truncation", request.truncation, r#""disabled""#);
        echo.text("user", request.user);
        echo
    }

    fn constant(&mut self, name: &str, json: &str) {
        json::raw_field(&mut self.0, name, json);
    }

    fn raw(&mut self, name: &str, value: Option<&RawValue>, absent: &str) {
        self.constant(name, value.map_or(absent, RawValue::get));
    }

    fn number(&mut self, name: &str, value: Option<Number<'_>>, absent: &str) {
        self.constant(name, value.map_or(absent, Number::as_str));
    }

    fn text(&mut self, name: &str, value: Option<Literal<'_>>) {
        match value {
            Some(text) => json::literal_field(&mut self.0, name, text),
            None => self.constant(name, "null"),
        }
    }

    /// Appends the members.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        json::comma(out);
        out.extend_from_slice(&self.0);
    }
}
