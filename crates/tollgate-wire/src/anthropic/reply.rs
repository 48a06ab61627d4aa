use serde::Deserialize;
use serde_json::value::RawValue;

use super::ErrorDetail;
use crate::Literal;

/// A whole message.
#[derive(Debug, Deserialize)]
pub struct Reply<'a> {
    /// `message`, or `error`.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Literal<'a>>,
    /// `msg_…`
    pub id: Option<Literal<'a>>,
    /// The model that answered.
    pub model: Option<Literal<'a>>,
    /// What was said; absent in an error.
    pub content: Option<Vec<ReplyBlock<'a>>>,
    /// `end_turn`, `max_tokens`, `stop_sequence`, `tool_use`, `pause_turn`, `refusal` …
    pub stop_reason: Option<Literal<'a>>,
    /// The sequence that matched.
    pub stop_sequence: Option<Literal<'a>>,
    /// Tokens.
    pub usage: Option<Usage>,
    /// Of an error.
    pub error: Option<ErrorDetail<'a>>,
}

/// One content block of a reply: `type` says which of the fields counts.
#[derive(Debug, Deserialize)]
pub struct ReplyBlock<'a> {
    /// `text`, `thinking`, `redacted_thinking`, `tool_use`; others come from the provider's own tools.
    #[serde(borrow, rename = "type")]
    pub kind: Literal<'a>,
    /// Of `text`.
    pub text: Option<Literal<'a>>,
    /// Of `thinking`.
    pub thinking: Option<Literal<'a>>,
    /// Of `thinking`.
    pub signature: Option<Literal<'a>>,
    /// Of `redacted_thinking`: opaque.
    pub data: Option<Literal<'a>>,
    /// Of `tool_use`.
    pub id: Option<Literal<'a>>,
    /// Of `tool_use`.
    pub name: Option<Literal<'a>>,
    /// Of `tool_use`: an object.
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    /// Of `text`.
    pub citations: Option<Vec<Citation<'a>>>,
}

/// What a text rests on: `type` says which of the fields counts.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Citation<'a> {
    /// `char_location`, `page_location`, `content_block_location`, `web_search_result_location`,
    /// `search_result_location`.
    #[serde(borrow, rename = "type")]
    pub kind: Option<Literal<'a>>,
    /// The words that are cited.
    pub cited_text: Option<Literal<'a>>,
    /// Which document of the request, from 0.
    pub document_index: Option<u64>,
    /// Its title.
    pub document_title: Option<Literal<'a>>,
    /// Of `char_location`, from 0.
    pub start_char_index: Option<u64>,
    /// Exclusive.
    pub end_char_index: Option<u64>,
    /// Of `page_location`, from 1.
    pub start_page_number: Option<u64>,
    /// Exclusive.
    pub end_page_number: Option<u64>,
    /// Of `content_block_location` and `search_result_location`, from 0.
    pub start_block_index: Option<u64>,
    /// Exclusive.
    pub end_block_index: Option<u64>,
    /// Of `web_search_result_location`.
    pub url: Option<Literal<'a>>,
    /// Of `web_search_result_location` and `search_result_location`.
    pub title: Option<Literal<'a>>,
    /// Of `search_result_location`, from 0.
    pub search_result_index: Option<u64>,
    /// Of `search_result_location`.
    pub source: Option<Literal<'a>>,
}

/// Tokens, in Anthropic's semantics: the three parts of the prompt are counted apart.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Usage {
    /// The prompt without what a cache gave or took.
    pub input_tokens: Option<u64>,
    /// Written to a cache.
    pub cache_creation_input_tokens: Option<u64>,
    /// Read from a cache.
    pub cache_read_input_tokens: Option<u64>,
    /// The answer, thinking included.
    pub output_tokens: Option<u64>,
    /// Parts of the answer.
    pub output_tokens_details: Option<OutputDetails>,
}

/// Parts of the answer.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct OutputDetails {
    /// Spent thinking.
    pub thinking_tokens: Option<u64>,
}
