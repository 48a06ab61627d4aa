use std::{fmt, hash::Hash, io, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tollgate_types::Secret;

use crate::Failure;

/// Bytes of a proxy's answer that are read.
const MAX_ANSWER: usize = 16 * 1024;

/// A proxy that connections go through (`CONNECT`, RFC 9110, 9.3.6).
#[derive(Clone, PartialEq, Eq)]
pub struct Via {
    host: Arc<str>,
    port: u16,
    /// `Basic …`
    authorization: Option<Secret>,
}

/// The address of a proxy that cannot be read. Repeats nothing of it: a password may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProxy {
    /// Neither `host:port` nor `http://[user:password@]host:port`
    #[error("a proxy is host:port or http://[user:password@]host:port")]
    Form,
    /// TLS to the proxy itself
    #[error("a proxy is asked in plain text: its URL begins with http://")]
    Scheme,
}

// === impl Via ===

impl Via {
    /// A proxy at `host`, a name or an IP address, IPv6 with or without brackets.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Self { host: bare.to_ascii_lowercase().into(), port, authorization: None }
    }

    /// With a user and a password (RFC 7617).
    #[must_use]
    pub fn authorized(self, user: &[u8], password: &[u8]) -> Self {
        let pair = Secret::new([user, b":", password].concat());
        let value = format!("Basic {}", STANDARD.encode(pair.expose()));
        Self { authorization: Some(Secret::new(value)), ..self }
    }

    /// Reads `host:port`, or a URL as `HTTPS_PROXY` has it; without a port that is 80.
    ///
    /// # Errors
    /// [`BadProxy`]
    pub fn parse(text: &str) -> Result<Self, BadProxy> {
        let (rest, default) = match text.trim().split_once("://") {
            None => (text.trim(), None),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (rest, Some(80)),
            Some(_) => return Err(BadProxy::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) if default.is_some() => (Some(user), address),
            Some(_) => return Err(BadProxy::Form),
            None => (None, rest),
        };
        let whole = address.ends_with(']') || !address.contains(':');
        let (host, port) = match (whole, default) {
            (true, Some(port)) => (address, port),
            (true, None) => return Err(BadProxy::Form),
            (false, _) => {
                let (host, port) = address.rsplit_once(':').ok_or(BadProxy::Form)?;
                (host, port.parse().map_err(|_| BadProxy::Form)?)
            }
        };
        let named = !host.is_empty()
            && (host.starts_with('[') == host.ends_with(']'))
            && !host.contains(['/', '?', '#', '@', ' ']);
        if !named || port == 0 || (host.contains(':') && !host.starts_with('[')) {
            return Err(BadProxy::Form);
        }
        let via = Self::new(host, port);
        Ok(match user {
            Some(user) => {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                via.authorized(&unescaped(user), &unescaped(password))
            }
            None => via,
        })
    }

    /// The name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Asks the proxy on a new connection to it for one to `host`, which it resolves.
    pub(crate) async fn connect(
        &self,
        socket: &mut TcpStream,
        (host, port): (&str, u16),
    ) -> Result<(), Failure> {
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            head.extend_from_slice(b"proxy-authorization: ");
            head.extend_from_slice(authorization.expose());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        let head = Secret::new(head);
        let broken = |error: io::Error| Failure::Connect(Arc::new(error));
        socket.write_all(head.expose()).await.map_err(broken)?;
        let mut answer = Vec::new();
        // One by one, since what follows the head is not the proxy's any more.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= MAX_ANSWER {
                return Err(self.refused("its answer is too long"));
            }
            answer.push(socket.read_u8().await.map_err(broken)?);
        }
        match status(&answer) {
            Some(200..=299) => Ok(()),
            Some(status) => Err(self.refused(&format!("it answered {status}"))),
            None => Err(self.refused("its answer is no HTTP")),
        }
    }

    fn refused(&self, why: &str) -> Failure {
        let text = format!("no connection through proxy {}:{}: {why}", self.host, self.port);
        Failure::Connect(Arc::new(io::Error::other(text)))
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(answer.split(|byte| *byte == b'\r').next()?).ok()?;
    let mut words = line.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

/// A part of a URL without its escapes.
fn unescaped(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.authorization.is_some() { "..@" } else { "" };
        write!(f, "Via({user}{}:{})", self.host, self.port)
    }
}

impl Hash for Via {
    // The secret is left out: a hash must tell nothing about it.
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.host, self.port).hash(state);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_proxy_is_an_address_or_a_url() {
        for (text, want) in [
            ("proxy.example:3128", Ok(Via::new("proxy.example", 3128))),
            ("10.0.0.1:80", Ok(Via::new("10.0.0.1", 80))),
            ("[::1]:3128", Ok(Via::new("::1", 3128))),
            ("http://Proxy.example/", Ok(Via::new("proxy.example", 80))),
            ("http://[::1]", Ok(Via::new("::1", 80))),
            (
                "http://a%40b:p%3Aw@proxy.example:1",
                Ok(Via::new("proxy.example", 1).authorized(b"a@b", b"p:w")),
            ),
            ("https://proxy.example:1", Err(BadProxy::Scheme)),
            ("socks5://proxy.example:1", Err(BadProxy::Scheme)),
            ("proxy.example", Err(BadProxy::Form)),
            ("proxy.example:0", Err(BadProxy::Form)),
            ("proxy.example:70000", Err(BadProxy::Form)),
            (":80", Err(BadProxy::Form)),
            ("::1:80", Err(BadProxy::Form)),
            ("http://proxy.example:1/path", Err(BadProxy::Form)),
            ("user:pw@proxy.example:1", Err(BadProxy::Form)),
            ("", Err(BadProxy::Form)),
        ] {
            assert_eq!(Via::parse(text), want, "{text}");
        }
        let secret = format!("{:?}", Via::parse("http://u:secret@p:1").unwrap());
        assert_eq!(secret, "Via(..@p:1)");
    }
}
