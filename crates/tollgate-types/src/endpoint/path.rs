use super::Located;
use crate::{Dialect, Endpoint};

/// Versions of the Gemini API: its clients put one before every path.
const GEMINI_VERSIONS: [&str; 3] = ["/v1beta", "/v1alpha", "/v1"];

/// The endpoint of a dialect at a path below its prefix.
pub(super) fn at(dialect: Dialect, path: &str) -> Option<Located<'_>> {
    match dialect {
        Dialect::OpenAi => openai(path),
        Dialect::Anthropic => anthropic(path),
        Dialect::Cohere => cohere(path),
        Dialect::Gemini => GEMINI_VERSIONS.into_iter().find_map(|version| {
            let rest = path.strip_prefix(version)?.strip_prefix("/models")?;
            gemini(rest)
        }),
    }
}

const fn plain<'a>(endpoint: Endpoint) -> Option<Located<'a>> {
    Some(Located { endpoint, parameter: None })
}

fn with(endpoint: Endpoint, parameter: &str) -> Option<Located<'_>> {
    (!parameter.is_empty()).then_some(Located { endpoint, parameter: Some(parameter) })
}

fn openai(path: &str) -> Option<Located<'_>> {
    match path {
        "/v1/chat/completions" => plain(Endpoint::ChatCompletions),
        "/v1/completions" => plain(Endpoint::Completions),
        "/v1/embeddings" => plain(Endpoint::Embeddings),
        "/v1/responses" => plain(Endpoint::Responses),
        "/v1/responses/input_tokens" => plain(Endpoint::InputTokens),
        "/v1/moderations" => plain(Endpoint::Moderations),
        "/v1/images/generations" => plain(Endpoint::ImageGenerations),
        "/v1/images/edits" => plain(Endpoint::ImageEdits),
        "/v1/images/variations" => plain(Endpoint::ImageVariations),
        "/v1/audio/speech" => plain(Endpoint::Speech),
        "/v1/audio/transcriptions" => plain(Endpoint::Transcriptions),
        "/v1/audio/translations" => plain(Endpoint::Translations),
        "/tokenize" => plain(Endpoint::Tokenize),
        "/v1/realtime" => plain(Endpoint::Realtime),
        "/v1/models" => plain(Endpoint::Models),
        "/v1/files" => plain(Endpoint::Files),
        "/v1/batches" => plain(Endpoint::Batches),
        _ => openai_item(path),
    }
}

fn openai_item(path: &str) -> Option<Located<'_>> {
    if let Some(model) = path.strip_prefix("/v1/models/") {
        return with(Endpoint::Model, model);
    }
    if let Some(rest) = path.strip_prefix("/v1/files/") {
        return match rest.split_once('/') {
            None => with(Endpoint::File, rest),
            Some((id, "content")) => with(Endpoint::FileContent, id),
            Some(_) => None,
        };
    }
    let rest = path.strip_prefix("/v1/batches/")?;
    match rest.split_once('/') {
        None => with(Endpoint::Batch, rest),
        Some((id, "cancel")) => with(Endpoint::BatchCancel, id),
        Some(_) => None,
    }
}

fn anthropic(path: &str) -> Option<Located<'_>> {
    match path {
        "/v1/messages" => plain(Endpoint::Messages),
        "/v1/messages/count_tokens" => plain(Endpoint::CountTokens),
        "/v1/models" => plain(Endpoint::AnthropicModels),
        _ => with(Endpoint::AnthropicModel, path.strip_prefix("/v1/models/")?),
    }
}

fn cohere(path: &str) -> Option<Located<'_>> {
    match path {
        "/v2/chat" => plain(Endpoint::CohereChat),
        "/v2/embed" => plain(Endpoint::CohereEmbed),
        "/v2/rerank" => plain(Endpoint::Rerank),
        "/v1/models" => plain(Endpoint::CohereModels),
        _ => None,
    }
}

/// What follows `/models`. A model's name may have colons and slashes of its own: the last colon counts.
fn gemini(rest: &str) -> Option<Located<'_>> {
    if rest.is_empty() {
        return plain(Endpoint::GeminiModels);
    }
    let rest = rest.strip_prefix('/')?;
    match rest.rsplit_once(':') {
        Some((model, "generateContent")) => with(Endpoint::GenerateContent, model),
        Some((model, "streamGenerateContent")) => with(Endpoint::StreamGenerateContent, model),
        Some((model, "countTokens")) => with(Endpoint::GeminiCountTokens, model),
        Some((model, "embedContent")) => with(Endpoint::EmbedContent, model),
        Some((model, "batchEmbedContents")) => with(Endpoint::BatchEmbedContents, model),
        _ => with(Endpoint::GeminiModel, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_at_its_own_path() {
        for endpoint in Endpoint::ALL {
            let path = endpoint.suffix().replace("{id}", "file-1").replace("{model}", "a%2Fb:c");
            let parameter = match (endpoint.suffix().contains("{id}"), endpoint.suffix().contains("{model}"))
            {
                (true, _) => Some("file-1"),
                (_, true) => Some("a%2Fb:c"),
                _ => None,
            };
            assert_eq!(at(endpoint.dialect(), &path), Some(Located { endpoint, parameter }), "{path}");
        }
    }

    #[test]
    fn names_of_models_may_have_slashes_and_ids_may_not() {
        let model = |path| at(Dialect::OpenAi, path);
        assert_eq!(
            model("/v1/models/a/b"),
            Some(Located { endpoint: Endpoint::Model, parameter: Some("a/b") })
        );
        for path in
            ["/v1/models/", "/v1/files/", "/v1/files/a/b", "/v1/files//content", "/v1/batches/a/b/cancel"]
        {
            assert_eq!(model(path), None, "{path}");
        }
    }

    #[test]
    fn gemini_is_served_in_each_of_its_versions() {
        for version in GEMINI_VERSIONS {
            let path = format!("{version}/models/gemini-2.5-pro:generateContent");
            let found = at(Dialect::Gemini, &path).map(|found| found.endpoint);
            assert_eq!(found, Some(Endpoint::GenerateContent), "{path}");
        }
        for path in ["/v1beta/models/:generateContent", "/v2/models/m", "/v1beta/modelsx"] {
            assert_eq!(at(Dialect::Gemini, path), None, "{path}");
        }
    }
}
