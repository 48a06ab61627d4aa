use std::borrow::Cow;

use http::{Uri, uri::PathAndQuery};

/// Rewrites a target's path to the one it means, so that a rule decides about the path that its backend will see:
/// dot segments go, escaped ones too (RFC 3986, 6.2.2.3), and slashes are merged, as Envoy Gateway does it.
pub(crate) fn normalize(uri: &mut Uri) {
    let Cow::Owned(path) = normal(uri.path()) else { return };
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

fn normal(path: &str) -> Cow<'_, str> {
    if !path.starts_with('/') || !is_suspect(path.as_bytes()) {
        return Cow::Borrowed(path);
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    let mut ends_open = false;
    while let Some(segment) = segments.next() {
        let dots = dots(segment);
        ends_open = segments.peek().is_none() && (segment.is_empty() || dots > 0);
        match dots {
            2 => drop(kept.pop()),
            1 => {}
            _ if segment.is_empty() => {}
            _ => kept.push(segment),
        }
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
        normalize(&mut uri);
        uri.to_string()
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
