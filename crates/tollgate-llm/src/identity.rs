use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate_types::Dialect;

/// Anthropic's.
const ANTHROPIC: HeaderName = HeaderName::from_static("request-id");

/// Everybody else's.
const USUAL: HeaderName = HeaderName::from_static("x-request-id");

/// Where providers name the request, for their support and for ours.
static NAMES: [HeaderName; 4] = [
    ANTHROPIC,
    USUAL,
    HeaderName::from_static("apim-request-id"),
    HeaderName::from_static("x-amzn-requestid"),
];

/// What a provider calls the request.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    NAMES.iter().find_map(|name| headers.get(name))
}

/// Gives a reply the header in which the client's SDK looks for the request's id, where the provider wrote it under
/// another name. That happens to bytes that pass, too: Bedrock serves Anthropic's API with ids of its own.
pub(crate) fn name_request(dialect: Dialect, headers: &mut HeaderMap) {
    let wanted = match dialect {
        Dialect::Anthropic => ANTHROPIC,
        Dialect::OpenAi | Dialect::Cohere | Dialect::Gemini => USUAL,
    };
    if headers.contains_key(&wanted) {
        return;
    }
    if let Some(id) = request_id(headers).cloned() {
        headers.insert(wanted, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(dialect: Dialect, provider: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers: HeaderMap = provider
            .iter()
            .map(|(name, id)| (HeaderName::from_static(name), HeaderValue::from_static(id)))
            .collect();
        name_request(dialect, &mut headers);
        headers
    }

    #[test]
    fn each_sdk_finds_the_id_under_its_own_name() {
        assert_eq!(named(Dialect::OpenAi, &[("request-id", "req_1")])["x-request-id"], "req_1");
        assert_eq!(named(Dialect::Anthropic, &[("x-request-id", "req_2")])["request-id"], "req_2");
        assert_eq!(named(Dialect::Anthropic, &[("x-amzn-requestid", "req_3")])["request-id"], "req_3");
    }

    #[test]
    fn an_id_that_has_the_right_name_stays_and_none_is_made_up() {
        let both = named(Dialect::OpenAi, &[("request-id", "req_1"), ("x-request-id", "req_2")]);
        assert_eq!(both["x-request-id"], "req_2");
        assert!(named(Dialect::OpenAi, &[]).is_empty());
    }
}
