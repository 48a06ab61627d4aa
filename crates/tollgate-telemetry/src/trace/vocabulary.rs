/// How attributes of spans are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// `llm.*`, the default
    OpenInference,
    /// OpenTelemetry's `gen_ai.*`
    GenAi,
}
