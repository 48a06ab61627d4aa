mod aws;
mod body;
mod gcp;
mod path;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header::ACCEPT_ENCODING};
use tollgate_types::{ApiSchema, Dialect, Endpoint, ModelId, ModelPlace, Tokens};

use crate::{
    BodyMutation, Delivery, Inspected, Reply, Target, Untranslatable,
    reply::{Begun, UsageChunk},
    translate::{self, ANTHROPIC_VERSION, Framing, Job},
};

pub(crate) use self::aws::invocation;

/// One attempt's inputs. Every attempt starts again from the client's own bytes.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What the client called.
    pub endpoint: Endpoint,
    /// The client's body, untouched.
    pub body: &'a Bytes,
    /// What [`inspect`](crate::inspect) found in it.
    pub inspected: &'a Inspected,
    /// Where it goes.
    pub target: &'a Target,
    /// `modelNameOverride`, where the route has one.
    pub model_override: Option<&'a ModelId>,
    /// Changes to make to the provider's body, after translation.
    pub mutations: &'a [&'a BodyMutation],
    /// The query of the client's request without `?`, if it had one.
    pub query: Option<&'a str>,
    /// The client's `anthropic-beta` headers, joined with commas.
    pub beta: Option<&'a str>,
    /// Unix seconds, for the times that a translated reply has to name.
    pub now: u64,
}

/// What to send to the provider. Credentials and the `host` header are the caller's.
#[derive(Debug)]
pub struct Prepared {
    /// Path and query, always starting with a slash.
    pub path: String,
    /// The bytes to send; the client's own buffer where nothing changed.
    pub body: Bytes,
    /// Headers to set, replacing the client's: `content-type`, `anthropic-version`, `accept-encoding` …
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Headers to set where the client sent none of that name.
    pub default: Vec<(HeaderName, HeaderValue)>,
    /// Client headers that must not reach this provider, because they belong to another dialect.
    pub remove: Vec<HeaderName>,
    /// The model that is asked for: the override or the client's.
    pub model: ModelId,
}

/// The same for what has an id and no model: a file, a batch.
///
/// # Errors
/// [`Untranslatable`] where the schema has no such thing, or none of this id.
pub fn prepare_item(call: &Call<'_>, id: &str) -> Result<(Prepared, Box<Reply>), Untranslatable> {
    if !serves(call.endpoint, call.target.schema) {
        return Err(Untranslatable::UnsupportedPair { endpoint: call.endpoint, schema: call.target.schema });
    }
    let path = path::item(call, id)?;
    let reply = Reply::passing(&begun(call), UsageChunk::Keep);
    let (set, default, remove) = (Vec::new(), Vec::new(), Vec::new());
    let model = call.inspected.model.clone();
    Ok((Prepared { path, body: call.body.clone(), set, default, remove, model }, reply))
}

/// How an endpoint reaches a schema.
enum Way {
    /// The schema has the endpoint: the body passes as it is.
    Native,
    Translated,
}

/// Turns a client's request into a provider's, and makes the reader of its reply.
///
/// # Errors
/// [`Untranslatable`], whose text is fit for the client.
pub fn prepare(call: &Call<'_>) -> Result<(Prepared, Box<Reply>), Untranslatable> {
    match way(call.endpoint, call.target.schema)? {
        Way::Native => pass(call),
        Way::Translated => translated(call),
    }
}

fn way(endpoint: Endpoint, schema: ApiSchema) -> Result<Way, Untranslatable> {
    if serves(endpoint, schema) {
        Ok(Way::Native)
    } else if translate::supports(endpoint, schema) {
        Ok(Way::Translated)
    } else {
        Err(Untranslatable::UnsupportedPair { endpoint, schema })
    }
}

/// True where the schema has the endpoint itself, so that requests pass as they are.
#[must_use]
pub const fn serves(endpoint: Endpoint, schema: ApiSchema) -> bool {
    match endpoint {
        Endpoint::ChatCompletions
        | Endpoint::Completions
        | Endpoint::Embeddings
        | Endpoint::Responses
        | Endpoint::InputTokens
        | Endpoint::ImageGenerations
        | Endpoint::ImageEdits
        | Endpoint::Speech
        | Endpoint::Transcriptions
        | Endpoint::Translations
        | Endpoint::Realtime
        | Endpoint::Files
        | Endpoint::File
        | Endpoint::FileContent
        | Endpoint::Batches
        | Endpoint::Batch
        | Endpoint::BatchCancel => matches!(schema, ApiSchema::OpenAi | ApiSchema::AzureOpenAi),
        Endpoint::Moderations | Endpoint::ImageVariations | Endpoint::Tokenize => {
            matches!(schema, ApiSchema::OpenAi)
        }
        Endpoint::Messages => {
            matches!(schema, ApiSchema::Anthropic | ApiSchema::AwsAnthropic | ApiSchema::GcpAnthropic)
        }
        Endpoint::CountTokens => matches!(schema, ApiSchema::Anthropic | ApiSchema::GcpAnthropic),
        // Servers of open models have it too, in Cohere's words.
        Endpoint::Rerank => matches!(schema, ApiSchema::Cohere | ApiSchema::OpenAi),
        Endpoint::CohereChat | Endpoint::CohereEmbed => matches!(schema, ApiSchema::Cohere),
        Endpoint::GenerateContent | Endpoint::StreamGenerateContent => {
            matches!(schema, ApiSchema::GcpVertexAi)
        }
        Endpoint::GeminiCountTokens | Endpoint::EmbedContent | Endpoint::BatchEmbedContents => false,
        Endpoint::Models
        | Endpoint::Model
        | Endpoint::AnthropicModels
        | Endpoint::AnthropicModel
        | Endpoint::CohereModels
        | Endpoint::GeminiModels
        | Endpoint::GeminiModel => false,
    }
}

fn pass(call: &Call<'_>) -> Result<(Prepared, Box<Reply>), Untranslatable> {
    let model = asked(call);
    if call.target.schema == ApiSchema::AwsAnthropic {
        return pass_to_aws(call, model);
    }
    let body = match is_gcp(call.target.schema) {
        true => gcp::body(call, model)?,
        false => body::passed(call, model, usage_chunk(call.endpoint, call.inspected))?,
    };
    passing(call, model, body)
}

/// True where [`prepare`] sends the client's body as it is, or with the wish for usage, where `wished` says that this is
/// in it already. Nothing of the body is looked at, which need not be here: then [`prepare_unread`].
#[must_use]
pub fn keeps_body(call: &Call<'_>, wished: bool) -> bool {
    let Call { endpoint, target, .. } = *call;
    // Both write Anthropic's requests anew. A form is not one document.
    let rewritten = matches!(target.schema, ApiSchema::AwsAnthropic | ApiSchema::GcpAnthropic)
        || endpoint.model() == ModelPlace::Form;
    serves(endpoint, target.schema)
        && !rewritten
        && (wished || usage_chunk(endpoint, call.inspected) == UsageChunk::Keep)
        && body::stays(call, asked(call))
}

/// The same as [`prepare`] where [`keeps_body`], without the body: it is sent from elsewhere, as it is there.
///
/// # Errors
/// [`Untranslatable`] where this provider cannot be asked so.
pub fn prepare_unread(call: &Call<'_>) -> Result<(Prepared, Box<Reply>), Untranslatable> {
    if !keeps_body(call, true) {
        return Err(Untranslatable::UnsupportedPair { endpoint: call.endpoint, schema: call.target.schema });
    }
    passing(call, asked(call), Bytes::new())
}

/// The client's body with the wish for usage, where every provider that is sent the body as it is would be sent it so;
/// `None` where there is nothing to add.
#[must_use]
pub fn wishing(endpoint: Endpoint, inspected: &Inspected, body: &Bytes) -> Option<Bytes> {
    match usage_chunk(endpoint, inspected) {
        UsageChunk::Strip => body::wishing(body, inspected).ok(),
        UsageChunk::Keep => None,
    }
}

const fn is_gcp(schema: ApiSchema) -> bool {
    matches!(schema, ApiSchema::GcpAnthropic | ApiSchema::GcpVertexAi)
}

/// The model that is asked for.
fn asked<'a>(call: &Call<'a>) -> &'a ModelId {
    call.model_override.unwrap_or(&call.inspected.model)
}

/// What goes to a provider that speaks the client's dialect, and what comes back.
fn passing(call: &Call<'_>, model: &ModelId, body: Bytes) -> Result<(Prepared, Box<Reply>), Untranslatable> {
    let usage_chunk = usage_chunk(call.endpoint, call.inspected);
    let is_gcp = is_gcp(call.target.schema);
    let path = if is_gcp { gcp::path(call, model)? } else { path::native(call, model)? };
    let set = match usage_chunk {
        UsageChunk::Strip => vec![(ACCEPT_ENCODING, HeaderValue::from_static("identity"))],
        UsageChunk::Keep => Vec::new(),
    };
    let default = match call.endpoint.dialect() {
        Dialect::OpenAi | Dialect::Cohere | Dialect::Gemini => Vec::new(),
        // On Vertex AI the version stands in the body.
        Dialect::Anthropic if is_gcp => Vec::new(),
        Dialect::Anthropic => vec![ANTHROPIC_VERSION],
    };
    let reply = Reply::passing(&begun(call), usage_chunk);
    Ok((Prepared { path, body, set, default, remove: Vec::new(), model: model.clone() }, reply))
}

/// Anthropic's API behind Amazon's door: the replies pass once they are out of their frames, errors are rewritten.
fn pass_to_aws(call: &Call<'_>, model: &ModelId) -> Result<(Prepared, Box<Reply>), Untranslatable> {
    let delivery = call.inspected.delivery;
    let path = crate::aws::path(model.as_str(), translate::aws_verb(delivery))?;
    let body = aws::body(call)?;
    let set = match delivery {
        Delivery::Whole => Vec::new(),
        Delivery::Streamed => vec![(ACCEPT_ENCODING, HeaderValue::from_static("identity"))],
    };
    let begun = Begun { framing: Framing::Chunks, rewrite: Some(translate::aws_error), ..begun(call) };
    let remove = dialect_headers(call.endpoint.dialect());
    let reply = Reply::passing(&begun, UsageChunk::Keep);
    Ok((Prepared { path, body, set, default: Vec::new(), remove, model: model.clone() }, reply))
}

/// What the reader of the reply has to know of the call.
fn begun(call: &Call<'_>) -> Begun {
    let Call { endpoint, body, inspected, .. } = *call;
    let prompt = match inspected.delivery {
        Delivery::Streamed => inspected.spots.prompt(body),
        // Whole replies count themselves.
        Delivery::Whole => Tokens::default(),
    };
    Begun { endpoint, delivery: inspected.delivery, prompt, framing: Framing::Sse, rewrite: None }
}

/// Whether the provider has to be asked for a usage chunk that the client did not ask for.
fn usage_chunk(endpoint: Endpoint, inspected: &Inspected) -> UsageChunk {
    match (endpoint, inspected.delivery) {
        (Endpoint::ChatCompletions | Endpoint::Completions, Delivery::Streamed) if !inspected.wants_usage => {
            UsageChunk::Strip
        }
        _ => UsageChunk::Keep,
    }
}

fn translated(call: &Call<'_>) -> Result<(Prepared, Box<Reply>), Untranslatable> {
    let Call { endpoint, inspected, target, .. } = *call;
    let model = asked(call);
    let job = Job {
        endpoint,
        target,
        model,
        delivery: inspected.delivery,
        wants_usage: inspected.wants_usage,
        beta: call.beta,
        now: call.now,
    };
    let translate::Translated { path, headers: set, body, framing, reader } =
        translate::translate(&job, call.body)?;
    let body = body::mutated(body, call.mutations)?;
    let reply = Reply::translating(&Begun { framing, ..begun(call) }, reader);
    let remove = dialect_headers(endpoint.dialect());
    let body = Bytes::from(body);
    Ok((Prepared { path, body, set, default: Vec::new(), remove, model: model.clone() }, reply))
}

static OPENAI_HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("openai-version"),
];
static ANTHROPIC_HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-dangerous-direct-browser-access"),
    HeaderName::from_static("x-api-key"),
];
static COHERE_HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("x-client-name"),
    HeaderName::from_static("x-fern-language"),
    HeaderName::from_static("x-fern-sdk-name"),
    HeaderName::from_static("x-fern-sdk-version"),
];
static GEMINI_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-goog-api-client"),
    HeaderName::from_static("x-goog-user-project"),
];

/// Headers that mean something in this dialect alone. Their names are parsed once and for all.
fn dialect_headers(dialect: Dialect) -> Vec<HeaderName> {
    let names: &[HeaderName] = match dialect {
        Dialect::OpenAi => &OPENAI_HEADERS,
        Dialect::Anthropic => &ANTHROPIC_HEADERS,
        Dialect::Cohere => &COHERE_HEADERS,
        Dialect::Gemini => &GEMINI_HEADERS,
    };
    names.to_vec()
}

#[cfg(test)]
mod tests;
