use std::fmt::Write;

use http::{HeaderName, Method};
use regex::{Regex, RegexBuilder};
use tollgate_resources::{
    AiRouteMatch, CookieMatch, FilterMatch, HeaderMatch, HttpMethod, HttpRouteMatch, MatchType, PathMatchType,
};
use tollgate_snapshot::{HeaderMatch as Header, Matcher, ModelMatch, PathMatch, QueryMatch, TextMatch};
use tollgate_types::ModelId;

use crate::Fault;

/// The header that stands for the body's model.
pub(crate) const MODEL_HEADER: &str = "x-ai-eg-model";

/// Compiled patterns stay below this many bytes; a bound against patterns that grow when compiled.
const PATTERN_BYTES: usize = 2 * 1024 * 1024;

/// A pattern that has to match the whole text, as Envoy's `safe_regex` does.
pub(crate) fn whole(pattern: &str) -> Result<Regex, Fault> {
    partial(pattern)?;
    partial(&format!("^(?:{pattern})$"))
}

/// A pattern that may match anywhere.
pub(crate) fn partial(pattern: &str) -> Result<Regex, Fault> {
    RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build().map_err(|error| {
        let error = error.to_string();
        let reason = error.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
        Fault::new("invalid-regex", format!("{pattern:?} is no usable pattern: {reason}"))
            .help("patterns have RE2 syntax: no look-around, no back-references")
    })
}

/// A header name as users write it, in any case.
pub(crate) fn header_name(name: &str) -> Result<HeaderName, Fault> {
    HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes())
        .map_err(|_| Fault::new("invalid-header-name", format!("{name:?} is no header name")))
}

fn text(kind: MatchType, value: &str) -> Result<TextMatch, Fault> {
    Ok(match kind {
        MatchType::Exact => TextMatch::Exact(value.into()),
        MatchType::RegularExpression => TextMatch::Regex(whole(value)?),
    })
}

/// Header matches, and the one on the model. Of a repeated name only the first counts (Gateway API, HTTPHeaderMatch).
fn headers(matches: &[HeaderMatch]) -> Result<(Vec<Header>, Option<ModelMatch>), Fault> {
    let (mut headers, mut model) = (Vec::<Header>::new(), None);
    for HeaderMatch { match_type, name, value } in matches {
        if name.eq_ignore_ascii_case(MODEL_HEADER) {
            if model.is_none() {
                model = Some(match match_type {
                    MatchType::Exact => ModelMatch::Exact(ModelId::from(value.as_str())),
                    MatchType::RegularExpression => ModelMatch::Regex(whole(value)?),
                });
            }
            continue;
        }
        let name = header_name(name)?;
        if !headers.iter().any(|known| known.name == name) {
            headers.push(Header { name, value: text(*match_type, value)? });
        }
    }
    Ok((headers, model))
}

/// A match of an AIGatewayRoute: headers only, below every path.
pub(crate) fn llm(matched: &AiRouteMatch) -> Result<Matcher, Fault> {
    let AiRouteMatch { headers: matches } = matched;
    let (headers, model) = headers(matches)?;
    Ok(Matcher { path: PathMatch::Prefix("".into()), method: None, headers, query: Vec::new(), model })
}

/// A match of an HTTPRoute.
pub(crate) fn http(matched: &HttpRouteMatch) -> Result<Matcher, Fault> {
    let HttpRouteMatch { path, headers: matches, query_params, method } = matched;
    let (headers, model) = headers(matches)?;
    let mut query = Vec::<QueryMatch>::new();
    for param in query_params {
        if !query.iter().any(|known| *known.name == *param.name) {
            query.push(QueryMatch {
                name: param.name.as_str().into(),
                value: text(param.match_type, &param.value)?,
            });
        }
    }
    let path = match path.match_type {
        PathMatchType::Exact => PathMatch::Exact(path.value.as_str().into()),
        PathMatchType::PathPrefix => PathMatch::Prefix(path.value.trim_end_matches('/').into()),
        PathMatchType::RegularExpression => PathMatch::Regex(whole(&path.value)?),
    };
    Ok(Matcher { path, method: method.map(http_method), headers, query, model })
}

const fn http_method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Connect => Method::CONNECT,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Trace => Method::TRACE,
        HttpMethod::Patch => Method::PATCH,
    }
}

/// A rule's matches, each narrowed by one of an HTTPRouteFilter's `matches`.
pub(crate) fn narrowed(matchers: &[Matcher], by: &[FilterMatch]) -> Result<Vec<Matcher>, Fault> {
    let mut narrowed = Vec::new();
    for matcher in matchers {
        for FilterMatch { cookies } in by {
            let mut matcher = matcher.clone();
            for cookie in cookies {
                matcher.headers.push(self::cookie(cookie)?);
            }
            narrowed.push(matcher);
        }
    }
    Ok(narrowed)
}

/// A cookie is looked for inside of the `cookie` header (RFC 6265, 4.2.1: pairs joined by `; `).
fn cookie(cookie: &CookieMatch) -> Result<Header, Fault> {
    let CookieMatch { match_type, name, value } = cookie;
    let value = match match_type {
        MatchType::Exact => regex::escape(value),
        MatchType::RegularExpression => {
            partial(value)?;
            value.clone()
        }
    };
    let mut pattern = String::new();
    // Writing to a `String` cannot fail.
    let _ = write!(pattern, r"(?:^|;\s*){}=(?:{value})\s*(?:;|$)", regex::escape(name));
    Ok(Header { name: http::header::COOKIE, value: TextMatch::Regex(partial(&pattern)?) })
}
