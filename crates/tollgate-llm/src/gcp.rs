//! Paths of models on Vertex AI: what stands behind the project and the location, which belong to the credentials.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Target, Untranslatable};

/// RFC 3986 section 3.3 leaves these as they are in a segment; the colon, which it leaves too, begins the verb.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// The version of Anthropic's API on Vertex AI where none is configured.
const ANTHROPIC_VERSION: &str = "vertex-2023-10-16";

/// `publishers/{publisher}/models/{model}:{verb}`, without a leading slash.
///
/// # Errors
/// [`Untranslatable::Field`] where the model cannot stand in a path.
pub(crate) fn path(publisher: &str, model: &str, verb: &str) -> Result<String, Untranslatable> {
    // Dot segments cannot be escaped: servers resolve them either way.
    if matches!(model, "." | "..") {
        let reason = "cannot be the name of a model".to_owned();
        return Err(Untranslatable::Field { field: "model".to_owned(), reason });
    }
    let model = utf8_percent_encode(model, SEGMENT);
    Ok(format!("publishers/{publisher}/models/{model}:{verb}"))
}

/// Names of versions that Vertex AI does not know where it counts tokens.
const VAGUE: [&str; 2] = ["@default", "@latest"];

/// The model's name where tokens are counted.
pub(crate) fn exact(model: &str) -> &str {
    VAGUE.iter().find_map(|version| model.strip_suffix(version)).unwrap_or(model)
}

/// `anthropic_version`
pub(crate) fn anthropic_version(target: &Target) -> &str {
    target.version.as_deref().filter(|version| !version.is_empty()).unwrap_or(ANTHROPIC_VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_stays_in_its_segment() {
        let path = |model| path("google", model, "generateContent").ok();
        let wanted = |model: &str| Some(format!("publishers/google/models/{model}:generateContent"));
        assert_eq!(path("claude@2025"), wanted("claude@2025"));
        assert_eq!(path("a/../b:rawPredict?x"), wanted("a%2F..%2Fb%3ArawPredict%3Fx"));
        assert_eq!(path(".."), None);
    }
}
