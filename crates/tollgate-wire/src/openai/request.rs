use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Literal, Number, OneOrMany};

/// The body of `POST /v1/chat/completions`; fields that no translation reads are left out.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    /// The conversation.
    #[serde(borrow)]
    pub messages: Vec<Message<'a>>,
    /// Deprecated name of `max_completion_tokens`.
    pub max_tokens: Option<Number<'a>>,
    /// Upper bound of output tokens, reasoning included.
    pub max_completion_tokens: Option<Number<'a>>,
    /// 0 to 2.
    pub temperature: Option<Number<'a>>,
    /// 0 to 1.
    pub top_p: Option<Number<'a>>,
    /// How many answers.
    pub n: Option<Number<'a>>,
    /// Best-effort determinism.
    pub seed: Option<Number<'a>>,
    /// -2 to 2.
    pub presence_penalty: Option<Number<'a>>,
    /// -2 to 2.
    pub frequency_penalty: Option<Number<'a>>,
    /// True: token probabilities are wanted.
    pub logprobs: Option<bool>,
    /// How many alternatives for each token, 0 to 20.
    pub top_logprobs: Option<Number<'a>>,
    /// Where to stop; a string or up to four of them.
    pub stop: Option<OneOrMany<'a, Literal<'a>>>,
    /// What the model may call.
    pub tools: Option<Vec<Tool<'a>>>,
    /// A word, or an object that names a function.
    #[serde(borrow)]
    pub tool_choice: Option<&'a RawValue>,
    /// False: at most one call in an answer.
    pub parallel_tool_calls: Option<bool>,
    /// What the answer's text has to look like.
    pub response_format: Option<ResponseFormat<'a>>,
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    pub reasoning_effort: Option<Literal<'a>>,
    /// `low`, `medium`, `high`.
    pub verbosity: Option<Literal<'a>>,
    /// `auto`, `default`, `flex`, `priority`.
    pub service_tier: Option<Literal<'a>>,
    /// Extension: Anthropic's `thinking` as it is.
    pub thinking: Option<ThinkingOption<'a>>,
    /// Deprecated name of `safety_identifier`.
    pub user: Option<Literal<'a>>,
    /// Who is behind the call.
    pub safety_identifier: Option<Literal<'a>>,
    /// `text`, `audio`.
    pub modalities: Option<Vec<Literal<'a>>>,
    /// Deprecated form of `tools`.
    #[serde(borrow)]
    pub functions: Option<&'a RawValue>,
    /// Web search in search models.
    #[serde(borrow)]
    pub web_search_options: Option<&'a RawValue>,
    /// Extension: Gemini's thresholds by category.
    #[serde(borrow, rename = "safetySettings")]
    pub safety_settings: Option<&'a RawValue>,
    /// Extension: Gemini's settings that have no other name here.
    #[serde(borrow, rename = "generationConfig")]
    pub generation_config: Option<&'a RawValue>,
    /// Extension of vLLM: a list of strings.
    #[serde(borrow)]
    pub guided_choice: Option<&'a RawValue>,
    /// Extension of vLLM: a pattern.
    #[serde(borrow)]
    pub guided_regex: Option<&'a RawValue>,
    /// Extension of vLLM: a JSON schema.
    #[serde(borrow)]
    pub guided_json: Option<&'a RawValue>,
}

/// One message of the conversation.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    /// `system`, `developer`, `user`, `assistant`, `tool`, `function`.
    #[serde(borrow)]
    pub role: Literal<'a>,
    /// A string or parts; may be absent beside `tool_calls`.
    pub content: Option<OneOrMany<'a, Part<'a>>>,
    /// An assistant's refusal.
    pub refusal: Option<Literal<'a>>,
    /// What the assistant called.
    pub tool_calls: Option<Vec<RequestToolCall<'a>>>,
    /// Deprecated form of `tool_calls`.
    #[serde(borrow)]
    pub function_call: Option<&'a RawValue>,
    /// Which call a tool message answers.
    pub tool_call_id: Option<Literal<'a>>,
    /// Extension: signed thinking of an earlier answer.
    pub thinking_blocks: Option<Vec<ThinkingBlock<'a>>>,
    /// Extension: Anthropic's cache mark.
    #[serde(borrow)]
    pub cache_control: Option<&'a RawValue>,
}

/// One part of a message's content: `type` says which of the fields counts.
#[derive(Debug, Deserialize)]
pub struct Part<'a> {
    /// `text`, `image_url`, `file`, `input_audio`, `refusal`; extensions `thinking`, `redacted_thinking`.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `text` and of the extension `thinking`.
    pub text: Option<Literal<'a>>,
    /// Of `refusal`.
    pub refusal: Option<Literal<'a>>,
    /// Of `image_url`.
    pub image_url: Option<ImageUrl<'a>>,
    /// Of `file`.
    pub file: Option<File<'a>>,
    /// Of `input_audio`.
    pub input_audio: Option<InputAudio<'a>>,
    /// Extension: of `audio_url`.
    pub audio_url: Option<ImageUrl<'a>>,
    /// Extension: of `video_url`.
    pub video_url: Option<ImageUrl<'a>>,
    /// Of `thinking`, where it is not in `text`.
    pub thinking: Option<Literal<'a>>,
    /// Of `thinking`.
    pub signature: Option<Literal<'a>>,
    /// Of `redacted_thinking`.
    pub data: Option<Literal<'a>>,
    /// Of `redacted_thinking`, an older name of `data`.
    #[serde(rename = "redactedContent")]
    pub redacted_content: Option<Literal<'a>>,
    /// Extension: Anthropic's cache mark.
    #[serde(borrow)]
    pub cache_control: Option<&'a RawValue>,
}

/// An image by address; `data:` carries the bytes.
#[derive(Debug, Deserialize)]
pub struct ImageUrl<'a> {
    /// `https:` or `data:`.
    #[serde(borrow)]
    pub url: Literal<'a>,
    /// `auto`, `low`, `high`.
    pub detail: Option<Literal<'a>>,
}

/// A sound.
#[derive(Debug, Deserialize)]
pub struct InputAudio<'a> {
    /// Base64.
    #[serde(borrow)]
    pub data: Literal<'a>,
    /// `wav`, `mp3`.
    pub format: Literal<'a>,
}

/// A document.
#[derive(Debug, Deserialize)]
pub struct File<'a> {
    /// A `data:` address.
    #[serde(borrow)]
    pub file_data: Option<Literal<'a>>,
    /// A file that was uploaded to the provider.
    pub file_id: Option<Literal<'a>>,
    /// Its name.
    pub filename: Option<Literal<'a>>,
}

/// A call that an assistant made earlier.
#[derive(Debug, Deserialize)]
pub struct RequestToolCall<'a> {
    /// Chosen by the provider that made the call.
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// What was called.
    pub function: Option<CalledFunction<'a>>,
    /// Extension: Anthropic's cache mark.
    #[serde(borrow)]
    pub cache_control: Option<&'a RawValue>,
}

/// Name and arguments of a call.
#[derive(Debug, Deserialize)]
pub struct CalledFunction<'a> {
    /// The tool.
    #[serde(borrow)]
    pub name: Literal<'a>,
    /// JSON in a string.
    pub arguments: Option<Literal<'a>>,
}

/// `thinking_blocks[]`, in Anthropic's words.
#[derive(Debug, Deserialize)]
pub struct ThinkingBlock<'a> {
    /// `thinking` or `redacted_thinking`.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `thinking`.
    pub thinking: Option<Literal<'a>>,
    /// Of `thinking`.
    pub signature: Option<Literal<'a>>,
    /// Of `redacted_thinking`: opaque.
    pub data: Option<Literal<'a>>,
}

/// What the model may call.
#[derive(Debug, Deserialize)]
pub struct Tool<'a> {
    /// `function`; others are run by providers.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `function`.
    pub function: Option<FunctionSpec<'a>>,
    /// Extension: of Gemini's `google_search`, an object.
    #[serde(borrow)]
    pub google_search: Option<&'a RawValue>,
    /// Extension: Anthropic's cache mark.
    #[serde(borrow)]
    pub cache_control: Option<&'a RawValue>,
}

/// A function that the client offers.
#[derive(Debug, Deserialize)]
pub struct FunctionSpec<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Literal<'a>,
    /// What it is for.
    pub description: Option<Literal<'a>>,
    /// JSON Schema of the arguments; absent means none.
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    /// True: the arguments follow the schema exactly.
    pub strict: Option<bool>,
    /// Extension: Anthropic's cache mark.
    #[serde(borrow)]
    pub cache_control: Option<&'a RawValue>,
}

/// `tool_choice` as an object.
#[derive(Debug, Deserialize)]
pub struct NamedTool<'a> {
    /// `function`
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `function`.
    pub function: Option<NamedFunction<'a>>,
}

/// The function that has to be called.
#[derive(Debug, Deserialize)]
pub struct NamedFunction<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Literal<'a>,
}

/// What the answer's text has to look like.
#[derive(Debug, Deserialize)]
pub struct ResponseFormat<'a> {
    /// `text`, `json_object`, `json_schema`.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `json_schema`.
    pub json_schema: Option<JsonSchema<'a>>,
}

/// A named schema.
#[derive(Debug, Deserialize)]
pub struct JsonSchema<'a> {
    /// The schema itself.
    #[serde(borrow)]
    pub schema: Option<&'a RawValue>,
}

/// Anthropic's `thinking`, which both dialects take.
#[derive(Debug, Deserialize)]
pub struct ThinkingOption<'a> {
    /// `enabled`, `disabled`, `adaptive`.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `enabled`, in tokens.
    pub budget_tokens: Option<Number<'a>>,
    /// `summarized` or `omitted`.
    pub display: Option<Literal<'a>>,
}
