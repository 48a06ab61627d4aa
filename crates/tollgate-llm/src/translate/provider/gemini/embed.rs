use serde_json::value::RawValue;
use tollgate_types::{Tokens, Usage};
use tollgate_wire::{Literal, Number, gemini as wire};

use super::{error, usage::usage};
use crate::{
    Fault, Untranslatable, gcp,
    translate::{
        Job,
        embed::{DecodeEmbedded, Embed, Embedded, Input},
        event::ProviderError,
        json::{self, parsed, place},
        provider::Call,
    },
};

/// The only task whose texts have titles.
const DOCUMENT: &str = "RETRIEVAL_DOCUMENT";

/// Reads replies of either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmbedDecoder {
    /// `…:predict`, which takes many texts.
    Predict,
    /// `…:embedContent`, which takes one.
    EmbedContent,
}

/// Encodes a request for embeddings: newer models have a call of their own, the others are asked to predict.
pub(crate) fn embed_call(job: &Job<'_>, embed: &Embed<'_>) -> Result<(Call, EmbedDecoder), Untranslatable> {
    let model = job.model.as_str();
    let is_new = model.contains("gemini") && !model.ends_with("gemini-embedding-001");
    let (verb, body, decoder) = if is_new {
        ("embedContent", content(embed)?, EmbedDecoder::EmbedContent)
    } else {
        ("predict", instances(embed)?, EmbedDecoder::Predict)
    };
    Ok((Call { path: gcp::path("google", model, verb)?, headers: Vec::new(), body }, decoder))
}

fn instances(embed: &Embed<'_>) -> Result<Vec<u8>, Untranslatable> {
    let mut out = br#"{"instances":["#.to_vec();
    let body = &mut out;
    for at in 0..embed.inputs.len() {
        let (text, task, title) = text(embed, at)?;
        json::comma(body);
        body.push(b'{');
        json::literal_field(body, "content", text);
        if let Some(task) = task {
            json::literal_field(body, "task_type", task);
        }
        if let Some(title) = title {
            json::literal_field(body, "title", title);
        }
        body.push(b'}');
    }
    body.push(b']');
    if embed.truncate.is_some() || embed.dimensions.is_some() {
        json::key(body, "parameters");
        body.push(b'{');
        options(embed, body);
        body.push(b'}');
    }
    body.push(b'}');
    Ok(out)
}

fn content(embed: &Embed<'_>) -> Result<Vec<u8>, Untranslatable> {
    if embed.inputs.len() != 1 {
        return refused("input", "this model embeds one text in a call");
    }
    let (text, task, title) = text(embed, 0)?;
    let mut out = br#"{"content":{"parts":[{"#.to_vec();
    let body = &mut out;
    json::literal_field(body, "text", text);
    body.extend_from_slice(b"}]}");
    json::key(body, "embedContentConfig");
    body.push(b'{');
    if let Some(task) = task {
        json::literal_field(body, "taskType", task);
    }
    if let Some(title) = title {
        json::literal_field(body, "title", title);
    }
    options(embed, body);
    body.extend_from_slice(b"}}");
    Ok(out)
}

fn options(embed: &Embed<'_>, out: &mut Vec<u8>) {
    if let Some(truncate) = embed.truncate {
        json::raw_field(out, "autoTruncate", if truncate { "true" } else { "false" });
    }
    if let Some(dimensions) = embed.dimensions {
        json::raw_field(out, "outputDimensionality", dimensions.as_str());
    }
}

/// A text with its task and its title.
type Text<'a> = (Literal<'a>, Option<Literal<'a>>, Option<Literal<'a>>);

fn text<'a>(embed: &Embed<'a>, at: usize) -> Result<Text<'a>, Untranslatable> {
    match embed.inputs.get(at) {
        Some(Input::Text { text, task, title }) => {
            let task = task.or(embed.task).map(task_type);
            let title = title.or(embed.title).filter(|_| task.is_some_and(|task| task.escaped() == DOCUMENT));
            Ok((*text, task, title))
        }
        Some(Input::Tokens(_)) | None => {
            refused(&place("input", at, ""), "Vertex AI takes texts; token numbers belong to another model")
        }
    }
}

/// Vertex' word for what the vectors are for; Cohere's words are known too.
fn task_type(task: Literal<'_>) -> Literal<'_> {
    match task.escaped() {
        "search_query" => Literal::from_escaped("RETRIEVAL_QUERY"),
        "search_document" => Literal::from_escaped(DOCUMENT),
        "classification" => Literal::from_escaped("CLASSIFICATION"),
        "clustering" => Literal::from_escaped("CLUSTERING"),
        _ => task,
    }
}

impl DecodeEmbedded for EmbedDecoder {
    fn whole<'b>(&mut self, body: &'b [u8]) -> Result<Embedded<'b>, Fault> {
        match self {
            Self::Predict => predicted(body),
            Self::EmbedContent => embedded(body),
        }
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::body(body)
    }
}

fn predicted(body: &[u8]) -> Result<Embedded<'_>, Fault> {
    let reply: wire::Predictions<'_> = parsed(body).map_err(Fault::Malformed)?;
    fail(reply.error.as_ref())?;
    let (mut vectors, mut input): (Vec<&RawValue>, Option<u64>) = (Vec::new(), None);
    for prediction in reply.predictions.unwrap_or_default() {
        let Some(embeddings) = prediction.embeddings else { return Err(without()) };
        vectors.push(embeddings.values.ok_or_else(without)?);
        let counted = embeddings.statistics.and_then(|counts| counts.token_count).and_then(Number::as_u64);
        input = counted.map(|count| input.unwrap_or_default().saturating_add(count)).or(input);
    }
    if vectors.is_empty() {
        return Err(without());
    }
    let input = input.map(Tokens);
    Ok(Embedded { model: None, vectors, usage: Usage { input, total: input, ..Usage::default() } })
}

fn embedded(body: &[u8]) -> Result<Embedded<'_>, Fault> {
    let reply: wire::EmbeddingReply<'_> = parsed(body).map_err(Fault::Malformed)?;
    fail(reply.error.as_ref())?;
    let values = reply.embedding.and_then(|embedding| embedding.values).ok_or_else(without)?;
    let counted = reply.usage_metadata.as_ref().map(usage).unwrap_or_default();
    let usage = Usage { input: counted.input, total: counted.input, ..Usage::default() };
    Ok(Embedded { model: None, vectors: vec![values], usage })
}

fn fail(error: Option<&wire::ErrorDetail<'_>>) -> Result<(), Fault> {
    error.map_or(Ok(()), |error| Err(Fault::ErrorInReply(error::detail(error).message)))
}

fn without() -> Fault {
    Fault::Malformed("a reply without an embedding".to_owned())
}

fn refused<T>(field: &str, reason: &str) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.to_owned(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_and_counts_are_read_in_either_form() {
        let predicted = br#"{"predictions":[{"embeddings":{"values":[1.5],"statistics":{"token_count":2.0}}},
            {"embeddings":{"values":[2],"statistics":{"token_count":3,"truncated":true}}}],"metadata":{}}"#;
        let read = EmbedDecoder::Predict.whole(predicted).unwrap();
        assert_eq!(read.vectors.iter().map(|vector| vector.get()).collect::<Vec<_>>(), ["[1.5]", "[2]"]);
        assert_eq!((read.usage.input, read.usage.total), (Some(Tokens(5)), Some(Tokens(5))));
        let embedded = br#"{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":4}}"#;
        assert_eq!(EmbedDecoder::EmbedContent.whole(embedded).unwrap().usage.input, Some(Tokens(4)));
        let error = br#"{"error":{"message":"no"}}"#;
        assert!(
            matches!(EmbedDecoder::Predict.whole(error), Err(Fault::ErrorInReply(words)) if words == "no")
        );
        assert!(matches!(EmbedDecoder::Predict.whole(b"{}"), Err(Fault::Malformed(_))));
    }
}
