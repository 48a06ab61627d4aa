//! Which headers cross the gateway, and which must not.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, TE, TRAILER, UPGRADE},
};

pub(crate) const MODEL: HeaderName = HeaderName::from_static("x-ai-eg-model");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Headers that only the gateway and its neighbours in the mesh may set.
fn is_internal(name: &str) -> bool {
    // Most names are told by their first letter.
    name.starts_with('x')
        && (name.starts_with("x-ai-eg-")
            || name.starts_with("x-envoy-")
            || name == "x-gateway-destination-endpoint")
}

/// Drops what a client must not be able to say.
pub(crate) fn strip_internal(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| is_internal(name.as_str())) {
        return;
    }
    let internal: Vec<HeaderName> =
        headers.keys().filter(|name| is_internal(name.as_str())).cloned().collect();
    for name in &internal {
        headers.remove(name);
    }
}

/// Hop-by-hop headers (RFC 9110, 7.6.1) and those that are written anew for each hop. By their text: comparing with
/// a dozen names, each in one of two forms, takes longer than all the rest that is done with a header.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    is_connections(name.as_str())
        || matches!(name.as_str(), "proxy-authorization" | "te" | "expect" | "content-length" | "host")
}

/// Headers that are about a connection, whichever way.
fn is_connections(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "transfer-encoding"
            | "upgrade"
            | "trailer"
    )
}

/// The headers of an outgoing request: the client's, less hop-by-hop and internal ones.
pub(crate) fn for_upstream(client: &HeaderMap) -> HeaderMap {
    let listed = listed_by_connection(client);
    // Copying the whole map and removing is no cheaper: each removal moves its neighbours. What is left out, host and
    // length at least, makes room for what is put in.
    let mut headers = HeaderMap::with_capacity(client.len());
    for (name, value) in client {
        if !is_hop_by_hop(name) && !listed.contains(name) && !is_internal(name.as_str()) {
            headers.append(name, value.clone());
        }
    }
    headers
}

/// The values of all headers of a name, joined with commas; `None` without one. What is no text is left out.
pub(crate) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut joined = String::new();
    for value in headers.get_all(name).iter().filter_map(|value| value.to_str().ok()) {
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(value);
    }
    (!joined.is_empty()).then_some(joined)
}

/// The query of an LLM request less what only the gateway may know: keys that clients put there.
pub(crate) fn without_keys(query: &str) -> Option<String> {
    let is_key = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        ["key", "api_key", "api-key", "apikey", "access_token"]
            .iter()
            .any(|key| name.eq_ignore_ascii_case(key))
    };
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_key(pair)).collect();
    (!rest.is_empty()).then(|| rest.join("&"))
}

/// Drops what an upstream said to us alone.
pub(crate) fn from_upstream(headers: &mut HeaderMap) {
    if !headers.keys().any(|name| is_connections(name.as_str())) {
        return;
    }
    let mut dropped: Vec<HeaderName> =
        headers.keys().filter(|name| is_connections(name.as_str())).cloned().collect();
    dropped.extend(listed_by_connection(headers));
    for name in &dropped {
        headers.remove(name);
    }
}

/// The protocol a client asks to upgrade to, where it does (RFC 9110, 7.8).
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<&HeaderValue> {
    let protocol = headers.get(UPGRADE)?;
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
        .then_some(protocol)
}

/// Asks a provider for a WebSocket in the client's name, and says which protocol that is. Frames are to come
/// uncompressed, so that they can be read; and a browser, which can set no other header, may have put a key among
/// the protocols that it offers.
pub(crate) fn socket(client: &HeaderMap, headers: &mut HeaderMap) -> HeaderValue {
    let protocol = upgrade(client).cloned().unwrap_or(HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol.clone());
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let offered: Vec<&str> = offered
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|offer| !offer.is_empty() && !offer.starts_with("openai-insecure-api-key."))
        .collect();
    match HeaderValue::try_from(offered.join(", ")) {
        Ok(offers) if !offers.is_empty() => headers.insert(SEC_WEBSOCKET_PROTOCOL, offers),
        _ => headers.remove(SEC_WEBSOCKET_PROTOCOL),
    };
    protocol
}

/// The `trailer` header for an upstream: what the client announces, less what must not stand behind a body (RFC 9110,
/// 6.5.1) and what only the gateway may say.
pub(crate) fn announced_trailers(client: &HeaderMap) -> Option<HeaderValue> {
    let values = client.get_all(TRAILER).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok());
    let names: Vec<HeaderName> = names.filter(may_trail).collect();
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    (!names.is_empty()).then(|| HeaderValue::from_str(&names.join(", ")).ok()).flatten()
}

fn may_trail(name: &HeaderName) -> bool {
    let text = name.as_str();
    let decides =
        ["proxy-", "content-", "x-forwarded-", "if-", "www-"].iter().any(|start| text.starts_with(start));
    let decides = decides
        || matches!(
            text,
            "authorization"
                | "cookie"
                | "set-cookie"
                | "cache-control"
                | "max-forwards"
                | "range"
                | "age"
                | "date"
                | "expires"
                | "location"
                | "retry-after"
                | "vary"
                | "forwarded"
                | "x-real-ip"
                | "x-request-id"
                | "x-api-key"
                | "api-key"
        );
    !decides && !is_hop_by_hop(name) && !is_internal(text)
}

/// True where the client says that it reads trailers (RFC 9110, 10.1.4); gRPC asks for that.
pub(crate) fn takes_trailers(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
}

fn listed_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    // Hardly anybody sends it, and setting up a walk through nothing takes longer than looking.
    if !headers.contains_key(CONNECTION) {
        return Vec::new();
    }
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        // Everyday tokens are dropped in any case; a client cannot use the list to hide end-to-end headers.
        .filter(|name| ![KEEP_ALIVE, UPGRADE].contains(name) && name.as_str() != "close")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_client_cannot_set_internal_headers() {
        let mut sent = headers(&[
            ("x-ai-eg-model", "m"),
            ("x-envoy-original-path", "/"),
            ("x-gateway-destination-endpoint", "1.2.3.4:80"),
            ("x-team", "a"),
        ]);
        strip_internal(&mut sent);
        assert_eq!(sent, headers(&[("x-team", "a")]));
    }

    #[test]
    fn a_socket_is_asked_for_without_compression_and_without_a_browsers_key() {
        let client = headers(&[
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "k"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-protocol", "realtime, openai-insecure-api-key.sk-1"),
        ]);
        let mut out = for_upstream(&client);
        assert_eq!(socket(&client, &mut out), "websocket");
        let wanted = headers(&[
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "k"),
            ("sec-websocket-protocol", "realtime"),
        ]);
        assert_eq!(out, wanted);
    }

    #[test]
    fn trailers_are_announced_less_those_that_decide_something() {
        let announced = |value| announced_trailers(&headers(&[("trailer", value)]));
        assert_eq!(announced("X-Sum, authorization,host, Content-Length").unwrap(), "x-sum");
        assert_eq!(announced("x-a,grpc-status").unwrap(), "x-a, grpc-status");
        for none in ["", "te, x-ai-eg-model, x-envoy-original-path", "a b"] {
            assert_eq!(announced(none), None, "{none}");
        }
    }

    #[test]
    fn keys_in_a_query_stay_here() {
        assert_eq!(without_keys("api-key=1&a=b&KEY=2").as_deref(), Some("a=b"));
        assert_eq!(without_keys("access_token=1"), None);
    }

    #[test]
    fn hop_by_hop_headers_stay_on_their_hop() {
        let sent = headers(&[
            ("connection", "close, X-Secret"),
            ("x-secret", "1"),
            ("transfer-encoding", "chunked"),
            ("host", "a"),
            ("accept", "*/*"),
        ]);
        assert_eq!(for_upstream(&sent), headers(&[("accept", "*/*")]));
    }

    #[test]
    fn what_an_upstream_says_about_the_connection_stays_here() {
        let mut sent = headers(&[
            ("connection", "X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("content-length", "2"),
            ("x-end", "1"),
        ]);
        from_upstream(&mut sent);
        assert_eq!(sent, headers(&[("content-length", "2"), ("x-end", "1")]));
    }
}
