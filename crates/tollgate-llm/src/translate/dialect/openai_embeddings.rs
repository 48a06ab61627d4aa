//! OpenAI embeddings, as clients speak them. Source: the OpenAI API reference, `POST /v1/embeddings`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate_wire::{Literal, Number};

use super::openai_chat;
use crate::{
    Fault, Untranslatable,
    translate::{
        Job,
        embed::{Embed, Embedded, EncodeEmbedded, Encoding, Input},
        event::ProviderError,
        json::{self, parsed, place, reason},
    },
};

/// The body of a request.
#[derive(Debug, Deserialize)]
struct Request<'a> {
    /// A string, strings, token numbers or lists of them; extension: objects with their own task.
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    dimensions: Option<Number<'a>>,
    /// `float` or `base64`
    encoding_format: Option<Literal<'a>>,
    user: Option<Literal<'a>>,
    /// Extension: Vertex' word for what the vectors are for.
    task_type: Option<Literal<'a>>,
    /// Extension: Cohere's word for the same.
    input_type: Option<Literal<'a>>,
    /// Extension: Vertex' title of documents.
    title: Option<Literal<'a>>,
    /// Extension: Vertex' way to cut what is too long.
    auto_truncate: Option<bool>,
}

/// An input with its own task (extension).
#[derive(Debug, Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
    task_type: Option<Literal<'a>>,
    title: Option<Literal<'a>>,
}

/// Reads a request for embeddings.
pub(crate) fn request(body: &[u8]) -> Result<Embed<'_>, Untranslatable> {
    let request: Request<'_> = parsed(body).map_err(Untranslatable::Shape)?;
    let Some(input) = request.input else { return field("input", "is required") };
    let mut inputs = Vec::new();
    read(input, "input", &mut inputs)?;
    if inputs.is_empty() {
        return field("input", "must not be empty");
    }
    let encoding = match request.encoding_format.map(Literal::escaped) {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(other) => return field("encoding_format", format!("{other:?} is not float or base64")),
    };
    Ok(Embed {
        inputs,
        dimensions: request.dimensions,
        encoding,
        task: request.task_type.or(request.input_type),
        title: request.title,
        truncate: request.auto_truncate,
        user: request.user,
    })
}

/// One input, or a list of them.
fn read<'a>(input: &'a RawValue, at: &str, inputs: &mut Vec<Input<'a>>) -> Result<(), Untranslatable> {
    let list = match input.get().as_bytes().first() {
        Some(b'[') => input,
        _ => return one(input, at, inputs),
    };
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else {
        return field(at, "must be a string or a list");
    };
    let is_number = |raw: &&RawValue| matches!(raw.get().as_bytes().first(), Some(b'0'..=b'9' | b'-'));
    if items.first().is_some_and(is_number) {
        inputs.push(Input::Tokens(list));
        return Ok(());
    }
    items.into_iter().enumerate().try_for_each(|(index, item)| one(item, &place(at, index, ""), inputs))
}

fn one<'a>(input: &'a RawValue, at: &str, inputs: &mut Vec<Input<'a>>) -> Result<(), Untranslatable> {
    match input.get().as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<Literal<'a>>(input.get()) {
            Ok(text) => inputs.push(Input::Text { text, task: None, title: None }),
            Err(error) => return field(at, reason(&error)),
        },
        Some(b'[') => inputs.push(Input::Tokens(input)),
        Some(b'{') => {
            let item: Item<'a> = match serde_json::from_str(input.get()) {
                Ok(item) => item,
                Err(error) => return field(at, reason(&error)),
            };
            let first = inputs.len();
            read(item.content, &format!("{at}.content"), inputs)?;
            for input in inputs.iter_mut().skip(first) {
                if let Input::Text { task, title, .. } = input {
                    (*task, *title) = (item.task_type, item.title);
                }
            }
        }
        _ => return field(at, "must be a string, a list of token numbers, or an object with content"),
    }
    Ok(())
}

/// Writes embedding lists.
#[derive(Debug)]
pub(crate) struct Writer {
    model: String,
    encoding: Encoding,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(job: &Job<'_>, encoding: Encoding) -> Self {
        Self { model: job.model.as_str().to_owned(), encoding }
    }
}

impl EncodeEmbedded for Writer {
    fn whole(&self, embedded: &Embedded<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        out.extend_from_slice(br#"{"object":"list","data":["#);
        for (index, vector) in embedded.vectors.iter().enumerate() {
            json::comma(out);
            out.extend_from_slice(br#"{"object":"embedding""#);
            json::number_field(out, "index", index as u64);
            match self.encoding {
                Encoding::Float => json::raw_field(out, "embedding", vector.get()),
                Encoding::Base64 => json::text_field(out, "embedding", &packed(vector)?),
            }
            out.push(b'}');
        }
        out.push(b']');
        match embedded.model.filter(|model| !model.is_empty()) {
            Some(model) => json::literal_field(out, "model", model),
            None => json::text_field(out, "model", &self.model),
        }
        let input = embedded.usage.input.unwrap_or_default().0;
        json::key(out, "usage");
        out.push(b'{');
        json::number_field(out, "prompt_tokens", input);
        json::number_field(out, "total_tokens", embedded.usage.total.map_or(input, |total| total.0));
        out.extend_from_slice(b"}}");
        Ok(())
    }

    fn error(&self, status: StatusCode, error: &ProviderError, out: &mut Vec<u8>) {
        openai_chat::error_body(status, error, out);
    }
}

/// The numbers as little-endian 32-bit floats in base64.
fn packed(vector: &RawValue) -> Result<String, Fault> {
    let numbers: Vec<f32> = serde_json::from_str(vector.get())
        .map_err(|_| Fault::Malformed("an embedding that is no list of numbers".to_owned()))?;
    Ok(STANDARD.encode(numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>()))
}

fn field<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.into(), reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_every_form_are_read() {
        let count = |body: &str| request(body.as_bytes()).unwrap().inputs.len();
        assert_eq!(count(r#"{"input":"a"}"#), 1);
        assert_eq!(count(r#"{"input":["a","b"]}"#), 2);
        assert_eq!(count(r#"{"input":[1,2,3]}"#), 1);
        assert_eq!(count(r#"{"input":[[1,2],[3]]}"#), 2);
        assert_eq!(count(r#"{"input":[{"content":["a","b"],"task_type":"CLUSTERING"},"c"]}"#), 3);
    }

    #[test]
    fn inputs_that_are_none_are_refused_by_their_place() {
        let refused = |body: &str| request(body.as_bytes()).unwrap_err().to_string();
        assert!(refused("{}").contains("input: is required"));
        assert!(refused(r#"{"input":[]}"#).contains("input: must not be empty"));
        assert!(refused(r#"{"input":["a",true]}"#).contains("input[1]: must be"));
        assert!(refused(r#"{"input":"a","encoding_format":"hex"}"#).contains("encoding_format"));
    }

    #[test]
    fn vectors_are_packed_as_the_sdks_unpack_them() {
        let vector: &RawValue = serde_json::from_str("[1.0, -2.5]").unwrap();
        assert_eq!(packed(vector).unwrap(), "AACAPwAAIMA=");
    }
}
