use std::fmt;

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
    /// `GET /v1/models`, answered by the gateway
    Models,
    /// `POST /anthropic/v1/messages`
    Messages,
    /// `POST /anthropic/v1/messages/count_tokens`
    CountTokens,
    /// `GET /anthropic/v1/models`, answered by the gateway
    AnthropicModels,
}

/// The vocabulary in which a client writes and expects replies, errors included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// OpenAI's
    OpenAi,
    /// Anthropic's
    Anthropic,
}

// === impl Endpoint ===

impl Endpoint {
    /// Every endpoint, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Models,
        Self::Messages,
        Self::CountTokens,
        Self::AnthropicModels,
    ];

    /// The path below the dialect's prefix, with a leading slash.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Responses => "/v1/responses",
            Self::Models | Self::AnthropicModels => "/v1/models",
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
        }
    }

    /// The client's vocabulary.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::ChatCompletions | Self::Completions | Self::Embeddings | Self::Responses | Self::Models => {
                Dialect::OpenAi
            }
            Self::Messages | Self::CountTokens | Self::AnthropicModels => Dialect::Anthropic,
        }
    }

    /// `gen_ai.operation.name` in metrics and spans.
    #[must_use]
    pub const fn operation(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat",
            Self::Completions => "completion",
            Self::Embeddings => "embeddings",
            Self::Responses => "responses",
            Self::Models | Self::AnthropicModels => "models",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
        }
    }

    /// True where the gateway answers from its own snapshot and no backend is asked.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Models | Self::AnthropicModels)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.suffix())
    }
}

// === impl Dialect ===

impl Dialect {
    /// The path prefix under which this dialect is served unless configured otherwise.
    #[must_use]
    pub const fn default_prefix(self) -> &'static str {
        match self {
            Self::OpenAi => "/",
            Self::Anthropic => "/anthropic",
        }
    }
}
