//! Google's dialects: Gemini as the Gemini API (ai.google.dev/api) and Vertex AI
//! (cloud.google.com/vertex-ai/docs/reference/rest) speak it, and Anthropic's models on Vertex AI.

mod chat;
mod content;
mod embeddings;
pub(crate) mod stream;
mod strict;

use serde_json::{Value, json};

use crate::{
    Behaviour,
    answer::Answer,
    anthropic,
    ask::{Ask, BadAsk},
    reply::{Provider, Reply},
    request::Request,
    state::State,
};

/// A call of a model: `…/models/{model}:{verb}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call<'a> {
    pub(crate) model: &'a str,
    verb: Verb,
    service: Service,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Generate,
    StreamGenerate,
    CountTokens,
    Embed,
    BatchEmbed,
    Predict,
    /// Anthropic's, whole and streamed.
    Raw,
    StreamRaw,
}

/// Whose paths they are; the two differ in details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    GeminiApi,
    VertexAi,
}

/// Why a call is refused: a status and words.
pub(crate) type Refused = (u16, String);

/// The call at a path, whatever prefix it has.
pub(crate) fn find(path: &str) -> Option<Call<'_>> {
    let (before, rest) = path.rsplit_once("/models/")?;
    let (model, verb) = rest.rsplit_once(':')?;
    let service = if before.contains("/publishers/") { Service::VertexAi } else { Service::GeminiApi };
    let verb = match (verb, service) {
        ("generateContent", _) => Verb::Generate,
        ("streamGenerateContent", _) => Verb::StreamGenerate,
        ("countTokens", _) => Verb::CountTokens,
        ("embedContent", _) => Verb::Embed,
        ("batchEmbedContents", _) => Verb::BatchEmbed,
        ("predict", Service::VertexAi) => Verb::Predict,
        ("rawPredict", Service::VertexAi) => Verb::Raw,
        ("streamRawPredict", Service::VertexAi) => Verb::StreamRaw,
        _ => return None,
    };
    Some(Call { model, verb, service })
}

/// True for the paths that list the Gemini API's models.
pub(crate) fn is_list(path: &str) -> bool {
    path.contains("/v1beta/models")
}

/// The body of an error.
pub(crate) fn error(status: u16, message: &str) -> Value {
    let name = match status {
        400 | 413 | 422 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 | 405 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    let mut error = json!({"code": status, "message": message, "status": name});
    if status == 429 {
        let retry = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"});
        error["details"] = json!([retry]);
    }
    json!({"error": error})
}

/// `GET /v1beta/models`.
pub(crate) fn models(models: &[String]) -> Value {
    json!({"models": models.iter().map(|id| model(id)).collect::<Vec<_>>()})
}

/// `GET /v1beta/models/{id}`.
pub(crate) fn model(id: &str) -> Value {
    json!({
        "name": format!("models/{id}"), "version": "001", "displayName": id,
        "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    })
}

// === impl Call ===

impl Call<'_> {
    /// In whose words errors come.
    pub(crate) fn provider(&self) -> Provider {
        match self.verb {
            Verb::Raw | Verb::StreamRaw => Provider::Anthropic,
            Verb::Generate
            | Verb::StreamGenerate
            | Verb::CountTokens
            | Verb::Embed
            | Verb::BatchEmbed
            | Verb::Predict => Provider::Google,
        }
    }

    /// The answer to a sound request.
    pub(crate) fn reply(
        &self,
        request: &Request<'_>,
        behaviour: &Behaviour,
        state: &State,
    ) -> Result<Reply, Refused> {
        let bad = |error: BadAsk| match error {
            BadAsk::NoForm | BadAsk::NotJson => (400, "Invalid JSON payload received.".to_owned()),
            BadAsk::NoModel => (400, "model is required".to_owned()),
        };
        match self.verb {
            Verb::Generate | Verb::StreamGenerate => {
                let body = strict::request(request.body, self.model)?;
                let chat = chat::of(&body, self.verb == Verb::StreamGenerate);
                let ask = Ask::read(&chat, Some(self.model)).map_err(bad)?;
                let answer = Answer::new(&ask, behaviour, state);
                Ok(match self.verb {
                    Verb::StreamGenerate => stream::reply(&ask, &answer, request.query),
                    _ => content::reply(&ask, &answer),
                })
            }
            Verb::CountTokens => {
                let body = strict::count(request.body, self.service == Service::VertexAi)?;
                let chat = chat::of(&body, false);
                let ask = Ask::read(&chat, Some(self.model)).map_err(bad)?;
                let count = json!({"totalTokens": ask.prompt_tokens});
                Ok(Reply::json(200, count.to_string()))
            }
            Verb::Embed => embeddings::one(request.body, behaviour, state),
            Verb::BatchEmbed => embeddings::batch(request.body, behaviour, state),
            Verb::Predict => embeddings::predict(request.body, behaviour, state),
            Verb::Raw | Verb::StreamRaw => self.raw(request, behaviour, state),
        }
    }

    /// Anthropic's body, but for the model, which stands in the path.
    fn raw(&self, request: &Request<'_>, behaviour: &Behaviour, state: &State) -> Result<Reply, Refused> {
        let body: Value = serde_json::from_slice(request.body).map_err(|error| (400, error.to_string()))?;
        if !body["anthropic_version"].is_string() {
            return Err((400, "anthropic_version: Field required".into()));
        }
        let counts = self.model == "count-tokens";
        if !counts && body.get("model").is_some() {
            return Err((400, "model: Extra inputs are not permitted".into()));
        }
        let model = if counts { body["model"].as_str().unwrap_or_default() } else { self.model };
        let mut ask =
            Ask::read(request.body, Some(model)).map_err(|_| (400, "messages: Field required".to_owned()))?;
        if counts {
            return Ok(anthropic::count_tokens(&ask));
        }
        ask.stream = self.verb == Verb::StreamRaw;
        Ok(anthropic::messages::reply(&ask, &Answer::new(&ask, behaviour, state)))
    }
}
