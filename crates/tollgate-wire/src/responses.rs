//! OpenAI's responses API, the parts that a translation reads. Source: the OpenAI API reference,
//! `POST /v1/responses`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Literal, Number, OneOrMany, openai::InputAudio};

/// The body of a request.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    /// A string, or items.
    #[serde(borrow)]
    pub input: Option<OneOrMany<'a, Item<'a>>>,
    /// The system message.
    pub instructions: Option<Literal<'a>>,
    /// Upper bound of output tokens, reasoning included.
    pub max_output_tokens: Option<Number<'a>>,
    /// 0 to 2.
    pub temperature: Option<Number<'a>>,
    /// 0 to 1.
    pub top_p: Option<Number<'a>>,
    /// Alternatives for each token of the text.
    pub top_logprobs: Option<Number<'a>>,
    /// What else the answer has to hold.
    pub include: Option<Vec<Literal<'a>>>,
    /// What the model may call: a list of [`Tool`]s; read apart, for the answer repeats it.
    #[serde(borrow)]
    pub tools: Option<&'a RawValue>,
    /// A word, or an object that names a tool.
    #[serde(borrow)]
    pub tool_choice: Option<&'a RawValue>,
    /// False: at most one call in an answer.
    pub parallel_tool_calls: Option<bool>,
    /// At most so many calls of tools that the provider runs.
    #[serde(borrow)]
    pub max_tool_calls: Option<&'a RawValue>,
    /// How hard it thinks: [`Reasoning`], read apart.
    #[serde(borrow)]
    pub reasoning: Option<&'a RawValue>,
    /// What the text has to look like: [`Text`], read apart.
    #[serde(borrow)]
    pub text: Option<&'a RawValue>,
    /// What becomes of a prompt that is too long: `auto`, `disabled`.
    #[serde(borrow)]
    pub truncation: Option<&'a RawValue>,
    /// Deprecated name of `safety_identifier`.
    pub user: Option<Literal<'a>>,
    /// Who is behind the call.
    pub safety_identifier: Option<Literal<'a>>,
    /// `auto`, `default`, `flex`, `priority`.
    pub service_tier: Option<Literal<'a>>,
    /// The client's own, up to 16 pairs.
    #[serde(borrow)]
    pub metadata: Option<&'a RawValue>,
    /// An earlier answer that the provider keeps.
    pub previous_response_id: Option<Literal<'a>>,
    /// A conversation that the provider keeps.
    #[serde(borrow)]
    pub conversation: Option<&'a RawValue>,
    /// A prompt that the provider keeps.
    #[serde(borrow)]
    pub prompt: Option<&'a RawValue>,
    /// True: the answer is fetched later.
    pub background: Option<bool>,
}

/// One item of the input: `type` says which of the fields counts; without one it is a message.
#[derive(Debug, Deserialize)]
pub struct Item<'a> {
    /// `message`, `function_call`, `function_call_output`, `reasoning` …
    #[serde(borrow, rename = "type")]
    pub kind: Option<Literal<'a>>,
    /// Of a message: `user`, `assistant`, `system`, `developer`.
    pub role: Option<Literal<'a>>,
    /// Of a message, and of reasoning: a string or parts.
    pub content: Option<OneOrMany<'a, Part<'a>>>,
    /// Of a call and its output.
    pub call_id: Option<Literal<'a>>,
    /// Of a call.
    pub name: Option<Literal<'a>>,
    /// Of a call: JSON in a string.
    pub arguments: Option<Literal<'a>>,
    /// Of a call's output: a string or parts.
    pub output: Option<OneOrMany<'a, Part<'a>>>,
    /// Of reasoning: its text.
    pub summary: Option<Vec<Part<'a>>>,
    /// Of reasoning: what only the provider reads.
    pub encrypted_content: Option<Literal<'a>>,
}

/// One part of an item: `type` says which of the fields counts.
#[derive(Debug, Deserialize)]
pub struct Part<'a> {
    /// `input_text`, `input_image`, `input_file`, `input_audio`, `output_text`, `refusal`, `summary_text`,
    /// `reasoning_text`.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of the texts.
    pub text: Option<Literal<'a>>,
    /// Of `refusal`.
    pub refusal: Option<Literal<'a>>,
    /// Of `input_image`: an address, `data:` included.
    pub image_url: Option<Literal<'a>>,
    /// Of `input_image`: `auto`, `low`, `high`.
    pub detail: Option<Literal<'a>>,
    /// Of `input_file`: a `data:` address, or base64 alone.
    pub file_data: Option<Literal<'a>>,
    /// Of `input_file`: an address.
    pub file_url: Option<Literal<'a>>,
    /// Of `input_file`.
    pub filename: Option<Literal<'a>>,
    /// Of `input_audio`.
    pub input_audio: Option<InputAudio<'a>>,
}

/// What the model may call.
#[derive(Debug, Deserialize)]
pub struct Tool<'a> {
    /// `function`; others are run by providers.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Its name.
    pub name: Option<Literal<'a>>,
    /// What it is for.
    pub description: Option<Literal<'a>>,
    /// JSON Schema of the arguments.
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    /// True: the arguments follow the schema exactly.
    pub strict: Option<bool>,
}

/// `tool_choice` as an object.
#[derive(Debug, Deserialize)]
pub struct NamedTool<'a> {
    /// `function`
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Its name.
    pub name: Option<Literal<'a>>,
}

/// How hard the model thinks.
#[derive(Debug, Deserialize)]
pub struct Reasoning<'a> {
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh`.
    #[serde(borrow)]
    pub effort: Option<Literal<'a>>,
    /// `auto`, `concise`, `detailed`.
    pub summary: Option<Literal<'a>>,
}

/// What the text has to look like.
#[derive(Debug, Default, Deserialize)]
pub struct Text<'a> {
    /// Its format.
    #[serde(borrow)]
    pub format: Option<TextFormat<'a>>,
    /// `low`, `medium`, `high`.
    pub verbosity: Option<Literal<'a>>,
}

/// The format of the text.
#[derive(Debug, Deserialize)]
pub struct TextFormat<'a> {
    /// `text`, `json_object`, `json_schema`.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `json_schema`.
    #[serde(borrow)]
    pub schema: Option<&'a RawValue>,
}
