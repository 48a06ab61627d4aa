use http::HeaderMap;
use serde_json::value::RawValue;
use tollgate_types::{Tokens, Usage};
use tollgate_wire::{Literal, bedrock as wire};

use super::error;
use crate::{
    Fault, Untranslatable, aws,
    translate::{
        Job,
        embed::{DecodeEmbedded, Embed, Embedded, Input},
        event::ProviderError,
        json::{self, parsed, place},
        provider::Call,
    },
};

/// Texts of one call (Amazon Bedrock user guide, Cohere Embed).
const TEXTS: usize = 96;

/// Whose bodies a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vendor {
    /// Amazon's Titan; also what a name that does not tell is taken for.
    Titan,
    Cohere,
}

// === impl Vendor ===

impl Vendor {
    fn of(model: &str) -> Self {
        if model.contains("cohere.embed") { Self::Cohere } else { Self::Titan }
    }
}

/// Encodes a request to `InvokeModel`.
pub(crate) fn embed_call(job: &Job<'_>, embed: &Embed<'_>) -> Result<Call, Untranslatable> {
    let model = job.model.as_str();
    let body = match Vendor::of(model) {
        Vendor::Titan => titan(model, embed)?,
        Vendor::Cohere => cohere(embed)?,
    };
    Ok(Call { path: aws::path(model, "invoke")?, headers: Vec::new(), body })
}

fn titan(model: &str, embed: &Embed<'_>) -> Result<Vec<u8>, Untranslatable> {
    let [input] = embed.inputs.as_slice() else {
        return refused("input", "Titan embeds one text in a call".to_owned());
    };
    let mut out = vec![b'{'];
    json::literal_field(&mut out, "inputText", text(input, 0)?);
    if let Some(dimensions) = embed.dimensions {
        if model.contains("titan-embed-image") {
            json::key(&mut out, "embeddingConfig");
            out.push(b'{');
            json::raw_field(&mut out, "outputEmbeddingLength", dimensions.as_str());
            out.push(b'}');
        } else {
            json::raw_field(&mut out, "dimensions", dimensions.as_str());
        }
    }
    out.push(b'}');
    Ok(out)
}

fn cohere(embed: &Embed<'_>) -> Result<Vec<u8>, Untranslatable> {
    if embed.inputs.len() > TEXTS {
        return refused("input", format!("Cohere embeds at most {TEXTS} texts in one call"));
    }
    let mut out = br#"{"texts":["#.to_vec();
    for (at, input) in embed.inputs.iter().enumerate() {
        let text = text(input, at)?;
        json::comma(&mut out);
        json::literal(&mut out, text);
    }
    out.push(b']');
    // Cohere requires a word for what they are for; this is the one for texts that are stored to be found.
    let task = embed.task.map_or(Literal::from_escaped("search_document"), super::super::cohere::input_type);
    json::literal_field(&mut out, "input_type", task);
    if let Some(dimensions) = embed.dimensions {
        json::raw_field(&mut out, "output_dimension", dimensions.as_str());
    }
    match embed.truncate {
        Some(true) => json::text_field(&mut out, "truncate", "END"),
        Some(false) => json::text_field(&mut out, "truncate", "NONE"),
        None => {}
    }
    out.push(b'}');
    Ok(out)
}

fn text<'a>(input: &Input<'a>, at: usize) -> Result<Literal<'a>, Untranslatable> {
    match input {
        Input::Text { text, .. } => Ok(*text),
        Input::Tokens(_) => {
            let reason = "Amazon Bedrock takes texts; token numbers belong to another model";
            refused(&place("input", at, ""), reason.to_owned())
        }
    }
}

/// Reads replies of embedding models.
#[derive(Debug)]
pub(crate) struct EmbedDecoder {
    vendor: Vendor,
    /// The prompt, from the reply's headers: Cohere's bodies do not tell.
    counted: Option<Tokens>,
}

// === impl EmbedDecoder ===

impl EmbedDecoder {
    pub(crate) fn new(job: &Job<'_>) -> Self {
        Self { vendor: Vendor::of(job.model.as_str()), counted: None }
    }

    fn answer<'b>(&self, vectors: Vec<&'b RawValue>, told: Option<u64>) -> Embedded<'b> {
        let input = told.map(Tokens).or(self.counted);
        Embedded { model: None, vectors, usage: Usage { input, total: input, ..Usage::default() } }
    }
}

impl DecodeEmbedded for EmbedDecoder {
    fn head(&mut self, headers: &HeaderMap) {
        let counted = headers.get("x-amzn-bedrock-input-token-count").and_then(|value| value.to_str().ok());
        self.counted = counted.and_then(|value| value.parse().ok()).map(Tokens);
    }

    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Embedded<'b>, Fault> {
        let without = || Fault::Malformed("a reply without embeddings".to_owned());
        match self.vendor {
            Vendor::Titan => {
                let reply: wire::TitanEmbedding<'b> = read(body)?;
                let float = || reply.by_type.as_ref().and_then(|vectors| vectors.float);
                let vector = reply.embedding.or_else(float).ok_or_else(without)?;
                Ok(self.answer(vec![vector], reply.tokens))
            }
            Vendor::Cohere => {
                let reply: wire::CohereEmbeddings<'b> = read(body)?;
                let mut list = reply.embeddings.ok_or_else(without)?;
                if list.get().starts_with('{') {
                    let typed: wire::ByType<'b> = read(list.get().as_bytes())?;
                    list = typed.float.ok_or_else(without)?;
                }
                Ok(self.answer(read(list.get().as_bytes())?, None))
            }
        }
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::body(body)
    }
}

fn read<'b, T: serde::Deserialize<'b>>(json: &'b [u8]) -> Result<T, Fault> {
    parsed(json).map_err(Fault::Malformed)
}

fn refused<T>(field: &str, reason: String) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.to_owned(), reason })
}
