use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Literal, Number, OneOrMany};

/// The body of `POST /v1/messages`; fields that no translation reads are left out.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    /// The conversation.
    #[serde(borrow)]
    pub messages: Vec<Message<'a>>,
    /// Instructions.
    pub system: Option<OneOrMany<'a, Block<'a>>>,
    /// Upper bound of output tokens.
    pub max_tokens: Option<Number<'a>>,
    /// 0 to 1.
    pub temperature: Option<Number<'a>>,
    /// 0 to 1.
    pub top_p: Option<Number<'a>>,
    /// How many tokens to choose from.
    pub top_k: Option<Number<'a>>,
    /// Where to stop.
    pub stop_sequences: Option<Vec<Literal<'a>>>,
    /// What the model may call.
    pub tools: Option<Vec<Tool<'a>>>,
    /// Whether it must.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether and how long it thinks.
    pub thinking: Option<ThinkingConfig<'a>>,
    /// Format and effort of the answer.
    pub output_config: Option<OutputConfig<'a>>,
    /// Beta name of `output_config.format`.
    pub output_format: Option<OutputFormat<'a>>,
    /// Who is behind the call.
    pub metadata: Option<Metadata<'a>>,
    /// `auto`, `standard_only`.
    pub service_tier: Option<Literal<'a>>,
    /// Servers whose tools Anthropic calls: a list.
    #[serde(borrow)]
    pub mcp_servers: Option<&'a RawValue>,
}

/// One message of the conversation.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    /// `user`, `assistant`; some clients send `system`.
    #[serde(borrow)]
    pub role: Literal<'a>,
    /// A string or blocks.
    pub content: OneOrMany<'a, Block<'a>>,
}

/// One content block of a request: `type` says which of the fields counts.
#[derive(Debug, Deserialize)]
pub struct Block<'a> {
    /// `text`, `image`, `document`, `tool_use`, `tool_result`, `thinking`, `redacted_thinking` …
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `text`.
    pub text: Option<Literal<'a>>,
    /// Of `image` and `document`, an object; of `search_result`, a string.
    #[serde(borrow)]
    pub source: Option<&'a RawValue>,
    /// Of `document`.
    pub title: Option<Literal<'a>>,
    /// Of `tool_use`.
    pub id: Option<Literal<'a>>,
    /// Of `tool_use`.
    pub name: Option<Literal<'a>>,
    /// Of `tool_use`: an object.
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    /// Of `tool_result`.
    pub tool_use_id: Option<Literal<'a>>,
    /// Of `tool_result` and `search_result`: a string or blocks; read apart, for blocks nest.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    /// Of `tool_result`.
    pub is_error: Option<bool>,
    /// Of `thinking`.
    pub thinking: Option<Literal<'a>>,
    /// Of `thinking`.
    pub signature: Option<Literal<'a>>,
    /// Of `redacted_thinking`: opaque.
    pub data: Option<Literal<'a>>,
    /// Marks the end of a prefix to cache.
    #[serde(borrow)]
    pub cache_control: Option<&'a RawValue>,
}

/// Where an image or a document is.
#[derive(Debug, Deserialize)]
pub struct Source<'a> {
    /// `base64`, `url`, `text`, `content`, `file`.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `base64` and `text`.
    pub media_type: Option<Literal<'a>>,
    /// Of `base64` and `text`.
    pub data: Option<Literal<'a>>,
    /// Of `url`.
    pub url: Option<Literal<'a>>,
    /// Of `content`: a string or blocks.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
}

/// What the model may call.
#[derive(Debug, Deserialize)]
pub struct Tool<'a> {
    /// Absent or `custom` for the client's own; others run at the provider.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Literal<'a>>,
    /// Its name.
    pub name: Option<Literal<'a>>,
    /// What it is for.
    pub description: Option<Literal<'a>>,
    /// JSON Schema of the input.
    #[serde(borrow)]
    pub input_schema: Option<&'a RawValue>,
    /// True: the input follows the schema exactly.
    pub strict: Option<bool>,
    /// Marks the end of a prefix to cache.
    #[serde(borrow)]
    pub cache_control: Option<&'a RawValue>,
}

/// Whether a tool must be called.
#[derive(Debug, Deserialize)]
pub struct ToolChoice<'a> {
    /// `auto`, `any`, `tool`, `none`.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `tool`.
    pub name: Option<Literal<'a>>,
    /// True: at most one call in an answer.
    pub disable_parallel_tool_use: Option<bool>,
}

/// Whether and how long the model thinks.
#[derive(Debug, Deserialize)]
pub struct ThinkingConfig<'a> {
    /// `enabled`, `disabled`, `adaptive`.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `enabled`, in tokens.
    pub budget_tokens: Option<Number<'a>>,
    /// `summarized` or `omitted`.
    pub display: Option<Literal<'a>>,
}

/// Format and effort of the answer.
#[derive(Debug, Deserialize)]
pub struct OutputConfig<'a> {
    /// Structured output.
    #[serde(borrow)]
    pub format: Option<OutputFormat<'a>>,
    /// `low`, `medium`, `high`, `xhigh`, `max`.
    pub effort: Option<Literal<'a>>,
}

/// Structured output.
#[derive(Debug, Deserialize)]
pub struct OutputFormat<'a> {
    /// `json_schema`
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// JSON Schema.
    #[serde(borrow)]
    pub schema: Option<&'a RawValue>,
}

/// Who is behind the call.
#[derive(Debug, Deserialize)]
pub struct Metadata<'a> {
    /// An opaque id.
    #[serde(borrow)]
    pub user_id: Option<Literal<'a>>,
}
