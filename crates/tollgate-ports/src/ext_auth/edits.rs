use http::{
    HeaderMap, HeaderName,
    header::{
        CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

/// Headers that belong to one connection or frame a message: no service sets them for another, and none is relayed.
const FRAMING: [HeaderName; 10] = [
    CONNECTION,
    CONTENT_LENGTH,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHORIZATION,
];

/// True where a service may change the header, or send it to the client.
pub(super) fn is_free(name: &HeaderName) -> bool {
    !FRAMING.contains(name) && name != PROXY_AUTHENTICATE
}

/// Leaves only what may be relayed: what `Connection` names goes as well.
pub(super) fn relayed(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&FRAMING) {
        headers.remove(name);
    }
    headers
}
