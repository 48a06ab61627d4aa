use std::borrow::Cow;

use http::{Uri, uri::PathAndQuery};
use tollgate_snapshot::EscapedSlashes;

/// What is wrong with an escaped slash, or where its request should go instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EscapedSlash {
    /// Refused.
    Refused,
    /// The same target with plain slashes: path and query.
    Elsewhere(String),
}

/// Rewrites a target's path to the one it means, so that a rule decides about the path that its backend will see:
/// dot segments go, escaped ones too (RFC 3986, 6.2.2.3), and slashes are merged unless that is off, as Envoy
/// Gateway does it.
pub(crate) fn normalize(uri: &mut Uri, merge_slashes: bool) {
    if let Cow::Owned(path) = normal(uri.path(), merge_slashes) {
        replace_path(uri, path);
    }
}

/// Decides about slashes and backslashes that hide behind `%2F` and `%5C`. They are unescaped once only.
pub(crate) fn unescape_slashes(uri: &mut Uri, action: EscapedSlashes) -> Option<EscapedSlash> {
    if action == EscapedSlashes::Keep {
        return None;
    }
    let path = unescaped(uri.path())?;
    match action {
        EscapedSlashes::Keep => None,
        EscapedSlashes::Reject => Some(EscapedSlash::Refused),
        EscapedSlashes::Unescape => {
            replace_path(uri, path);
            None
        }
        EscapedSlashes::Redirect => {
            // Two slashes at its front would make a host of what follows.
            let path = format!("/{}", path.trim_start_matches('/'));
            Some(EscapedSlash::Elsewhere(match uri.query() {
                Some(query) => format!("{path}?{query}"),
                None => path,
            }))
        }
    }
}

/// The path with plain slashes, where it has escaped ones.
fn unescaped(path: &str) -> Option<String> {
    if !path.bytes().any(|byte| byte == b'%') {
        return None;
    }
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let escape = after.get(..2).unwrap_or_default();
        let slash = escape.eq_ignore_ascii_case("2f") || escape.eq_ignore_ascii_case("5c");
        out.push(if slash { '/' } else { '%' });
        rest = if slash { after.get(2..).unwrap_or_default() } else { after };
    }
    out.push_str(rest);
    (out.len() < path.len()).then_some(out)
}

/// Puts another path in the place of a target's own.
fn replace_path(uri: &mut Uri, path: String) {
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    replace(uri, target);
}

/// Puts another query, or none, in the place of a target's own.
pub(crate) fn replace_query(uri: &mut Uri, query: Option<&str>) {
    let target = match query {
        Some(query) => format!("{}?{query}", uri.path()),
        None => uri.path().to_owned(),
    };
    replace(uri, target);
}

fn replace(uri: &mut Uri, target: String) {
    let mut parts = std::mem::take(uri).into_parts();
    // Pieces of a valid target are a valid target.
    parts.path_and_query = PathAndQuery::try_from(target).ok().or(parts.path_and_query);
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

fn normal(path: &str, merge_slashes: bool) -> Cow<'_, str> {
    if !path.starts_with('/') || !is_suspect(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    let mut ends_open = false;
    let mut first = true;
    while let Some(segment) = segments.next() {
        let dots = dots(segment);
        ends_open = segments.peek().is_none() && (segment.is_empty() || dots > 0);
        match dots {
            2 => drop(kept.pop()),
            1 => {}
            _ if segment.is_empty() && (merge_slashes || first || segments.peek().is_none()) => {}
            _ => kept.push(segment),
        }
        first = false;
    }
    let mut out = String::with_capacity(path.len());
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    if ends_open || kept.is_empty() {
        out.push('/');
    }
    Cow::Owned(out)
}

/// Whether a slash is followed by what begins an empty or a dot segment; nearly no path is.
fn is_suspect(path: &[u8]) -> bool {
    path.windows(2).any(|pair| matches!(pair, b"//" | b"/." | b"/%"))
}

/// How many dots a segment is, escaped or not; 0 where it is anything else.
fn dots(segment: &str) -> usize {
    let mut rest = segment;
    let mut count = 0;
    while !rest.is_empty() {
        let after = rest.strip_prefix('.').or_else(|| rest.strip_prefix("%2e"));
        let Some(after) = after.or_else(|| rest.strip_prefix("%2E")) else { return 0 };
        rest = after;
        count += 1;
    }
    if count > 2 { 0 } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(target: &'static str) -> String {
        let mut uri = Uri::from_static(target);
        normalize(&mut uri, true);
        uri.to_string()
    }

    #[test]
    fn slashes_stay_where_they_are_not_to_be_merged() {
        let mut uri = Uri::from_static("//a//./b/../c//");
        normalize(&mut uri, false);
        assert_eq!(uri, "//a//c//");
        let mut uri = Uri::from_static("/a//../b");
        normalize(&mut uri, false);
        assert_eq!(uri, "/a/b");
    }

    #[test]
    fn escaped_slashes_are_found_once() {
        assert_eq!(unescaped("/a/b%20c"), None);
        assert_eq!(unescaped("/a%2Fb%5cc%2"), Some("/a/b/c%2".to_owned()));
        assert_eq!(unescaped("/a%252Fb"), None);
        assert_eq!(unescaped("/%%2f"), Some("/%/".to_owned()));
    }

    #[test]
    fn a_redirect_to_plain_slashes_leads_to_no_other_host() {
        let mut uri = Uri::from_static("/%2Fevil.example%5C?a=%2F");
        let found = unescape_slashes(&mut uri, EscapedSlashes::Redirect);
        assert_eq!(found, Some(EscapedSlash::Elsewhere("/evil.example/?a=%2F".to_owned())));
    }

    #[test]
    fn an_unescaped_slash_hides_no_dot_segment() {
        let mut uri = Uri::from_static("http://a.example/web/..%2Fadmin?b");
        assert_eq!(unescape_slashes(&mut uri, EscapedSlashes::Unescape), None);
        normalize(&mut uri, true);
        assert_eq!(uri, "http://a.example/admin?b");
    }

    #[test]
    fn a_path_cannot_leave_the_prefix_it_shows() {
        assert_eq!(normalized("/web/../admin"), "/admin");
        assert_eq!(normalized("/web/%2e%2E/admin?a=..//b"), "/admin?a=..//b");
        assert_eq!(normalized("/web/.%2e/admin/.."), "/");
        assert_eq!(normalized("/../../etc"), "/etc");
        assert_eq!(normalized("/web/x/.."), "/web/");
    }

    #[test]
    fn slashes_are_merged_and_the_last_one_stays() {
        assert_eq!(normalized("//v1//chat/completions"), "/v1/chat/completions");
        assert_eq!(normalized("/web//"), "/web/");
        assert_eq!(normalized("//"), "/");
        assert_eq!(normalized("http://a.example//b"), "http://a.example/b");
    }

    #[test]
    fn other_paths_stay_as_they_are() {
        for path in
            ["/", "/a/b/", "/.well-known/x", "/a/...", "/a%2fb/%20", "/a/..b", "/a;x=..", "/a?b=//../"]
        {
            assert_eq!(normalized(path), path);
        }
        assert_eq!(Uri::from_static("*"), normalized("*").parse::<Uri>().expect("an asterisk is a target"));
    }
}
