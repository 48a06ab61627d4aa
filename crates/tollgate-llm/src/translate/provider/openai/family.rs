/// What a model behind OpenAI's API can be told about thinking. OpenAI refuses requests with fields it does not
/// know; servers that copy its API ignore them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// OpenAI's, before reasoning: takes no word about it.
    Plain,
    /// OpenAI's reasoning models: take `reasoning_effort`.
    Reasoning,
    /// Anybody else's: take `thinking`, `thinking_blocks` and `reasoning_content`, or ignore them.
    Compatible,
}

// === impl Family ===

impl Family {
    /// Judges by the model's name, a vendor prefix such as `openai/` aside.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        if starts(&["gpt-oss"]) {
            Self::Compatible
        } else if starts(&["gpt-3", "gpt-4", "chatgpt-", "gpt-35"]) {
            Self::Plain
        } else if starts(&["gpt-", "o1", "o3", "o4", "codex"]) {
            Self::Reasoning
        } else {
            Self::Compatible
        }
    }

    /// On Azure the name is the deployment's: what it does not tell is not risked.
    pub(super) fn of_deployment(name: &str) -> Self {
        match Self::of(name) {
            Self::Compatible => Self::Plain,
            known @ (Self::Plain | Self::Reasoning) => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_by_name() {
        for (model, family) in [
            ("gpt-4o-mini", Family::Plain),
            ("openai/gpt-4.1", Family::Plain),
            ("gpt-5.1", Family::Reasoning),
            ("o3-mini", Family::Reasoning),
            ("gpt-oss-120b", Family::Compatible),
            ("Qwen/Qwen3-32B", Family::Compatible),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
        assert_eq!(Family::of_deployment("prod-chat"), Family::Plain);
    }
}
