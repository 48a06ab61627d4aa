mod path;

use std::fmt;

use self::path::at;
use crate::Dialect;

/// What a client calls: one API operation, whatever path prefix it is served under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/responses/input_tokens`
    InputTokens,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/images/generations`
    ImageGenerations,
    /// `POST /v1/images/edits`, a form or JSON
    ImageEdits,
    /// `POST /v1/images/variations`, a form
    ImageVariations,
    /// `POST /v1/audio/speech`, answered with audio
    Speech,
    /// `POST /v1/audio/transcriptions`, a form
    Transcriptions,
    /// `POST /v1/audio/translations`, a form
    Translations,
    /// `POST /tokenize`, as vLLM has it
    Tokenize,
    /// `GET /v1/realtime`, a WebSocket
    Realtime,
    /// `POST` and `GET /v1/files`
    Files,
    /// `GET` and `DELETE /v1/files/{id}`
    File,
    /// `GET /v1/files/{id}/content`
    FileContent,
    /// `POST` and `GET /v1/batches`
    Batches,
    /// `GET /v1/batches/{id}`
    Batch,
    /// `POST /v1/batches/{id}/cancel`
    BatchCancel,
    /// `GET /v1/models`, answered by the gateway
    Models,
    /// `GET /v1/models/{id}`, answered by the gateway
    Model,
    /// `POST /anthropic/v1/messages`
    Messages,
    /// `POST /anthropic/v1/messages/count_tokens`
    CountTokens,
    /// `GET /anthropic/v1/models`, answered by the gateway
    AnthropicModels,
    /// `GET /anthropic/v1/models/{id}`, answered by the gateway
    AnthropicModel,
    /// `POST /cohere/v2/chat`
    CohereChat,
    /// `POST /cohere/v2/embed`
    CohereEmbed,
    /// `POST /cohere/v2/rerank`
    Rerank,
    /// `GET /cohere/v1/models`, answered by the gateway
    CohereModels,
    /// `POST /gemini/v1beta/models/{model}:generateContent`
    GenerateContent,
    /// `POST /gemini/v1beta/models/{model}:streamGenerateContent`
    StreamGenerateContent,
    /// `POST /gemini/v1beta/models/{model}:countTokens`
    GeminiCountTokens,
    /// `POST /gemini/v1beta/models/{model}:embedContent`
    EmbedContent,
    /// `POST /gemini/v1beta/models/{model}:batchEmbedContents`, what Google's SDKs call to embed
    BatchEmbedContents,
    /// `GET /gemini/v1beta/models`, answered by the gateway
    GeminiModels,
    /// `GET /gemini/v1beta/models/{model}`, answered by the gateway
    GeminiModel,
}

/// Where a call says which model it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelPlace {
    /// The member `model` of a JSON object.
    Body,
    /// The field `model` of a `multipart/form-data` body.
    Form,
    /// A segment of the path.
    Path,
    /// `model` of the query.
    Query,
    /// Nowhere: what the call is about has an id of its own, or the gateway answers.
    Nowhere,
}

/// An endpoint with what its path leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located<'a> {
    /// What is called.
    pub endpoint: Endpoint,
    /// The model or id in the path, as it stands there: percent-encoded.
    pub parameter: Option<&'a str>,
}

/// One row of the table of endpoints.
struct Facts {
    /// Below the dialect's prefix, with a leading slash.
    path: &'static str,
    dialect: Dialect,
    /// As `allow` lists them.
    methods: &'static str,
    model: ModelPlace,
    operation: &'static str,
}

// === impl Endpoint ===

impl Endpoint {
    /// Every endpoint, in the order of the documentation.
    pub const ALL: [Self; 37] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::InputTokens,
        Self::Moderations,
        Self::ImageGenerations,
        Self::ImageEdits,
        Self::ImageVariations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
        Self::Tokenize,
        Self::Realtime,
        Self::Files,
        Self::File,
        Self::FileContent,
        Self::Batches,
        Self::Batch,
        Self::BatchCancel,
        Self::Models,
        Self::Model,
        Self::Messages,
        Self::CountTokens,
        Self::AnthropicModels,
        Self::AnthropicModel,
        Self::CohereChat,
        Self::CohereEmbed,
        Self::Rerank,
        Self::CohereModels,
        Self::GenerateContent,
        Self::StreamGenerateContent,
        Self::GeminiCountTokens,
        Self::EmbedContent,
        Self::BatchEmbedContents,
        Self::GeminiModels,
        Self::GeminiModel,
    ];

    /// The endpoint of a dialect at this path, which is what follows the dialect's prefix and has no query.
    #[must_use]
    pub fn at(dialect: Dialect, path: &str) -> Option<Located<'_>> {
        at(dialect, path)
    }

    /// The path below the dialect's prefix, with a leading slash and with names in braces for what it leaves open.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        self.facts().path
    }

    /// The client's vocabulary.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        self.facts().dialect
    }

    /// `gen_ai.operation.name` in metrics and spans.
    #[must_use]
    pub const fn operation(self) -> &'static str {
        self.facts().operation
    }

    /// The methods that it takes, as the `allow` header lists them.
    #[must_use]
    pub const fn methods(self) -> &'static str {
        self.facts().methods
    }

    /// True where it takes this method. What the gateway answers by itself can be asked for without its body.
    #[must_use]
    pub fn takes(self, method: &str) -> bool {
        self.methods().split(',').any(|known| known.trim_start() == method)
            || (self.is_local() && method == "HEAD")
    }

    /// Where a call says which model it is for.
    #[must_use]
    pub const fn model(self) -> ModelPlace {
        self.facts().model
    }

    /// True where the gateway answers from its own snapshot and no backend is asked.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(
            self,
            Self::Models
                | Self::Model
                | Self::AnthropicModels
                | Self::AnthropicModel
                | Self::CohereModels
                | Self::GeminiModels
                | Self::GeminiModel
        )
    }

    /// The one table of endpoints.
    const fn facts(self) -> Facts {
        use Dialect::{Anthropic, Cohere, Gemini, OpenAi};
        use ModelPlace::{Body, Form, Nowhere, Path, Query};
        let (dialect, methods, path, model, operation) = match self {
            Self::ChatCompletions => (OpenAi, "POST", "/v1/chat/completions", Body, "chat"),
            Self::Completions => (OpenAi, "POST", "/v1/completions", Body, "completion"),
            Self::Embeddings => (OpenAi, "POST", "/v1/embeddings", Body, "embeddings"),
            Self::Responses => (OpenAi, "POST", "/v1/responses", Body, "responses"),
            Self::InputTokens => {
                (OpenAi, "POST", "/v1/responses/input_tokens", Body, "responses_input_tokens")
            }
            Self::Moderations => (OpenAi, "POST", "/v1/moderations", Body, "moderation"),
            Self::ImageGenerations => (OpenAi, "POST", "/v1/images/generations", Body, "image_generation"),
            Self::ImageEdits => (OpenAi, "POST", "/v1/images/edits", Form, "image_edit"),
            Self::ImageVariations => (OpenAi, "POST", "/v1/images/variations", Form, "image_variation"),
            Self::Speech => (OpenAi, "POST", "/v1/audio/speech", Body, "speech"),
            Self::Transcriptions => (OpenAi, "POST", "/v1/audio/transcriptions", Form, "transcription"),
            Self::Translations => (OpenAi, "POST", "/v1/audio/translations", Form, "translation"),
            Self::Tokenize => (OpenAi, "POST", "/tokenize", Body, "tokenize"),
            Self::Realtime => (OpenAi, "GET", "/v1/realtime", Query, "realtime"),
            Self::Files => (OpenAi, "GET, POST", "/v1/files", Nowhere, "files"),
            Self::File => (OpenAi, "GET, DELETE", "/v1/files/{id}", Nowhere, "files"),
            Self::FileContent => (OpenAi, "GET", "/v1/files/{id}/content", Nowhere, "files"),
            Self::Batches => (OpenAi, "GET, POST", "/v1/batches", Nowhere, "batches"),
            Self::Batch => (OpenAi, "GET", "/v1/batches/{id}", Nowhere, "batches"),
            Self::BatchCancel => (OpenAi, "POST", "/v1/batches/{id}/cancel", Nowhere, "batches"),
            Self::Models => (OpenAi, "GET", "/v1/models", Nowhere, "models"),
            Self::Model => (OpenAi, "GET", "/v1/models/{model}", Nowhere, "models"),
            Self::Messages => (Anthropic, "POST", "/v1/messages", Body, "messages"),
            Self::CountTokens => (Anthropic, "POST", "/v1/messages/count_tokens", Body, "count_tokens"),
            Self::AnthropicModels => (Anthropic, "GET", "/v1/models", Nowhere, "models"),
            Self::AnthropicModel => (Anthropic, "GET", "/v1/models/{model}", Nowhere, "models"),
            Self::CohereChat => (Cohere, "POST", "/v2/chat", Body, "chat"),
            Self::CohereEmbed => (Cohere, "POST", "/v2/embed", Body, "embeddings"),
            Self::Rerank => (Cohere, "POST", "/v2/rerank", Body, "rerank"),
            Self::CohereModels => (Cohere, "GET", "/v1/models", Nowhere, "models"),
            Self::GenerateContent => {
                (Gemini, "POST", "/v1beta/models/{model}:generateContent", Path, "generate_content")
            }
            Self::StreamGenerateContent => {
                (Gemini, "POST", "/v1beta/models/{model}:streamGenerateContent", Path, "generate_content")
            }
            Self::GeminiCountTokens => {
                (Gemini, "POST", "/v1beta/models/{model}:countTokens", Path, "count_tokens")
            }
            Self::EmbedContent => (Gemini, "POST", "/v1beta/models/{model}:embedContent", Path, "embeddings"),
            Self::BatchEmbedContents => {
                (Gemini, "POST", "/v1beta/models/{model}:batchEmbedContents", Path, "embeddings")
            }
            Self::GeminiModels => (Gemini, "GET", "/v1beta/models", Nowhere, "models"),
            Self::GeminiModel => (Gemini, "GET", "/v1beta/models/{model}", Nowhere, "models"),
        };
        Facts { path, dialect, methods, model, operation }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.suffix())
    }
}
