use std::{mem::MaybeUninit, ops::Range};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
    response::Parts,
};
use httparse::{Header, ParserConfig, Status};
use smallvec::SmallVec;

use super::{Malformed, body::Framing};

/// Headers of one response.
const HEADERS: usize = 128;

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) parts: Parts,
    pub(crate) framing: Framing,
    /// Whether the upstream takes another request behind this one.
    pub(crate) keeps_alive: bool,
    /// Bytes of the head.
    pub(crate) length: usize,
}

/// The names of the headers that an origin sent last, in their order. It nearly always sends them again, and comparing
/// a name takes less than making one.
#[derive(Debug, Default)]
pub(crate) struct Names {
    list: Vec<HeaderName>,
    /// True where one of them may be about the connection, or about framing by anything but a length.
    special: bool,
}

/// The head that `input` begins with, once it is all there. `bodiless` where it answers a `HEAD` request.
///
/// # Errors
/// [`Malformed`] where it is not HTTP/1, or where it is unclear how long its body is.
pub(crate) fn parse(input: &[u8], bodiless: bool, names: &mut Names) -> Result<Option<Parsed>, Malformed> {
    let head = match familiar(input, names) {
        Some(head) => head,
        None => match unfamiliar(input, names)? {
            Some(head) => head,
            None => return Ok(None),
        },
    };
    let Head { status, version, headers, length } = head;
    let (mut parts, ()) = Response::new(()).into_parts();
    (parts.status, parts.version, parts.headers) = (status, version, headers);
    let mut keeps_alive = keeps_alive(&parts, names);
    let framing = match framing(&mut parts, bodiless, names)? {
        (framing, true) => framing,
        (framing, false) => {
            keeps_alive = false;
            framing
        }
    };
    keeps_alive &= framing != Framing::UntilClose;
    Ok(Some(Parsed { parts, framing, keeps_alive, length }))
}

/// What a head says, whatever that means for its body.
#[derive(Debug, PartialEq)]
struct Head {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    length: usize,
}

/// Reads a head in the usual spelling that has the names of the last one in their order; `None` for all else, which is
/// left to [`unfamiliar`].
fn familiar(input: &[u8], names: &Names) -> Option<Head> {
    let (status, mut at) = usual_status(input)?;
    let mut values = SmallVec::<[Range<usize>; 24]>::new();
    for name in &names.list {
        // In front of each line is the end of the one before.
        let line = input.get(at..)?.strip_prefix(b"\r\n")?;
        let (spelled, rest) = line.split_at_checked(name.as_str().len())?;
        let text = rest.strip_prefix(b": ")?;
        // Most write names in lower case, and comparing those takes a tenth of folding them.
        let known = name.as_str().as_bytes();
        if spelled != known && !spelled.eq_ignore_ascii_case(known) {
            return None;
        }
        let value = &text[..memchr::memchr(b'\r', text)?];
        // Spaces around a value are no part of it.
        if value.first().is_none_or(|first| *first <= b' ') || value.last().is_none_or(|last| *last <= b' ') {
            return None;
        }
        let start = input.len() - text.len();
        at = start + value.len();
        values.push(start..at);
    }
    let length = at + input.get(at..)?.starts_with(b"\r\n\r\n").then_some(4)?;
    let head = Bytes::copy_from_slice(&input[..length]);
    let mut headers = HeaderMap::with_capacity(names.list.len());
    for (name, value) in names.list.iter().zip(values) {
        headers.append(name, HeaderValue::from_maybe_shared(head.slice(value)).ok()?);
    }
    Some(Head { status, version: Version::HTTP_11, headers, length })
}

/// The status of a first line in the usual spelling, and where the line ends.
fn usual_status(input: &[u8]) -> Option<(StatusCode, usize)> {
    let rest = input.strip_prefix(b"HTTP/1.1 ")?;
    let (code, reason) = rest.split_at_checked(3)?;
    let status = StatusCode::from_bytes(code).ok()?;
    let length = reason.iter().position(|byte| !matches!(byte, b' '..=b'~'))?;
    (reason.starts_with(b" ") && reason[length..].starts_with(b"\r\n"))
        .then_some((status, input.len() - reason.len() + length))
}

/// Reads a head in any spelling, and keeps its names.
fn unfamiliar(input: &[u8], names: &mut Names) -> Result<Option<Head>, Malformed> {
    let mut slots = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut response, input, &mut slots);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed("the response has too many headers")),
        Err(_) => return Err(Malformed("what came is no HTTP/1 response")),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed("the response's status is not valid"))?;
    let version = if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let headers = copied((input, length), response.headers, names)?;
    Ok(Some(Head { status, version, headers, length }))
}

/// The headers, in one copy that their values share.
fn copied(
    (input, length): (&[u8], usize),
    lines: &[Header<'_>],
    names: &mut Names,
) -> Result<HeaderMap, Malformed> {
    const FAULT: Malformed = Malformed("a header of the response is not valid");
    let Names { list: names, special } = names;
    // Until all of them are known.
    *special = true;
    let head = Bytes::copy_from_slice(&input[..length]);
    let mut headers = HeaderMap::with_capacity(lines.len());
    names.truncate(lines.len());
    for (position, line) in lines.iter().enumerate() {
        let name = match names.get(position) {
            Some(name) if name.as_str() == line.name || name.as_str().eq_ignore_ascii_case(line.name) => {
                name.clone()
            }
            _ => {
                let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| FAULT)?;
                names.truncate(position);
                names.push(name.clone());
                name
            }
        };
        // Where the value stands in the input: both are parts of one slice.
        let at = (line.value.as_ptr() as usize).wrapping_sub(input.as_ptr() as usize);
        let value = match at.checked_add(line.value.len()) {
            Some(end) if end <= length => HeaderValue::from_maybe_shared(head.slice(at..end)),
            // An empty value may stand anywhere.
            _ => HeaderValue::from_bytes(line.value),
        };
        headers.append(name, value.map_err(|_| FAULT)?);
    }
    *special = [CONNECTION, TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name));
    Ok(headers)
}

fn keeps_alive(parts: &Parts, names: &Names) -> bool {
    let says = |word: &str| {
        let values = parts.headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    match parts.version {
        Version::HTTP_10 => says("keep-alive") && !says("close"),
        _ => !names.special || !says("close"),
    }
}

/// How long the body is, and whether that is clear enough for the connection to be used again
/// (RFC 9112 section 6.3).
fn framing(parts: &mut Parts, bodiless: bool, names: &Names) -> Result<(Framing, bool), Malformed> {
    let status = parts.status;
    if bodiless
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    {
        return Ok((Framing::Length(0), true));
    }
    if names.special && parts.headers.contains_key(TRANSFER_ENCODING) {
        if parts.version == Version::HTTP_10 {
            return Err(Malformed("a response of HTTP/1.0 has a transfer encoding"));
        }
        // Others on the way may have believed the length.
        let clear = parts.headers.remove(CONTENT_LENGTH).is_none();
        let chunked = is_chunked(&parts.headers);
        return Ok((if chunked { Framing::Chunked } else { Framing::UntilClose }, clear));
    }
    let values = parts.headers.get_all(CONTENT_LENGTH);
    let mut both = values.iter();
    if let (Some(only), None) = (both.next(), both.next())
        && let Some(length) = usual_length(only.as_bytes())
    {
        return Ok((Framing::Length(length), true));
    }
    let mut length = None;
    for value in values {
        let value = value.to_str().map_err(|_| Malformed("the content-length is not valid"))?;
        for text in value.split(',').map(str::trim) {
            let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<u64>().ok().filter(|_| valid);
            match (number, length) {
                (Some(number), Some(known)) if number == known => {}
                (Some(number), None) => length = Some(number),
                _ => return Err(Malformed("the content-length is not valid")),
            }
        }
    }
    Ok((length.map_or(Framing::UntilClose, Framing::Length), true))
}

/// A length in digits that fit into 64 bits whatever they are; anything else is looked at more closely.
fn usual_length(text: &[u8]) -> Option<u64> {
    let usual = (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    usual.then(|| text.iter().fold(0, |sum, byte| sum * 10 + u64::from(byte - b'0')))
}

/// True where chunks are the last coding that was applied.
fn is_chunked(headers: &HeaderMap) -> bool {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back();
    let last = last.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    last.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_familiar_is_read_as_anything_is(
            lines in proptest::collection::vec(("[abC]{1,2}", ":|: |:  |: \t| : ", "[ a\t\u{e9}\u{7f}]{0,3}"), 0..4),
            (first, end) in ("HTTP/1\\.1 (200|099|20) ?(OK|)( |\t|\u{7f})?|HTTP/1.0 200 OK", "\r\n|\n|\r"),
            cut in 0..80_usize,
        ) {
            let lines: Vec<String> =
                lines.iter().map(|(name, colon, value)| format!("{name}{colon}{value}{end}")).collect();
            let text = format!("{first}{end}{}{end}body", lines.concat());
            let mut names = Names::default();
            for text in [text.as_bytes(), &text.as_bytes()[..text.len().min(cut)]] {
                let wanted = unfamiliar(text, &mut names);
                if let Some(head) = familiar(text, &names) {
                    prop_assert_eq!(wanted, Ok(Some(head)));
                }
            }
        }
    }

    #[test]
    fn the_usual_spelling_is_familiar_once_its_names_are_known() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 5\r\n\r\n{}";
        let mut names = Names::default();
        let told = unfamiliar(head, &mut names).unwrap();
        assert!(told.is_some());
        assert_eq!(familiar(head, &names), told);
        assert_eq!(familiar(&head[..30], &names), None);
    }

    fn told(head: &str) -> Option<(Framing, bool)> {
        let parsed = parse(head.as_bytes(), false, &mut Names::default()).ok()??;
        assert_eq!(parsed.length, head.len());
        Some((parsed.framing, parsed.keeps_alive))
    }

    #[test]
    fn a_response_tells_how_its_body_ends() {
        use Framing::{Chunked, Length, UntilClose};
        for (headers, expected) in [
            ("content-length: 5\r\n", (Length(5), true)),
            ("content-length: 5, 5\r\nContent-Length: 5\r\n", (Length(5), true)),
            ("transfer-encoding: chunked\r\n", (Chunked, true)),
            ("transfer-encoding: gzip\r\nTransfer-Encoding: foo, Chunked\r\n", (Chunked, true)),
            ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", (Chunked, false)),
            ("transfer-encoding: gzip\r\n", (UntilClose, false)),
            ("", (UntilClose, false)),
            ("content-length: 5\r\nconnection: foo, Close\r\n", (Length(5), false)),
        ] {
            assert_eq!(told(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n")), Some(expected), "{headers}");
        }
        assert_eq!(told("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n"), Some((Length(5), false)));
        let kept = "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n";
        assert_eq!(told(kept), Some((Length(5), true)));
        assert_eq!(told("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n"), Some((Length(0), true)));
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        let asked = parse(head, true, &mut Names::default()).unwrap().unwrap();
        assert_eq!((asked.framing, asked.parts.headers[CONTENT_LENGTH].to_str().unwrap()), (Length(0), "5"));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for headers in [
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: 5,6\r\n",
            "content-length: +5\r\n",
            "content-length: \r\n",
            "content-length: 99999999999999999999\r\n",
            "content-length : 5\r\n",
            "a: b\r\n c\r\n",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
            assert!(parse(head.as_bytes(), false, &mut Names::default()).is_err(), "{headers}");
        }
        for head in
            ["HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "220 smtp.example.com ready\r\n\r\n"]
        {
            assert!(parse(head.as_bytes(), false, &mut Names::default()).is_err(), "{head}");
        }
    }

    #[test]
    fn a_head_is_taken_once_it_is_all_there() {
        let head = "HTTP/1.1 200 Fine\r\nA: 1\r\nb:\r\na: 2\r\n\r\n";
        for end in 0..head.len() {
            assert!(parse(&head.as_bytes()[..end], false, &mut Names::default()).unwrap().is_none(), "{end}");
        }
        let parts = parse(head.as_bytes(), false, &mut Names::default()).unwrap().unwrap().parts;
        assert_eq!(parts.headers.get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(parts.headers["b"], "");
    }

    #[test]
    fn names_are_those_of_this_response_whatever_the_last_one_had() {
        let mut names = Names::default();
        for lines in
            [&["A", "b", "c"][..], &["a", "B", "c", "d"], &["x", "b"], &[], &["b", "c"], &["b", "b", "C"]]
        {
            let head: String = lines.iter().map(|name| format!("{name}: {name}\r\n")).collect();
            let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n");
            let parts = parse(head.as_bytes(), false, &mut names).unwrap().unwrap().parts;
            assert_eq!(parts.headers.len(), lines.len());
            for (name, value) in &parts.headers {
                assert!(value.as_bytes().eq_ignore_ascii_case(name.as_str().as_bytes()), "{name}");
            }
        }
    }
}
