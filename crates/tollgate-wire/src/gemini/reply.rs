use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Content, ErrorDetail};
use crate::{Literal, Number};

/// A whole reply, and each event of a stream alike.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chunk<'a> {
    /// One for each answer.
    #[serde(borrow)]
    pub candidates: Option<Vec<Candidate<'a>>>,
    /// What was found in the prompt.
    pub prompt_feedback: Option<PromptFeedback<'a>>,
    /// Tokens, cumulative over a stream.
    pub usage_metadata: Option<Usage<'a>>,
    /// The model that answered.
    pub model_version: Option<Literal<'a>>,
    /// The answer's id.
    pub response_id: Option<Literal<'a>>,
    /// RFC 3339.
    pub create_time: Option<Literal<'a>>,
    /// Instead of all else: the call failed.
    pub error: Option<ErrorDetail<'a>>,
}

/// One answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate<'a> {
    /// Which one, from 0.
    pub index: Option<u32>,
    /// What was said.
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    /// `STOP`, `MAX_TOKENS`, `SAFETY` …
    pub finish_reason: Option<Literal<'a>>,
    /// The reason for people.
    pub finish_message: Option<Literal<'a>>,
    /// How harmful it is: a list.
    #[serde(borrow)]
    pub safety_ratings: Option<&'a RawValue>,
    /// What was quoted.
    pub citation_metadata: Option<CitationMetadata<'a>>,
    /// What was found by search: an object, read apart as [`Grounding`].
    #[serde(borrow)]
    pub grounding_metadata: Option<&'a RawValue>,
    /// Probabilities of its tokens.
    pub logprobs_result: Option<Logprobs<'a>>,
}

/// What was found in the prompt.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptFeedback<'a> {
    /// Why there is no answer: `SAFETY`, `BLOCKLIST`, `PROHIBITED_CONTENT`, `OTHER` …
    #[serde(borrow)]
    pub block_reason: Option<Literal<'a>>,
    /// The reason for people.
    pub block_reason_message: Option<Literal<'a>>,
}

/// Tokens: the prompt includes what came from a cache; thoughts and prompts of tools stand apart.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage<'a> {
    /// The whole prompt.
    #[serde(borrow)]
    pub prompt_token_count: Option<Number<'a>>,
    /// The answers without their thoughts.
    pub candidates_token_count: Option<Number<'a>>,
    /// The thoughts.
    pub thoughts_token_count: Option<Number<'a>>,
    /// What Google's own tools put into the prompt.
    pub tool_use_prompt_token_count: Option<Number<'a>>,
    /// All of them.
    pub total_token_count: Option<Number<'a>>,
    /// Of the prompt, from a cache.
    pub cached_content_token_count: Option<Number<'a>>,
    /// The prompt by kind: a list of [`ModalityTokens`].
    #[serde(borrow)]
    pub prompt_tokens_details: Option<&'a RawValue>,
    /// The answers by kind: a list of [`ModalityTokens`].
    #[serde(borrow)]
    pub candidates_tokens_details: Option<&'a RawValue>,
}

/// Tokens of one kind.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModalityTokens<'a> {
    /// `TEXT`, `IMAGE`, `AUDIO`, `VIDEO`, `DOCUMENT`.
    #[serde(borrow)]
    pub modality: Option<Literal<'a>>,
    /// How many.
    pub token_count: Option<Number<'a>>,
}

/// The reply of `…:countTokens`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenCount<'a> {
    /// The prompt's; absent where it is 0.
    #[serde(borrow)]
    pub total_tokens: Option<Number<'a>>,
}

/// What was quoted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CitationMetadata<'a> {
    /// Where from; the Gemini API calls them `citationSources`.
    #[serde(borrow, alias = "citationSources")]
    pub citations: Option<Vec<Citation<'a>>>,
}

/// One source, and what of the text comes from it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Citation<'a> {
    /// In bytes of the answer's text; absent where it is 0.
    #[serde(borrow)]
    pub start_index: Option<Number<'a>>,
    /// In bytes, exclusive.
    pub end_index: Option<Number<'a>>,
    /// The source's address.
    pub uri: Option<Literal<'a>>,
    /// The source's title.
    pub title: Option<Literal<'a>>,
}

/// What was found by search, and what of the text stands on it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grounding<'a> {
    /// What was found.
    #[serde(borrow)]
    pub grounding_chunks: Option<Vec<GroundingChunk<'a>>>,
    /// What stands on it.
    pub grounding_supports: Option<Vec<GroundingSupport<'a>>>,
}

/// One find: one of its fields is set.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroundingChunk<'a> {
    /// On the web.
    #[serde(borrow)]
    pub web: Option<GroundingSource<'a>>,
    /// In the client's own documents.
    pub retrieved_context: Option<GroundingSource<'a>>,
    /// On a map.
    pub maps: Option<GroundingSource<'a>>,
}

/// Where it was found.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct GroundingSource<'a> {
    /// Its address.
    #[serde(borrow)]
    pub uri: Option<Literal<'a>>,
    /// Its title.
    pub title: Option<Literal<'a>>,
}

/// A piece of the text and the finds on which it stands.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroundingSupport<'a> {
    /// The piece.
    #[serde(borrow)]
    pub segment: Option<Segment<'a>>,
    /// Places in `groundingChunks`.
    pub grounding_chunk_indices: Option<Vec<u32>>,
}

/// A piece of the text.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment<'a> {
    /// In bytes of the part; absent where it is 0.
    #[serde(borrow)]
    pub start_index: Option<Number<'a>>,
    /// In bytes, exclusive.
    pub end_index: Option<Number<'a>>,
    /// The piece itself.
    pub text: Option<Literal<'a>>,
}

/// Probabilities of an answer's tokens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logprobs<'a> {
    /// The tokens that were chosen.
    #[serde(borrow)]
    pub chosen_candidates: Option<Vec<ChosenToken<'a>>>,
    /// For each of them, the likeliest.
    pub top_candidates: Option<Vec<TopTokens<'a>>>,
}

/// The likeliest tokens at one place.
#[derive(Debug, Deserialize)]
pub struct TopTokens<'a> {
    /// The likeliest first.
    #[serde(borrow)]
    pub candidates: Option<Vec<ChosenToken<'a>>>,
}

/// A token and its probability.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChosenToken<'a> {
    /// Its text.
    #[serde(borrow)]
    pub token: Option<Literal<'a>>,
    /// Natural logarithm.
    pub log_probability: Option<Number<'a>>,
}
