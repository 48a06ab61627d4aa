use std::ops::Range;

use bytes::Bytes;
use tollgate_types::{Endpoint, ModelId, Tokens};
use tollgate_wire::{
    scan::{self, Kind, Member, NotJson, Value},
    text,
};

use crate::{BadRequest, tally};

/// How the client wants its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// One body.
    Whole,
    /// Server-sent events.
    Streamed,
}

/// What routing and accounting need to know of a request body. Found by scanning; only the model is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// `model`, unescaped.
    pub model: ModelId,
    /// `stream`
    pub delivery: Delivery,
    /// True where the client itself asked for `stream_options.include_usage`.
    pub wants_usage: bool,
    /// The client's own bound on the reply, in tokens (`max_tokens` and its kin); for estimates, so that a wrong type
    /// is no error here.
    pub completion_bound: Option<u64>,
    /// Where the fields stand that [`prepare`](crate::prepare) may change.
    pub spots: Spots,
}

/// Places in the inspected body, so that a change needs no second scan. The default knows none, which costs one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spots {
    known: Option<Known>,
}

/// The places, in bytes from the start of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    body: usize,
    pub(crate) model: Range<usize>,
    pub(crate) stream_options: Option<Range<usize>>,
    /// Of the whole body; see [`scan::Members::prose`].
    prose: usize,
}

/// The members that matter, as the walk finds them.
#[derive(Default)]
struct Fields<'a> {
    model: Option<Member<'a>>,
    stream: Option<Member<'a>>,
    stream_format: Option<Member<'a>>,
    stream_options: Option<Member<'a>>,
    /// The smallest bound of those that the dialects know.
    completion_bound: Option<u64>,
    /// Of the whole body.
    prose: usize,
}

/// Reads what routing needs from a request body, by scanning.
///
/// The scan validates the whole document: a body that is not a JSON object is refused here and nowhere later.
/// A field that is read here must not occur twice, since parsers differ in which one they believe.
///
/// # Errors
/// [`BadRequest`], whose text is fit for the client.
pub fn inspect(endpoint: Endpoint, body: &Bytes) -> Result<Inspected, BadRequest> {
    let Fields { model, stream, stream_format, stream_options, completion_bound, prose } =
        Fields::of(endpoint, body)?;
    let Some(model) = model else {
        let model = default_model(endpoint).ok_or(BadRequest::NoModel)?.into();
        return Ok(Inspected {
            model,
            delivery: Delivery::Whole,
            wants_usage: false,
            completion_bound,
            spots: Spots::default(),
        });
    };
    let name = model.value.text().filter(|name| !name.is_empty()).ok_or(BadRequest::ModelNotAString)?;
    let delivery = match endpoint {
        Endpoint::Speech
            if stream_format.and_then(|member| member.value.text()).is_some_and(|it| it == "sse") =>
        {
            Delivery::Streamed
        }
        _ if streams(endpoint) => delivery(stream.as_ref())?,
        _ => Delivery::Whole,
    };
    let wants_usage = match delivery {
        Delivery::Streamed => include_usage(stream_options.as_ref())?,
        Delivery::Whole => false,
    };
    let known = Known {
        body: body.len(),
        model: model.range,
        stream_options: stream_options.map(|member| member.range),
        prose,
    };
    let spots = Spots { known: Some(known) };
    Ok(Inspected { model: ModelId::from(&*name), delivery, wants_usage, completion_bound, spots })
}

/// The same where the path names the model, and says how the reply is wanted.
///
/// # Errors
/// [`BadRequest`], whose text is fit for the client.
pub fn inspect_named(endpoint: Endpoint, model: ModelId, body: &Bytes) -> Result<Inspected, BadRequest> {
    let Fields { completion_bound, .. } = Fields::of(endpoint, body)?;
    let delivery = match endpoint {
        Endpoint::StreamGenerateContent => Delivery::Streamed,
        _ => Delivery::Whole,
    };
    Ok(Inspected { model, delivery, wants_usage: false, completion_bound, spots: Spots::default() })
}

/// What OpenAI takes where a request names no model.
pub(crate) const fn default_model(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::Moderations => Some("omni-moderation-latest"),
        Endpoint::ImageVariations => Some("dall-e-2"),
        _ => None,
    }
}

/// True where `stream` means something.
const fn streams(endpoint: Endpoint) -> bool {
    match endpoint {
        Endpoint::ChatCompletions
        | Endpoint::Completions
        | Endpoint::Responses
        | Endpoint::ImageGenerations
        | Endpoint::ImageEdits
        | Endpoint::Transcriptions
        | Endpoint::Messages
        | Endpoint::CohereChat => true,
        Endpoint::Embeddings
        | Endpoint::InputTokens
        | Endpoint::Moderations
        | Endpoint::ImageVariations
        | Endpoint::Speech
        | Endpoint::Translations
        | Endpoint::Tokenize
        | Endpoint::Realtime
        | Endpoint::Files
        | Endpoint::File
        | Endpoint::FileContent
        | Endpoint::Batches
        | Endpoint::Batch
        | Endpoint::BatchCancel
        | Endpoint::Models
        | Endpoint::Model
        | Endpoint::CountTokens
        | Endpoint::AnthropicModels
        | Endpoint::AnthropicModel
        | Endpoint::CohereEmbed
        | Endpoint::Rerank
        | Endpoint::CohereModels
        | Endpoint::GenerateContent
        | Endpoint::StreamGenerateContent
        | Endpoint::GeminiCountTokens
        | Endpoint::EmbedContent
        | Endpoint::BatchEmbedContents
        | Endpoint::GeminiModels
        | Endpoint::GeminiModel => false,
    }
}

fn delivery(stream: Option<&Member<'_>>) -> Result<Delivery, BadRequest> {
    let Some(stream) = given(stream) else { return Ok(Delivery::Whole) };
    match stream.as_bool() {
        Some(true) => Ok(Delivery::Streamed),
        Some(false) => Ok(Delivery::Whole),
        None => Err(BadRequest::WrongType { field: "stream", expected: "a boolean" }),
    }
}

fn include_usage(options: Option<&Member<'_>>) -> Result<bool, BadRequest> {
    let Some(options) = given(options) else { return Ok(false) };
    if options.kind() != Kind::Object {
        return Err(BadRequest::WrongType { field: "stream_options", expected: "an object" });
    }
    match options.get("include_usage") {
        None => Ok(false),
        Some(value) if value.is_null() => Ok(false),
        Some(value) => value
            .as_bool()
            .ok_or(BadRequest::WrongType { field: "stream_options.include_usage", expected: "a boolean" }),
    }
}

/// The value of a field that is there and not `null`.
fn given<'a>(member: Option<&Member<'a>>) -> Option<Value<'a>> {
    member.map(|member| member.value).filter(|value| !value.is_null())
}

// === impl Inspected ===

impl Inspected {
    /// About how many tokens the prompt in this body has, by its length.
    #[must_use]
    pub fn prompt_tokens(&self, body: &[u8]) -> Tokens {
        self.spots.prompt(body)
    }
}

// === impl Spots ===

impl Spots {
    /// About how many tokens the prompt has.
    pub(crate) fn prompt(&self, body: &[u8]) -> Tokens {
        let prose = match self.known.as_ref().filter(|known| known.body == body.len()) {
            Some(known) => known.prose,
            None => {
                let mut members = scan::members(body);
                members.by_ref().for_each(drop);
                members.prose()
            }
        };
        tally::tokens_of(prose)
    }

    /// The places, if they are those of this body.
    pub(crate) fn of(&self, body: &[u8], model: &ModelId) -> Option<&Known> {
        let known = self.known.as_ref().filter(|known| known.body == body.len())?;
        let spelled = body.get(known.model.clone()).and_then(text::unquote)?;
        (spelled == model.as_str()).then_some(known)
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// Walks through the whole body, which has to be an object.
    fn of(endpoint: Endpoint, body: &'a [u8]) -> Result<Self, BadRequest> {
        if body.is_empty() {
            return Err(BadRequest::Empty(endpoint));
        }
        let not_json = |NotJson { reason, offset }| BadRequest::NotJson { endpoint, reason, offset };
        if scan::kind(body) != Some(Kind::Object) {
            scan::document(body).map_err(not_json)?;
            return Err(BadRequest::NotAnObject(endpoint));
        }
        let mut fields = Self::default();
        let mut members = scan::members(body);
        for member in members.by_ref() {
            fields.place(member.map_err(not_json)?)?;
        }
        fields.prose = members.prose();
        Ok(fields)
    }

    fn place(&mut self, member: Member<'a>) -> Result<(), BadRequest> {
        let key = member.plain_key();
        let (name, slot) = match &*key {
            b"model" => ("model", &mut self.model),
            b"stream" => ("stream", &mut self.stream),
            b"stream_format" => ("stream_format", &mut self.stream_format),
            b"stream_options" => ("stream_options", &mut self.stream_options),
            b"max_tokens" | b"max_completion_tokens" | b"max_output_tokens" => {
                let bound = std::str::from_utf8(member.value.bytes()).ok().and_then(|text| text.parse().ok());
                self.completion_bound = match (self.completion_bound, bound) {
                    (Some(known), Some(bound)) => Some(u64::min(known, bound)),
                    (known, bound) => known.or(bound),
                };
                return Ok(());
            }
            // Gemini's.
            b"generationConfig" => {
                self.completion_bound = match member.value.get("maxOutputTokens") {
                    Some(bound) => bound.count(),
                    None => self.completion_bound,
                };
                return Ok(());
            }
            _ => return Ok(()),
        };
        match slot.replace(member) {
            None => Ok(()),
            Some(_) => Err(BadRequest::Twice(name)),
        }
    }
}

#[cfg(test)]
mod tests;
