use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tollgate_types::{ApiSchema, Endpoint, ModelId};

use crate::{Call, Untranslatable};

/// RFC 3986 section 2.3 leaves these as they are; everything else in a segment is escaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The version of Cohere's API where none is configured.
const COHERE_VERSION: &str = "v2";

/// Path and query of an endpoint that the schema has itself.
pub(super) fn native(call: &Call<'_>, model: &ModelId) -> Result<String, Untranslatable> {
    let Call { endpoint, target, query, .. } = *call;
    let schema = target.schema;
    let unsupported = Untranslatable::UnsupportedPair { endpoint, schema };
    if endpoint == Endpoint::Realtime {
        return realtime(call, model).ok_or(unsupported);
    }
    let operation = operation(endpoint).ok_or(unsupported.clone())?;
    match schema {
        // vLLM's own, and not below the version.
        ApiSchema::OpenAi if endpoint == Endpoint::Tokenize => Ok(with_query(below("", operation), query)),
        ApiSchema::OpenAi | ApiSchema::Anthropic => Ok(with_query(below(&target.prefix, operation), query)),
        ApiSchema::AzureOpenAi => {
            let path = match endpoint {
                Endpoint::Responses | Endpoint::InputTokens | Endpoint::Files | Endpoint::Batches => {
                    below("openai", operation)
                }
                _ => format!("/openai/deployments/{}/{operation}", segment(model)?),
            };
            Ok(with_version(path, target.version.as_deref(), query))
        }
        ApiSchema::Cohere => {
            let version = target.version.as_deref().unwrap_or(COHERE_VERSION);
            Ok(with_query(below(version, operation), query))
        }
        ApiSchema::AwsBedrock
        | ApiSchema::AwsAnthropic
        | ApiSchema::GcpVertexAi
        | ApiSchema::GcpAnthropic => Err(unsupported),
    }
}

/// Path and query of what has an id.
pub(super) fn item(call: &Call<'_>, id: &str) -> Result<String, Untranslatable> {
    let Call { endpoint, target, query, .. } = *call;
    let unsupported = Untranslatable::UnsupportedPair { endpoint, schema: target.schema };
    let (before, behind) = match endpoint {
        Endpoint::File => ("files", ""),
        Endpoint::FileContent => ("files", "/content"),
        Endpoint::Batch => ("batches", ""),
        Endpoint::BatchCancel => ("batches", "/cancel"),
        _ => return Err(unsupported),
    };
    if matches!(id, "." | "..") {
        let (field, reason) = ("id".to_owned(), "is none".to_owned());
        return Err(Untranslatable::Field { field, reason });
    }
    let item = format!("{before}/{}{behind}", utf8_percent_encode(id, SEGMENT));
    match target.schema {
        ApiSchema::OpenAi => Ok(with_query(below(&target.prefix, &item), query)),
        ApiSchema::AzureOpenAi => Ok(with_version(below("openai", &item), target.version.as_deref(), query)),
        _ => Err(unsupported),
    }
}

/// The query names the model, in Azure's words the deployment.
fn realtime(call: &Call<'_>, model: &ModelId) -> Option<String> {
    let Call { target, query, .. } = *call;
    let model = utf8_percent_encode(model.as_str(), SEGMENT);
    let named = |pair: &&str| matches!(pair.split('=').next(), Some("model" | "deployment"));
    let rest = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !named(pair));
    let rest = rest.collect::<Vec<_>>().join("&");
    match target.schema {
        ApiSchema::OpenAi => {
            let path = format!("{}?model={model}", below(&target.prefix, "realtime"));
            Some(if rest.is_empty() { path } else { [path, rest].join("&") })
        }
        ApiSchema::AzureOpenAi => {
            let query = if rest.is_empty() { String::new() } else { format!("&{rest}") };
            let query = format!("deployment={model}{query}");
            Some(with_version("/openai/realtime".to_owned(), target.version.as_deref(), Some(&query)))
        }
        ApiSchema::Anthropic
        | ApiSchema::AwsBedrock
        | ApiSchema::AwsAnthropic
        | ApiSchema::GcpVertexAi
        | ApiSchema::GcpAnthropic
        | ApiSchema::Cohere => None,
    }
}

fn below(prefix: &str, operation: &str) -> String {
    let mut path = String::with_capacity(64);
    let prefix = prefix.trim_matches('/');
    if !prefix.is_empty() {
        path.push('/');
        path.push_str(prefix);
    }
    path.push('/');
    path.push_str(operation);
    path
}

/// The path behind a provider's prefix.
const fn operation(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::ChatCompletions => Some("chat/completions"),
        Endpoint::Completions => Some("completions"),
        Endpoint::Embeddings => Some("embeddings"),
        Endpoint::Responses => Some("responses"),
        Endpoint::Messages => Some("messages"),
        Endpoint::CountTokens => Some("messages/count_tokens"),
        Endpoint::InputTokens => Some("responses/input_tokens"),
        Endpoint::Moderations => Some("moderations"),
        Endpoint::ImageGenerations => Some("images/generations"),
        Endpoint::ImageEdits => Some("images/edits"),
        Endpoint::ImageVariations => Some("images/variations"),
        Endpoint::Speech => Some("audio/speech"),
        Endpoint::Transcriptions => Some("audio/transcriptions"),
        Endpoint::Translations => Some("audio/translations"),
        Endpoint::Tokenize => Some("tokenize"),
        Endpoint::CohereChat => Some("chat"),
        Endpoint::CohereEmbed => Some("embed"),
        Endpoint::Rerank => Some("rerank"),
        Endpoint::Files => Some("files"),
        Endpoint::Batches => Some("batches"),
        Endpoint::Realtime
        | Endpoint::File
        | Endpoint::FileContent
        | Endpoint::Batch
        | Endpoint::BatchCancel
        | Endpoint::GenerateContent
        | Endpoint::StreamGenerateContent
        | Endpoint::GeminiCountTokens
        | Endpoint::EmbedContent
        | Endpoint::BatchEmbedContents
        | Endpoint::Models
        | Endpoint::Model
        | Endpoint::AnthropicModels
        | Endpoint::AnthropicModel
        | Endpoint::CohereModels
        | Endpoint::GeminiModels
        | Endpoint::GeminiModel => None,
    }
}

/// The model as one path segment. Dot segments cannot be escaped: servers resolve them either way.
fn segment(model: &ModelId) -> Result<String, Untranslatable> {
    if matches!(model.as_str(), "." | "..") {
        return Err(Untranslatable::Field {
            field: "model".to_owned(),
            reason: "cannot be the name of a deployment".to_owned(),
        });
    }
    Ok(utf8_percent_encode(model.as_str(), SEGMENT).to_string())
}

fn with_query(mut path: String, query: Option<&str>) -> String {
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        path.push('?');
        path.push_str(query);
    }
    path
}

/// The configured version replaces the client's; the rest of the client's query follows.
fn with_version(mut path: String, version: Option<&str>, query: Option<&str>) -> String {
    let Some(version) = version.filter(|version| !version.is_empty()) else { return with_query(path, query) };
    path.push_str("?api-version=");
    path.extend(utf8_percent_encode(version, SEGMENT));
    let is_version =
        |pair: &&str| pair.split('=').next().is_some_and(|key| key.eq_ignore_ascii_case("api-version"));
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !is_version(pair)) {
        path.push('&');
        path.push_str(pair);
    }
    path
}
