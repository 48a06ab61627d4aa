use http::StatusCode;
use tollgate_types::Endpoint;
use tollgate_wire::gemini as wire;

use super::{error, read::field};
use crate::{
    Fault, Untranslatable,
    translate::{
        Job,
        embed::{Embed, Embedded, EncodeEmbedded, Encoding, Input},
        event::ProviderError,
        json::{self, place, reason},
    },
};

/// Reads an `embedContent` or `batchEmbedContents` request.
pub(crate) fn embed_request(endpoint: Endpoint, body: &[u8]) -> Result<Embed<'_>, Untranslatable> {
    let shape = |error: serde_json::Error| Untranslatable::Shape(reason(&error));
    let requests = match endpoint {
        Endpoint::BatchEmbedContents => {
            let batch: wire::BatchRequest<'_> = serde_json::from_slice(body).map_err(shape)?;
            batch.requests.unwrap_or_default()
        }
        _ => vec![serde_json::from_slice(body).map_err(shape)?],
    };
    let dimensions = requests.first().and_then(|first| first.output_dimensionality);
    if requests.iter().any(|one| {
        one.output_dimensionality.map(|number| number.as_u64()) != dimensions.map(|number| number.as_u64())
    }) {
        return field("requests", "must all ask for the same outputDimensionality");
    }
    let inputs = requests.into_iter().enumerate().map(|(at, request)| input(at, request));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    if inputs.is_empty() {
        return field("requests", "must not be empty");
    }
    Ok(Embed { inputs, dimensions, encoding: Encoding::Float, ..Embed::default() })
}

fn input(at: usize, request: wire::EmbeddingRequest<'_>) -> Result<Input<'_>, Untranslatable> {
    let place = || place("requests", at, ".content");
    let parts = request.content.and_then(|content| content.parts).unwrap_or_default().0;
    match parts.as_slice() {
        [wire::Part { text: Some(text), .. }] => {
            Ok(Input::Text { text: *text, task: request.task_type, title: request.title })
        }
        [] => field(place(), "needs a part with text"),
        [_] => field(place(), "this backend embeds text alone"),
        [..] => field(place(), "must have one part: this backend does not join them"),
    }
}

/// Writes vectors as Google does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmbedWriter {
    endpoint: Endpoint,
}

// === impl EmbedWriter ===

impl EmbedWriter {
    pub(crate) const fn new(job: &Job<'_>) -> Self {
        Self { endpoint: job.endpoint }
    }
}

impl EncodeEmbedded for EmbedWriter {
    fn whole(&self, embedded: &Embedded<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let values = |values: &str, out: &mut Vec<u8>| {
            json::comma(out);
            out.push(b'{');
            json::raw_field(out, "values", values);
            out.push(b'}');
        };
        out.push(b'{');
        if self.endpoint == Endpoint::BatchEmbedContents {
            json::key(out, "embeddings");
            out.push(b'[');
            embedded.vectors.iter().for_each(|vector| values(vector.get(), out));
            out.push(b']');
        } else {
            let [vector] = embedded.vectors.as_slice() else {
                return Err(Fault::Malformed("one vector was asked for".to_owned()));
            };
            json::key(out, "embedding");
            values(vector.get(), out);
        }
        if let Some(input) = embedded.usage.input {
            json::key(out, "usageMetadata");
            out.push(b'{');
            json::number_field(out, "promptTokenCount", input.0);
            out.push(b'}');
        }
        out.push(b'}');
        Ok(())
    }

    fn error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
        error::body(status, error, out);
    }
}
