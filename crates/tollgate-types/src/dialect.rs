/// The vocabulary in which a client writes and expects replies, errors included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dialect {
    /// OpenAI's
    OpenAi,
    /// Anthropic's
    Anthropic,
    /// Cohere's, second version
    Cohere,
    /// The Gemini API's
    Gemini,
}

// === impl Dialect ===

impl Dialect {
    /// Every dialect, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::OpenAi, Self::Anthropic, Self::Cohere, Self::Gemini];

    /// The path prefix under which this dialect is served unless configured otherwise.
    #[must_use]
    pub const fn default_prefix(self) -> &'static str {
        match self {
            Self::OpenAi => "/",
            Self::Anthropic => "/anthropic",
            Self::Cohere => "/cohere",
            Self::Gemini => "/gemini",
        }
    }
}
