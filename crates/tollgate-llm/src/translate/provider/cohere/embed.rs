use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_types::{Tokens, Usage};
use tollgate_wire::{Literal, Number};

use super::{error, path};
use crate::{
    Fault, Untranslatable,
    translate::{
        Job,
        embed::{DecodeEmbedded, Embed, Embedded, Input},
        event::ProviderError,
        json::{self, parsed, place},
        provider::Call,
    },
};

/// Texts of one call (Cohere API reference, `POST /v2/embed`).
const TEXTS: usize = 96;

/// Encodes a request to `POST /v2/embed`.
pub(crate) fn embed_call(job: &Job<'_>, embed: &Embed<'_>) -> Result<Call, Untranslatable> {
    let mut out = vec![b'{'];
    let body = &mut out;
    json::text_field(body, "model", job.model.as_str());
    json::key(body, "texts");
    body.push(b'[');
    if embed.inputs.len() > TEXTS {
        return refused("input", format!("Cohere embeds at most {TEXTS} texts in one call"));
    }
    for (at, input) in embed.inputs.iter().enumerate() {
        let Input::Text { text, .. } = input else {
            return refused(
                &place("input", at, ""),
                "Cohere takes texts; token numbers belong to another model".to_owned(),
            );
        };
        json::comma(body);
        json::literal(body, *text);
    }
    body.push(b']');
    match embed.task.map(input_type) {
        Some(task) => json::literal_field(body, "input_type", task),
        // Cohere requires a word; this is the one for texts that are stored to be found.
        None => json::text_field(body, "input_type", "search_document"),
    }
    json::raw_field(body, "embedding_types", r#"["float"]"#);
    if let Some(dimensions) = embed.dimensions {
        json::raw_field(body, "output_dimension", dimensions.as_str());
    }
    match embed.truncate {
        Some(true) => json::text_field(body, "truncate", "END"),
        Some(false) => json::text_field(body, "truncate", "NONE"),
        None => {}
    }
    body.push(b'}');
    Ok(Call { path: path(job.target, "embed"), headers: Vec::new(), body: out })
}

/// Cohere's word for what the vectors are for; Vertex' words are known too.
pub(crate) fn input_type(task: Literal<'_>) -> Literal<'_> {
    match task.escaped() {
        "RETRIEVAL_QUERY" | "QUESTION_ANSWERING" | "CODE_RETRIEVAL_QUERY" => {
            Literal::from_escaped("search_query")
        }
        "RETRIEVAL_DOCUMENT" | "FACT_VERIFICATION" => Literal::from_escaped("search_document"),
        "CLASSIFICATION" => Literal::from_escaped("classification"),
        "CLUSTERING" | "SEMANTIC_SIMILARITY" => Literal::from_escaped("clustering"),
        _ => task,
    }
}

/// Reads replies of `POST /v2/embed`.
#[derive(Debug)]
pub(crate) struct EmbedDecoder;

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    embeddings: Option<ByType<'a>>,
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct ByType<'a> {
    #[serde(borrow)]
    float: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    billed_units: Option<Units<'a>>,
}

#[derive(Deserialize)]
struct Units<'a> {
    /// A whole number, at times written with a fraction.
    #[serde(borrow)]
    input_tokens: Option<Number<'a>>,
}

impl DecodeEmbedded for EmbedDecoder {
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Embedded<'b>, Fault> {
        let reply: Reply<'b> = parsed(body).map_err(Fault::Malformed)?;
        let Some(embeddings) = reply.embeddings else {
            return Err(Fault::Malformed("a reply without embeddings".to_owned()));
        };
        let billed = reply.meta.and_then(|meta| meta.billed_units).and_then(|units| units.input_tokens);
        let input = billed.and_then(Number::as_u64).map(Tokens);
        let usage = Usage { input, total: input, ..Usage::default() };
        Ok(Embedded { model: None, vectors: embeddings.float, usage })
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::body(body)
    }
}

fn refused<T>(field: &str, reason: String) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.to_owned(), reason })
}
