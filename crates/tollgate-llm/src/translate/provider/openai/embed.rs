use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_types::{ApiSchema, Usage};
use tollgate_wire::{Literal, openai as wire};

use super::{call::deployment, error, usage};
use crate::{
    Fault, Untranslatable,
    translate::{
        Job,
        embed::{DecodeEmbedded, Embed, Embedded, Input},
        event::ProviderError,
        json::{self, parsed},
        provider::Call,
    },
};

/// Encodes a request to `POST /v1/embeddings`, for clients of other APIs.
pub(crate) fn embed_call(job: &Job<'_>, embed: &Embed<'_>) -> Result<Call, Untranslatable> {
    let path = match job.target.schema {
        ApiSchema::AzureOpenAi => deployment(job, "embeddings"),
        _ => match job.target.prefix.trim_matches('/') {
            "" => "/embeddings".to_owned(),
            prefix => format!("/{prefix}/embeddings"),
        },
    };
    let mut out = vec![b'{'];
    let body = &mut out;
    json::text_field(body, "model", job.model.as_str());
    json::key(body, "input");
    body.push(b'[');
    for input in &embed.inputs {
        json::comma(body);
        match input {
            Input::Text { text, .. } => json::literal(body, *text),
            Input::Tokens(tokens) => json::raw(body, tokens.get()),
        }
    }
    body.push(b']');
    if let Some(dimensions) = embed.dimensions {
        json::raw_field(body, "dimensions", dimensions.as_str());
    }
    if let Some(user) = embed.user {
        json::literal_field(body, "user", user);
    }
    json::text_field(body, "encoding_format", "float");
    body.push(b'}');
    Ok(Call { path, headers: Vec::new(), body: out })
}

/// Reads lists of embeddings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmbedDecoder;

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    model: Option<Literal<'a>>,
    data: Option<Vec<Item<'a>>>,
    usage: Option<wire::Usage>,
    error: Option<wire::ErrorDetail<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    index: Option<u64>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

impl DecodeEmbedded for EmbedDecoder {
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Embedded<'b>, Fault> {
        let reply: Reply<'b> = parsed(body).map_err(Fault::Malformed)?;
        if let Some(error) = &reply.error {
            return Err(Fault::ErrorInReply(error::detail(error).message));
        }
        let Some(mut data) = reply.data.filter(|data| !data.is_empty()) else {
            return Err(Fault::Malformed("a list of embeddings without one".to_owned()));
        };
        data.sort_by_key(|item| item.index.unwrap_or_default());
        let vectors = data.iter().map(|item| item.embedding).collect();
        let counted = reply.usage.as_ref().map(usage).unwrap_or_default();
        let usage = Usage { input: counted.input, total: counted.total, ..Usage::default() };
        Ok(Embedded { model: reply.model, vectors, usage })
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::body(body)
    }
}
