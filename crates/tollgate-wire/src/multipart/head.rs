use super::Malformed;

/// The most that RFC 2046, 5.1.1 allows for a boundary, in bytes.
const BOUNDARY: usize = 70;

/// The boundary in a `content-type` of `multipart/form-data`; `None` where it is of another type.
///
/// # Errors
/// [`Malformed`] where there is none, or none that all would read alike.
#[must_use]
pub fn boundary(content_type: &[u8]) -> Option<Result<String, Malformed>> {
    let (kind, rest) = match memchr::memchr(b';', content_type) {
        Some(at) => (&content_type[..at], &content_type[at..]),
        None => (content_type, &b""[..]),
    };
    if !kind.trim_ascii().eq_ignore_ascii_case(b"multipart/form-data") {
        return None;
    }
    Some(read_boundary(rest))
}

fn read_boundary(rest: &[u8]) -> Result<String, Malformed> {
    let mut found = None;
    for parameter in parameters(rest) {
        let (name, value) = parameter?;
        if name.eq_ignore_ascii_case(b"boundary") && found.replace(value).is_some() {
            return Err(Malformed("content-type names two boundaries"));
        }
    }
    let value = found.ok_or(Malformed("content-type names no boundary"))?;
    let fits = (1..=BOUNDARY).contains(&value.len()) && value.last() != Some(&b' ');
    match String::from_utf8(value) {
        Ok(value) if fits && value.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Ok(value),
        _ => Err(Malformed("the boundary is not one of RFC 2046")),
    }
}

/// Name of a part, and whether it is a file, out of its headers with the empty line that ends them.
pub(super) fn part(head: &[u8]) -> Result<(String, bool), Malformed> {
    let mut disposition = None;
    let mut lines = head;
    while let Some(end) = memchr::memmem::find(lines, b"\r\n").filter(|end| *end > 0) {
        let line = &lines[..end];
        lines = &lines[end + 2..];
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) || matches!(line[0], b' ' | b'\t') {
            return Err(Malformed("a header of a part is folded or has a line end of its own"));
        }
        let colon = memchr::memchr(b':', line).ok_or(Malformed("a header of a part has no colon"))?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.trim_ascii() != name {
            return Err(Malformed("a header of a part has blanks around its name"));
        }
        if name.eq_ignore_ascii_case(b"content-disposition") && disposition.replace(value).is_some() {
            return Err(Malformed("a part has two dispositions"));
        }
        let is_encoding = name.eq_ignore_ascii_case(b"content-transfer-encoding");
        if is_encoding
            && !["7bit", "8bit", "binary"].iter().any(|plain| value.eq_ignore_ascii_case(plain.as_bytes()))
        {
            return Err(Malformed(
                "a part has a content-transfer-encoding, which forms have no more (RFC 7578, 4.7)",
            ));
        }
    }
    named(disposition.ok_or(Malformed("a part has no content-disposition"))?)
}

fn named(disposition: &[u8]) -> Result<(String, bool), Malformed> {
    let end = memchr::memchr(b';', disposition).unwrap_or(disposition.len());
    if !disposition[..end].trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return Err(Malformed("a part is no form-data"));
    }
    let (mut name, mut is_file) = (None, false);
    for parameter in parameters(&disposition[end..]) {
        let (key, value) = parameter?;
        if key.eq_ignore_ascii_case(b"name") {
            if name.replace(value).is_some() {
                return Err(Malformed("a part has two names"));
            }
        } else if key.eq_ignore_ascii_case(b"name*") {
            return Err(Malformed("the name of a part is encoded, which forms do not allow (RFC 7578, 4.2)"));
        } else if key.eq_ignore_ascii_case(b"filename") || key.eq_ignore_ascii_case(b"filename*") {
            is_file = true;
        }
    }
    let name = name.ok_or(Malformed("a part has no name"))?;
    Ok((String::from_utf8(name).map_err(|_| Malformed("the name of a part is not UTF-8"))?, is_file))
}

/// `; key=value` and `; key="value"`, again and again.
fn parameters(text: &[u8]) -> impl Iterator<Item = Result<(&[u8], Vec<u8>), Malformed>> {
    let mut rest = text.trim_ascii();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let read = parameter(rest);
        rest = read.as_ref().map_or(&b""[..], |(_, _, rest)| *rest);
        Some(read.map(|(key, value, _)| (key, value)))
    })
}

type Parameter<'a> = (&'a [u8], Vec<u8>, &'a [u8]);

/// One of them, and what follows.
fn parameter(text: &[u8]) -> Result<Parameter<'_>, Malformed> {
    let wrong = Malformed("a parameter of a header cannot be read");
    let text = text.strip_prefix(b";").ok_or(wrong)?.trim_ascii_start();
    if text.is_empty() {
        return Ok((b"", Vec::new(), b""));
    }
    let equals = memchr::memchr(b'=', text).ok_or(wrong)?;
    let (key, value) = (&text[..equals], &text[equals + 1..]);
    if key.is_empty() || key.iter().any(|byte| !is_token(*byte)) {
        return Err(wrong);
    }
    let Some(quoted) = value.strip_prefix(b"\"") else {
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let token = value[..end].trim_ascii_end();
        if token.iter().any(|byte| !is_token(*byte) && !is_bare(*byte)) {
            return Err(wrong);
        }
        return Ok((key, token.to_vec(), &value[end..]));
    };
    let mut out = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let rest = quoted[at + 1..].trim_ascii_start();
                return if rest.is_empty() || rest[0] == b';' { Ok((key, out, rest)) } else { Err(wrong) };
            }
            b'\\' => match bytes.next() {
                Some((_, escaped @ (b'"' | b'\\'))) => out.push(*escaped),
                // Browsers of old wrote paths of Windows unescaped.
                Some((_, other)) => out.extend([b'\\', *other]),
                None => return Err(wrong),
            },
            other => out.push(*other),
        }
    }
    Err(wrong)
}

/// RFC 9110, 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// What clients also leave without quotes in boundaries and names.
const fn is_bare(byte: u8) -> bool {
    matches!(byte, b'/' | b':' | b'=' | b'?' | b'(' | b')' | b'[' | b']' | b'@' | b',')
}
