use http::{
    HeaderMap, HeaderName, HeaderValue,
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

/// What a service that says yes wants changed, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// For the request that goes on.
    pub request: Vec<(HeaderName, HeaderEdit)>,
    /// For the reply that the client gets.
    pub reply: Vec<(HeaderName, HeaderEdit)>,
}

/// What happens to a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// This value, instead of all there are
    Set(HeaderValue),
    /// This value, beside those there are
    Append(HeaderValue),
    /// This value, where there is none
    Add(HeaderValue),
    /// This value, instead of those there are, where there are some
    Overwrite(HeaderValue),
    /// None
    Remove,
}

// === impl HeaderEdits ===

impl HeaderEdits {
    /// Changes the request.
    pub fn apply(&self, headers: &mut HeaderMap) {
        apply(&self.request, headers);
    }

    /// Changes the reply.
    pub fn apply_to_reply(&self, headers: &mut HeaderMap) {
        apply(&self.reply, headers);
    }
}

fn apply(edits: &[(HeaderName, HeaderEdit)], headers: &mut HeaderMap) {
    for (name, edit) in edits {
        match edit {
            HeaderEdit::Set(value) => {
                headers.insert(name, value.clone());
            }
            HeaderEdit::Append(value) => {
                headers.append(name, value.clone());
            }
            HeaderEdit::Add(value) => {
                headers.entry(name).or_insert_with(|| value.clone());
            }
            HeaderEdit::Overwrite(value) if headers.contains_key(name) => {
                headers.insert(name, value.clone());
            }
            HeaderEdit::Overwrite(_) => {}
            HeaderEdit::Remove => {
                headers.remove(name);
            }
        }
    }
}

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
