use std::{fmt, str::FromStr};

/// The API a backend speaks: `AIServiceBackend.spec.schema.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ApiSchema {
    /// OpenAI, and everything that copies its API (vLLM, Groq, OpenRouter …).
    OpenAi,
    /// OpenAI models on Azure: the deployment is in the path, the version in the query.
    AzureOpenAi,
    /// Anthropic's own API.
    Anthropic,
    /// Amazon Bedrock, Converse API.
    AwsBedrock,
    /// Anthropic models on Amazon Bedrock, invoke API.
    AwsAnthropic,
    /// Gemini on Google Vertex AI.
    GcpVertexAi,
    /// Anthropic models on Google Vertex AI.
    GcpAnthropic,
    /// Cohere's own API.
    Cohere,
}

/// A schema name that no version of the API knows.
#[derive(Debug, thiserror::Error)]
#[error("unknown API schema {0}")]
pub struct UnknownSchema(String);

// === impl ApiSchema ===

impl ApiSchema {
    /// Every schema, in the order of the API's documentation.
    pub const ALL: [Self; 8] = [
        Self::OpenAi,
        Self::Cohere,
        Self::AwsBedrock,
        Self::AzureOpenAi,
        Self::GcpVertexAi,
        Self::GcpAnthropic,
        Self::Anthropic,
        Self::AwsAnthropic,
    ];

    /// The name in manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI",
            Self::AzureOpenAi => "AzureOpenAI",
            Self::Anthropic => "Anthropic",
            Self::AwsBedrock => "AWSBedrock",
            Self::AwsAnthropic => "AWSAnthropic",
            Self::GcpVertexAi => "GCPVertexAI",
            Self::GcpAnthropic => "GCPAnthropic",
            Self::Cohere => "Cohere",
        }
    }

    /// `gen_ai.provider.name` of the OpenTelemetry GenAI conventions.
    #[must_use]
    pub const fn provider_name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::AzureOpenAi => "azure.openai",
            Self::Anthropic => "anthropic",
            Self::AwsBedrock => "aws.bedrock",
            Self::AwsAnthropic => "aws.anthropic",
            Self::GcpVertexAi => "gcp.vertex_ai",
            Self::GcpAnthropic => "gcp.anthropic",
            Self::Cohere => "cohere",
        }
    }
}

impl fmt::Display for ApiSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ApiSchema {
    type Err = UnknownSchema;

    fn from_str(name: &str) -> Result<Self, UnknownSchema> {
        Self::ALL
            .into_iter()
            .find(|schema| schema.as_str() == name)
            .ok_or_else(|| UnknownSchema(name.to_owned()))
    }
}
