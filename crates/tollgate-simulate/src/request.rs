use std::borrow::Cow;

use memchr::memmem;

/// Largest request head; a larger one is a 431.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// Where the parts of one request lie in the connection's buffer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// Bytes of the head, its empty line included.
    pub(crate) len: usize,
    pub(crate) body: Framing,
    pub(crate) expects_continue: bool,
    pub(crate) keep_alive: bool,
}

/// How the request's body ends (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
}

/// One request, borrowed from the buffer it arrived in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// Without the query.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    headers: &'a str,
    /// The chunks removed.
    pub(crate) body: &'a [u8],
}

/// The head is not HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotHttp;

// === impl Head ===

impl Head {
    /// `None` while the empty line has not arrived.
    pub(crate) fn find(buffer: &[u8]) -> Result<Option<Self>, NotHttp> {
        let Some(end) = memmem::find(buffer, b"\r\n\r\n") else { return Ok(None) };
        let len = end + 4;
        let text = std::str::from_utf8(&buffer[..len]).map_err(|_| NotHttp)?;
        let (line, headers) = text.split_once("\r\n").ok_or(NotHttp)?;
        if !line.contains(" HTTP/1.") {
            return Err(NotHttp);
        }
        let mut head = Self {
            len,
            body: Framing::Length(0),
            expects_continue: false,
            keep_alive: !line.ends_with("HTTP/1.0"),
        };
        for (name, value) in lines(headers) {
            match name.len() {
                14 if name.eq_ignore_ascii_case("content-length") && head.body != Framing::Chunked => {
                    head.body = Framing::Length(value.parse().map_err(|_| NotHttp)?);
                }
                17 if name.eq_ignore_ascii_case("transfer-encoding") => head.body = Framing::Chunked,
                10 if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") => {
                    head.keep_alive = false;
                }
                6 if name.eq_ignore_ascii_case("expect") => head.expects_continue = true,
                _ => {}
            }
        }
        Ok(Some(head))
    }
}

// === impl Request ===

impl<'a> Request<'a> {
    /// `head` is what [`Head::find`] accepted; anything else gives an empty request.
    pub(crate) fn new(head: &'a [u8], body: &'a [u8]) -> Self {
        let text = std::str::from_utf8(head).unwrap_or_default();
        let (line, headers) = text.split_once("\r\n").unwrap_or_default();
        let mut words = line.split(' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let target = match target.find("://") {
            // absolute form: skip the authority
            Some(at) => target[at + 3..].find('/').map_or("/", |slash| &target[at + 3 + slash..]),
            None => target,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method, path, query, headers, body }
    }

    pub(crate) fn header(&self, wanted: &str) -> Option<&'a str> {
        self.headers().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        lines(self.headers)
    }

    /// The credential, wherever this provider's clients put it.
    pub(crate) fn key(&self) -> Option<&'a str> {
        self.headers().find_map(|(name, value)| match name.len() {
            13 if name.eq_ignore_ascii_case("authorization") => {
                let token = value.split_once(' ').map_or(value, |(_, token)| token.trim());
                // AWS signs: `AWS4-HMAC-SHA256 Credential=<key id>/<date>/…, …`
                let signer = token.strip_prefix("Credential=").and_then(|scope| scope.split('/').next());
                Some(signer.unwrap_or(token))
            }
            9 if name.eq_ignore_ascii_case("x-api-key") => Some(value),
            7 if name.eq_ignore_ascii_case("api-key") => Some(value),
            14 if name.eq_ignore_ascii_case("x-goog-api-key") => Some(value),
            _ => None,
        })
    }

    /// The `x-sim-*` headers without their prefix, in lower case.
    pub(crate) fn knobs(&self) -> impl Iterator<Item = (Cow<'a, str>, &'a str)> + use<'a> {
        const PREFIX: &str = "x-sim-";
        self.headers().filter_map(|(name, value)| {
            let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
            prefix.eq_ignore_ascii_case(PREFIX).then(|| (Cow::Owned(rest.to_ascii_lowercase()), value))
        })
    }
}

/// `name: value` lines, values trimmed; a line without a colon is skipped.
fn lines(headers: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = headers;
    std::iter::from_fn(move || {
        loop {
            let end = memchr::memchr(b'\n', rest.as_bytes())?;
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if let Some(colon) = memchr::memchr(b':', line.as_bytes()) {
                return Some((&line[..colon], line[colon + 1..].trim_ascii()));
            }
        }
    })
}

/// Reads a chunked body from the start of `bytes`: the joined chunks and the length of it all.
/// `None` while the last chunk has not arrived.
pub(crate) fn dechunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, NotHttp> {
    let mut joined = Vec::new();
    let mut at = 0;
    loop {
        let Some(eol) = memmem::find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[at..at + eol]).map_err(|_| NotHttp)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| NotHttp)?;
        at += eol + 2;
        if size == 0 {
            // trailers, if any, end with an empty line
            let rest = &bytes[at..];
            if rest.starts_with(b"\r\n") {
                return Ok(Some((joined, at + 2)));
            }
            return Ok(memmem::find(rest, b"\r\n\r\n").map(|end| (joined, at + end + 4)));
        }
        let end = at.checked_add(size).ok_or(NotHttp)?;
        let Some(chunk) = bytes.get(at..end) else { return Ok(None) };
        joined.extend_from_slice(chunk);
        at = end + 2;
        if at > bytes.len() {
            return Ok(None);
        }
    }
}
