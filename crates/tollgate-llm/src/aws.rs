//! Amazon Bedrock Runtime: paths of models, versions, and what its count of tokens knows a model by.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Target, Untranslatable};

/// RFC 3986 section 3.3 leaves these as they are in a segment; the slashes of an ARN are escaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The version of Anthropic's API on Bedrock where none is configured.
const ANTHROPIC_VERSION: &str = "bedrock-2023-05-31";

/// Before the ids of models that serve several regions (Amazon Bedrock user guide, inference profiles).
const REGIONS: [&str; 9] = ["us-gov.", "us.", "eu.", "apac.", "uk.", "au.", "jp.", "ca.", "global."];

/// Betas of Anthropic's that Bedrock knows (Amazon Bedrock user guide, Anthropic Claude messages), it refuses others.
const BETAS: [&str; 17] = [
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "mcp-client-2025-04-04",
    "mcp-client-2025-11-20",
    "model-context-window-exceeded-2025-08-26",
    "output-128k-2025-02-19",
    "pdfs-2024-09-25",
    "search-results-2025-06-09",
    "token-counting-2024-11-01",
    "token-efficient-tools-2025-02-19",
    "tool-search-tool-2025-10-19",
    "web-search-2025-03-05",
];

/// A beta that has another name on Bedrock: Anthropic's, Bedrock's.
const RENAMED: (&str, &str) = ("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19");

/// `/model/{model}/{verb}`
///
/// # Errors
/// [`Untranslatable::Field`] where the model cannot stand in a path.
pub(crate) fn path(model: &str, verb: &str) -> Result<String, Untranslatable> {
    // Dot segments cannot be escaped: servers resolve them either way.
    if matches!(model, "." | "..") {
        let reason = "cannot be the name of a model".to_owned();
        return Err(Untranslatable::Field { field: "model".to_owned(), reason });
    }
    Ok(format!("/model/{}/{verb}", utf8_percent_encode(model, SEGMENT)))
}

/// The model as `CountTokens` wants it: without what says where it runs.
pub(crate) fn base_model(model: &str) -> &str {
    match model.find("anthropic.") {
        Some(at) => model.get(at..).unwrap_or(model),
        None => REGIONS.iter().find_map(|region| model.strip_prefix(region)).unwrap_or(model),
    }
}

/// True for Anthropic's models, as far as the name tells.
pub(crate) fn is_claude(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    model.contains("anthropic") || model.contains("claude")
}

/// `anthropic_version`
pub(crate) fn anthropic_version(target: &Target) -> &str {
    target.version.as_deref().filter(|version| !version.is_empty()).unwrap_or(ANTHROPIC_VERSION)
}

/// The betas of a client's `anthropic-beta` header that Bedrock knows, each once, in their order.
pub(crate) fn betas(header: &str) -> Vec<&str> {
    let mut known = Vec::new();
    for beta in header.split(',').map(str::trim) {
        let beta = if beta == RENAMED.0 { RENAMED.1 } else { beta };
        if BETAS.contains(&beta) && !known.contains(&beta) {
            known.push(beta);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_stays_in_its_segment() {
        let path = |model| path(model, "converse").ok();
        let wanted = |model: &str| Some(format!("/model/{model}/converse"));
        assert_eq!(path("anthropic.claude-v2:1"), wanted("anthropic.claude-v2:1"));
        let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.a";
        assert_eq!(path(arn), wanted("arn:aws:bedrock:us-east-1:1:inference-profile%2Fus.a"));
        assert_eq!(path("a/../b?x#y"), wanted("a%2F..%2Fb%3Fx%23y"));
        assert_eq!(path(".."), None);
    }

    #[test]
    fn tokens_are_counted_for_the_model_wherever_it_runs() {
        let claude = "anthropic.claude-sonnet-4-5-v1:0";
        for prefix in ["", "us.", "global.", "arn:aws:bedrock:us-east-1:1:inference-profile/eu."] {
            assert_eq!(base_model(&format!("{prefix}{claude}")), claude);
        }
        assert_eq!(base_model("us-gov.amazon.nova-pro-v1:0"), "amazon.nova-pro-v1:0");
        assert_eq!(base_model("meta.llama3"), "meta.llama3");
    }

    #[test]
    fn betas_are_those_that_are_known() {
        let header =
            "context-1m-2025-08-07, oauth-2025-04-20,advanced-tool-use-2025-11-20,context-1m-2025-08-07";
        assert_eq!(betas(header), ["context-1m-2025-08-07", "tool-search-tool-2025-10-19"]);
        assert!(betas("").is_empty());
    }
}
