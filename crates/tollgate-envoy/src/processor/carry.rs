//! What the router level leaves for the upstream level, in the request's dynamic metadata: another process may serve
//! that, or the same one after a restart.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderName, Version, header::HOST};
use prost::Message;
use tollgate_core::{RequestHead, Unread};
use tollgate_llm::Delivery;
use tollgate_types::ModelId;

use super::heads::{self, Entry, Seen};
use crate::proto::base;

/// The namespace of dynamic metadata that is between the two levels alone.
pub(crate) const NAMESPACE: &str = "dev.tollgate.request";
/// The key of the client's head there.
pub(crate) const HEAD: &str = "head";
/// The key of the names of headers that earlier attempts changed.
pub(crate) const CHANGED: &str = "changed";

/// A client's head with what else is known of the request.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Carry {
    #[prost(message, optional, tag = "1")]
    headers: Option<base::HeaderMap>,
    #[prost(string, tag = "2")]
    method: String,
    #[prost(string, tag = "3")]
    path: String,
    #[prost(string, tag = "4")]
    host: String,
    #[prost(uint32, tag = "5")]
    port: u32,
    #[prost(string, tag = "6")]
    peer: String,
    /// What ids are made of: of the request, and of its span.
    #[prost(fixed64, repeated, tag = "7")]
    random: Vec<u64>,
    /// What was read of the body; nothing where every attempt has to read it.
    #[prost(message, optional, tag = "8")]
    body: Option<Read>,
}

/// What the router level has read of a body, for attempts that are made without it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Read {
    #[prost(string, tag = "1")]
    model: String,
    #[prost(bool, tag = "2")]
    streamed: bool,
    #[prost(bool, tag = "3")]
    wants_usage: bool,
    #[prost(bool, tag = "4")]
    wished: bool,
    /// Bytes that go on.
    #[prost(uint64, tag = "5")]
    length: u64,
}

// === impl Carry ===

impl Carry {
    pub(crate) fn of(head: &RequestHead, random: [u64; 4], body: Option<Read>) -> Self {
        let host = head.headers.get(HOST);
        // The stages find the model out anew, and put it there themselves.
        let own = |name: &HeaderName| name != HOST && name != heads::MODEL;
        Self {
            headers: Some(heads::to_proto(&head.headers, own)),
            method: head.method.as_str().to_owned(),
            path: head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            host: host.and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned(),
            port: head.port.into(),
            peer: head.peer.to_string(),
            random: random.to_vec(),
            body,
        }
    }

    /// As text, since metadata has no bytes.
    pub(crate) fn write(&self) -> String {
        STANDARD_NO_PAD.encode(self.encode_to_vec())
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        Self::decode(STANDARD_NO_PAD.decode(text).ok()?.as_slice()).ok()
    }

    /// What was read of the body.
    pub(crate) const fn body(&self) -> Option<&Read> {
        self.body.as_ref()
    }

    /// The head as it was.
    pub(crate) fn into_head(self) -> Option<(RequestHead, [u64; 4])> {
        let Self { headers, method, path, host, port, peer, random, body: _ } = self;
        let random = random.try_into().ok()?;
        let seen = Seen { method, path, authority: host, ..Seen::of(headers) };
        let unknown = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let entry = Entry {
            port: u16::try_from(port).unwrap_or_default(),
            peer: peer.parse().unwrap_or(unknown),
            version: Version::HTTP_11,
        };
        Some((seen.request(entry)?, random))
    }
}

// === impl Read ===

impl Read {
    /// `length` is that of the body as it goes on.
    pub(crate) fn of(unread: &Unread, length: usize) -> Self {
        let Unread { model, delivery, wants_usage, wished } = unread;
        Self {
            model: model.as_str().to_owned(),
            streamed: *delivery == Delivery::Streamed,
            wants_usage: *wants_usage,
            wished: *wished,
            length: length as u64,
        }
    }

    pub(crate) fn unread(&self) -> Unread {
        Unread {
            model: ModelId::from(&*self.model),
            delivery: if self.streamed { Delivery::Streamed } else { Delivery::Whole },
            wants_usage: self.wants_usage,
            wished: self.wished,
        }
    }

    pub(crate) fn length(&self) -> Option<usize> {
        usize::try_from(self.length).ok()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, Uri};

    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was_left() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a.example:80"));
        headers.append("x-two", HeaderValue::from_static("1"));
        headers.append("x-two", HeaderValue::from_bytes(b"\xff2").unwrap());
        let head = RequestHead {
            method: Method::POST,
            uri: Uri::from_static("/v1/chat/completions?a=b"),
            version: Version::HTTP_11,
            headers,
            port: 80,
            server_name: None,
            secure: false,
            certificate: None,
            peer: ([10, 0, 0, 1], 4711).into(),
        };
        let (back, random) =
            Carry::read(&Carry::of(&head, [1, 2, 3, 4], None).write()).unwrap().into_head().unwrap();
        assert_eq!(random, [1, 2, 3, 4]);
        assert_eq!((&back.method, &back.uri, &back.headers), (&head.method, &head.uri, &head.headers));
        assert_eq!((back.port, back.peer), (80, head.peer));
        assert_eq!(Carry::read("no such thing"), None);
    }

    #[test]
    fn what_was_read_of_a_body_comes_back() {
        let unread = Unread {
            model: ModelId::from("m"),
            delivery: Delivery::Streamed,
            wants_usage: false,
            wished: true,
        };
        let read = Read::decode(&*Read::of(&unread, 7).encode_to_vec()).unwrap();
        assert_eq!((read.unread(), read.length()), (unread, Some(7)));
    }
}
