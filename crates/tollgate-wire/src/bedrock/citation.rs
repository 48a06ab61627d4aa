use serde::Deserialize;

use super::TextBlock;
use crate::Literal;

/// A source of some text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Citation<'a> {
    /// Of the document or the page.
    #[serde(borrow)]
    pub title: Option<Literal<'a>>,
    /// Of a search result.
    pub source: Option<Literal<'a>>,
    /// What is cited.
    pub source_content: Option<Vec<TextBlock<'a>>>,
    /// Where that stands.
    pub location: Option<Location<'a>>,
}

/// A union: where something stands.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location<'a> {
    /// On a page of the web.
    #[serde(borrow)]
    pub web: Option<Web<'a>>,
    /// Counted in characters.
    pub document_char: Option<Stretch>,
    /// Counted in pages.
    pub document_page: Option<Stretch>,
    /// Counted in blocks.
    pub document_chunk: Option<Stretch>,
    /// In one of the search results of the request.
    pub search_result_location: Option<Stretch>,
}

/// A page of the web.
#[derive(Debug, Deserialize)]
pub struct Web<'a> {
    /// Its address.
    #[serde(borrow)]
    pub url: Option<Literal<'a>>,
}

/// A part of something that the request has.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Stretch {
    /// Which document, from 0.
    pub document_index: u64,
    /// Which search result, from 0.
    pub search_result_index: u64,
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
}
