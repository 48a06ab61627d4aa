//! `multipart/form-data` (RFC 7578), read whole: a simulated provider has it in memory.

use memchr::memmem;

/// A part of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    /// Of a file.
    pub(crate) filename: Option<&'a str>,
    pub(crate) value: &'a [u8],
}

/// The parts of a form; `None` where it is none, or is not complete.
pub(crate) fn parts<'a>(content_type: &'a str, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    let delimiter = format!("--{boundary}");
    let mut rest = body.strip_prefix(delimiter.as_bytes())?;
    let delimiter = format!("\r\n{delimiter}");
    let mut all = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(all);
        }
        let inside = rest.strip_prefix(b"\r\n")?;
        let end = memmem::find(inside, delimiter.as_bytes())?;
        all.push(part(&inside[..end])?);
        rest = &inside[end + delimiter.len()..];
    }
}

/// The text of a field.
pub(crate) fn field<'a>(parts: &[Part<'a>], name: &str) -> Option<&'a str> {
    let part = parts.iter().find(|part| part.name == name && part.filename.is_none())?;
    std::str::from_utf8(part.value).ok()
}

fn part(text: &[u8]) -> Option<Part<'_>> {
    let end = memmem::find(text, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&text[..end]).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let (_, parameters) = disposition.split_once(';')?;
    Some(Part {
        name: parameter(parameters, "name")?,
        filename: parameter(parameters, "filename"),
        value: &text[end + 4..],
    })
}

/// `name=value` or `name="value"` of a header's parameters.
fn parameter<'a>(parameters: &'a str, wanted: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_into_its_parts() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\n\
                     Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRI\r\nFF\r\n--b--\r\n";
        let parts = parts("multipart/form-data; boundary=b", body).expect("it is a form");
        assert_eq!(field(&parts, "model"), Some("whisper-1"));
        assert_eq!((parts[1].filename, parts[1].value), (Some("a.wav"), &b"RI\r\nFF"[..]));
        assert_eq!(super::parts("multipart/form-data; boundary=b", &body[..60]), None);
        assert_eq!(super::parts("application/json", body), None);
    }
}
