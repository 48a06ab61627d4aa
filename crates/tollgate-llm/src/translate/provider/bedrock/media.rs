use tollgate_wire::Literal;

use crate::translate::{json, turn::Source};

/// Characters of a document's name.
const NAME: usize = 200;

/// What is neither text nor a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Image,
    Audio,
    Video,
}

/// Bedrock's formats by media type (API reference: `ImageBlock`, `AudioBlock`, `VideoBlock`, `DocumentBlock`).
const IMAGES: &[(&str, &str)] = &[
    ("image/jpeg", "jpeg"),
    ("image/jpg", "jpeg"),
    ("image/png", "png"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
];
const SOUNDS: &[(&str, &str)] = &[
    ("audio/wav", "wav"),
    ("audio/x-wav", "wav"),
    ("audio/mpeg", "mp3"),
    ("audio/mp3", "mp3"),
    ("audio/flac", "flac"),
    ("audio/ogg", "ogg"),
    ("audio/opus", "opus"),
    ("audio/aac", "aac"),
    ("audio/mp4", "mp4"),
    ("audio/webm", "webm"),
];
const VIDEOS: &[(&str, &str)] = &[
    ("video/mp4", "mp4"),
    ("video/quicktime", "mov"),
    ("video/x-matroska", "mkv"),
    ("video/webm", "webm"),
    ("video/x-flv", "flv"),
    ("video/mpeg", "mpeg"),
    ("video/x-ms-wmv", "wmv"),
    ("video/3gpp", "three_gp"),
];
const DOCUMENTS: &[(&str, &str)] = &[
    ("application/pdf", "pdf"),
    ("text/plain", "txt"),
    ("text/markdown", "md"),
    ("text/html", "html"),
    ("text/csv", "csv"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
];

/// `{"image":{"format":…,"source":…}}` and the like.
pub(super) fn block(media: Media, source: Source<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let (name, formats) = match media {
        Media::Image => ("image", IMAGES),
        Media::Audio => ("audio", SOUNDS),
        Media::Video => ("video", VIDEOS),
    };
    let format = format(source, formats)?;
    json::comma(out);
    out.push(b'{');
    json::key(out, name);
    out.push(b'{');
    body(format, source, out);
    out.extend_from_slice(b"}}");
    Ok(())
}

/// `{"document":{"format":…,"name":…,"source":…}}`; `nth` counts the documents of the request.
pub(super) fn document(
    source: Source<'_>,
    (title, nth): (Option<Literal<'_>>, usize),
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let format = format(source, DOCUMENTS)?;
    json::comma(out);
    out.extend_from_slice(br#"{"document":{"#);
    json::text_field(out, "name", &document_name(title, nth));
    body(format, source, out);
    out.extend_from_slice(b"}}");
    Ok(())
}

/// `"format":…,"source":{…}`
fn body(format: &str, source: Source<'_>, out: &mut Vec<u8>) {
    json::text_field(out, "format", format);
    json::key(out, "source");
    match source {
        Source::Base64 { data, .. } => {
            out.push(b'{');
            json::literal_field(out, "bytes", data);
            out.push(b'}');
        }
        Source::Url(url) => {
            out.extend_from_slice(br#"{"s3Location":{"#);
            json::literal_field(out, "uri", url);
            out.extend_from_slice(b"}}");
        }
    }
}

/// The format of a source: by its media type, or by the ending of an object in S3, the one place Bedrock reads from.
fn format(source: Source<'_>, formats: &[(&'static str, &'static str)]) -> Result<&'static str, String> {
    match source {
        Source::Base64 { media_type, .. } => {
            let given = media_type.decode().to_ascii_lowercase();
            let known = formats.iter().find(|(known, _)| *known == given).map(|(_, format)| *format);
            known.ok_or_else(|| {
                let known: Vec<_> = formats.iter().map(|(known, _)| *known).collect();
                format!("media type {given:?} is not one of {}", known.join(", "))
            })
        }
        Source::Url(url) => {
            let url = url.decode();
            if !url.starts_with("s3://") {
                return Err("Amazon Bedrock reads no addresses but s3://; send the data itself".to_owned());
            }
            let ending = url.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
            let ending = if ending == "jpg" { "jpeg" } else { ending.as_str() };
            let known = formats.iter().find(|(_, format)| *format == ending).map(|(_, format)| *format);
            known
                .ok_or_else(|| format!("{ending:?} at the end of the address is no format of Amazon Bedrock"))
        }
    }
}

/// Bedrock requires a name, of letters, digits, single spaces, `-`, `(`, `)`, `[` and `]`.
fn document_name(title: Option<Literal<'_>>, nth: usize) -> String {
    let mut name = String::new();
    for c in title.unwrap_or_default().decode().chars().take(NAME) {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')' | '[' | ']') { c } else { ' ' };
        if c != ' ' || !name.ends_with(' ') {
            name.push(c);
        }
    }
    let name = name.trim();
    if name.is_empty() { format!("document {nth}") } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_bedrock_takes() {
        let name = |title| document_name(Some(Literal::from_escaped(title)), 3);
        assert_eq!(name("Q3 report_final.pdf"), "Q3 report final pdf");
        assert_eq!(name("a   b (1)"), "a b (1)");
        assert_eq!(name("täst"), "t st");
        assert_eq!(name("???"), "document 3");
        assert_eq!(document_name(None, 1), "document 1");
    }
}
