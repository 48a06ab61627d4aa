use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Content, Listed};
use crate::{Literal, Number};

/// The body of `…:generateContent` and `…:streamGenerateContent`; what no translation reads is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// The conversation.
    #[serde(borrow, default)]
    pub contents: Listed<Content<'a>>,
    /// Instructions.
    #[serde(alias = "system_instruction")]
    pub system_instruction: Option<Content<'a>>,
    /// What the model may call.
    pub tools: Option<Listed<Tool<'a>>>,
    /// Whether it must.
    #[serde(alias = "tool_config")]
    pub tool_config: Option<ToolConfig<'a>>,
    /// How the answer is made.
    #[serde(alias = "generation_config")]
    pub generation_config: Option<GenerationConfig<'a>>,
    /// What is filtered: a list.
    #[serde(borrow, alias = "safety_settings")]
    pub safety_settings: Option<&'a RawValue>,
    /// A prompt that is stored at Google.
    #[serde(alias = "cached_content")]
    pub cached_content: Option<Literal<'a>>,
}

/// The body of `…:countTokens`: a prompt, or a whole request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountRequest<'a> {
    /// The prompt.
    #[serde(borrow, default)]
    pub contents: Listed<Content<'a>>,
    /// Instructions; Vertex AI alone takes them here.
    #[serde(alias = "system_instruction")]
    pub system_instruction: Option<Content<'a>>,
    /// What the model may call; Vertex AI alone takes it here.
    pub tools: Option<Listed<Tool<'a>>>,
    /// The Gemini API's other form.
    #[serde(alias = "generate_content_request")]
    pub generate_content_request: Option<Request<'a>>,
}

/// How the answer is made.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerationConfig<'a> {
    /// 0 to 2.
    #[serde(borrow)]
    pub temperature: Option<Number<'a>>,
    /// 0 to 1.
    #[serde(alias = "top_p")]
    pub top_p: Option<Number<'a>>,
    /// How many tokens to choose from.
    #[serde(alias = "top_k")]
    pub top_k: Option<Number<'a>>,
    /// How many answers.
    #[serde(alias = "candidate_count")]
    pub candidate_count: Option<Number<'a>>,
    /// Upper bound of output tokens, thinking included.
    #[serde(alias = "max_output_tokens")]
    pub max_output_tokens: Option<Number<'a>>,
    /// Where to stop.
    #[serde(alias = "stop_sequences")]
    pub stop_sequences: Option<Listed<Literal<'a>>>,
    /// `text/plain`, `application/json`, `text/x.enum`.
    #[serde(alias = "response_mime_type")]
    pub response_mime_type: Option<Literal<'a>>,
    /// A subset of OpenAPI 3.0 schemas.
    #[serde(borrow, alias = "response_schema")]
    pub response_schema: Option<&'a RawValue>,
    /// JSON Schema.
    #[serde(borrow, alias = "response_json_schema", alias = "_responseJsonSchema")]
    pub response_json_schema: Option<&'a RawValue>,
    /// `TEXT`, `IMAGE`, `AUDIO`.
    #[serde(alias = "response_modalities")]
    pub response_modalities: Option<Listed<Literal<'a>>>,
    /// -2 to 2.
    #[serde(alias = "presence_penalty")]
    pub presence_penalty: Option<Number<'a>>,
    /// -2 to 2.
    #[serde(alias = "frequency_penalty")]
    pub frequency_penalty: Option<Number<'a>>,
    /// Best-effort determinism.
    pub seed: Option<Number<'a>>,
    /// True: token probabilities are wanted.
    #[serde(alias = "response_logprobs")]
    pub response_logprobs: Option<bool>,
    /// How many alternatives of each token.
    pub logprobs: Option<Number<'a>>,
    /// Whether and how long the model thinks.
    #[serde(alias = "thinking_config")]
    pub thinking_config: Option<ThinkingConfig<'a>>,
}

/// Whether and how long the model thinks.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThinkingConfig<'a> {
    /// True: thoughts are shown.
    #[serde(alias = "include_thoughts")]
    pub include_thoughts: Option<bool>,
    /// In tokens; 0 is none, -1 as the model likes.
    #[serde(borrow, alias = "thinking_budget")]
    pub thinking_budget: Option<Number<'a>>,
    /// `MINIMAL`, `LOW`, `MEDIUM`, `HIGH`.
    #[serde(alias = "thinking_level")]
    pub thinking_level: Option<Literal<'a>>,
}

/// Functions of the client, or one of Google's own tools.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool<'a> {
    /// Functions of the client.
    #[serde(borrow, alias = "function_declarations")]
    pub function_declarations: Option<Listed<FunctionDeclaration<'a>>>,
    /// Google Search.
    #[serde(borrow, alias = "google_search")]
    pub google_search: Option<&'a RawValue>,
    /// Google Search, as older models take it.
    #[serde(borrow, alias = "google_search_retrieval")]
    pub google_search_retrieval: Option<&'a RawValue>,
    /// Google Search for enterprises.
    #[serde(borrow, alias = "enterprise_web_search")]
    pub enterprise_web_search: Option<&'a RawValue>,
    /// Google Maps.
    #[serde(borrow, alias = "google_maps")]
    pub google_maps: Option<&'a RawValue>,
    /// Python at Google.
    #[serde(borrow, alias = "code_execution")]
    pub code_execution: Option<&'a RawValue>,
    /// Pages that the prompt names.
    #[serde(borrow, alias = "url_context")]
    pub url_context: Option<&'a RawValue>,
    /// The client's own search.
    #[serde(borrow)]
    pub retrieval: Option<&'a RawValue>,
    /// Files stored at Google.
    #[serde(borrow, alias = "file_search")]
    pub file_search: Option<&'a RawValue>,
    /// A screen.
    #[serde(borrow, alias = "computer_use")]
    pub computer_use: Option<&'a RawValue>,
}

/// What the model may call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionDeclaration<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Literal<'a>,
    /// What it is for.
    pub description: Option<Literal<'a>>,
    /// A subset of OpenAPI 3.0 schemas.
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    /// JSON Schema.
    #[serde(borrow, alias = "parameters_json_schema")]
    pub parameters_json_schema: Option<&'a RawValue>,
}

/// Whether tools must be called.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfig<'a> {
    /// Of functions.
    #[serde(borrow, alias = "function_calling_config")]
    pub function_calling_config: Option<CallingConfig<'a>>,
}

/// Whether functions must be called.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallingConfig<'a> {
    /// `AUTO`, `ANY`, `NONE`, `VALIDATED`.
    #[serde(borrow)]
    pub mode: Option<Literal<'a>>,
    /// Of `ANY`: these only.
    #[serde(alias = "allowed_function_names")]
    pub allowed_function_names: Option<Listed<Literal<'a>>>,
}
