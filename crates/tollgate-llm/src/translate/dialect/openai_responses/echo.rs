use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Untranslatable,
    translate::json::{self, reason},
};

/// What every response repeats of its request, as JSON members. OpenAI's SDKs require most of them.
#[derive(Clone, Debug)]
pub(crate) struct Echo(Vec<u8>);

/// The members, each as the client wrote it.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
    max_output_tokens: Option<&'a RawValue>,
    max_tool_calls: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
    parallel_tool_calls: Option<&'a RawValue>,
    reasoning: Option<&'a RawValue>,
    safety_identifier: Option<&'a RawValue>,
    temperature: Option<&'a RawValue>,
    text: Option<&'a RawValue>,
    tool_choice: Option<&'a RawValue>,
    tools: Option<&'a RawValue>,
    top_logprobs: Option<&'a RawValue>,
    top_p: Option<&'a RawValue>,
    truncation: Option<&'a RawValue>,
    user: Option<&'a RawValue>,
}

// === impl Echo ===

impl Echo {
    /// # Errors
    /// [`Untranslatable::Shape`] where a member occurs twice.
    pub(super) fn read(body: &[u8]) -> Result<Self, Untranslatable> {
        let members: Members<'_> =
            serde_json::from_slice(body).map_err(|error| Untranslatable::Shape(reason(&error)))?;
        let mut out = vec![b'{'];
        for (name, value, default) in [
            ("background", None, "false"),
            ("instructions", members.instructions, "null"),
            ("max_output_tokens", members.max_output_tokens, "null"),
            ("max_tool_calls", members.max_tool_calls, "null"),
            ("metadata", members.metadata, "{}"),
            ("parallel_tool_calls", members.parallel_tool_calls, "true"),
            ("previous_response_id", None, "null"),
            ("reasoning", members.reasoning, r#"{"effort":null,"summary":null}"#),
            ("safety_identifier", members.safety_identifier, "null"),
            // Nothing is kept here, whatever the client asked for.
            ("store", None, "false"),
            ("temperature", members.temperature, "1.0"),
            ("text", members.text, r#"{"format":{"type":"text"}}"#),
            ("tool_choice", members.tool_choice, r#""auto""#),
            ("tools", members.tools, "[]"),
            ("top_logprobs", members.top_logprobs, "0"),
            ("top_p", members.top_p, "1.0"),
            ("truncation", members.truncation, r#""disabled""#),
            ("user", members.user, "null"),
        ] {
            json::raw_field(&mut out, name, value.map_or(default, RawValue::get));
        }
        out.remove(0);
        Ok(Self(out))
    }

    /// Appends the members.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        json::comma(out);
        out.extend_from_slice(&self.0);
    }
}
