use tollgate_wire::Literal;

use super::family::Family;
use crate::{
    Untranslatable,
    translate::{
        json,
        turn::{Message, Part, PartKind, Source},
    },
};

/// Media types by the endings of addresses, since Gemini wants to be told.
const TYPES: [(&str, &str); 26] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/opus"),
    ("aac", "audio/aac"),
    ("m4a", "audio/m4a"),
    ("aiff", "audio/aiff"),
    ("mp4", "video/mp4"),
    ("mov", "video/mov"),
    ("webm", "video/webm"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpg"),
    ("avi", "video/avi"),
    ("wmv", "video/wmv"),
    ("flv", "video/x-flv"),
    ("3gp", "video/3gpp"),
];

/// `{"text":…`, left open for marks.
pub(super) fn text(text: Literal<'_>, out: &mut Vec<u8>) {
    json::comma(out);
    out.push(b'{');
    json::literal_field(out, "text", text);
}

/// An image, a document, a sound or a film.
pub(super) fn media(
    message: &Message<'_>,
    part: &Part<'_>,
    family: Family,
    out: &mut Vec<u8>,
) -> Result<(), Untranslatable> {
    let (source, otherwise, detail) = match part.kind {
        PartKind::Image { source, detail } => (source, "image/jpeg", detail),
        PartKind::Document { source, .. } => (source, "application/pdf", None),
        PartKind::Audio(source) => (source, "audio/mpeg", None),
        PartKind::Video(source) => (source, "video/mp4", None),
        PartKind::Text(_)
        | PartKind::ToolCall { .. }
        | PartKind::ToolResult { .. }
        | PartKind::Thinking { .. }
        | PartKind::RedactedThinking(_)
        | PartKind::Refusal(_)
        | PartKind::Citation(_) => return Err(refused(message, part, "cannot stand here")),
    };
    match source {
        Source::Base64 { media_type, data } => {
            json::comma(out);
            out.extend_from_slice(br#"{"inlineData":{"#);
            json::literal_field(out, "mimeType", media_type);
            json::literal_field(out, "data", data);
        }
        // Google skips images without an address; so does this.
        Source::Url(url) if url.is_empty() => return Ok(()),
        Source::Url(url) => {
            json::comma(out);
            out.extend_from_slice(br#"{"fileData":{"#);
            json::text_field(out, "mimeType", media_type(url).unwrap_or(otherwise));
            json::literal_field(out, "fileUri", url);
        }
    }
    out.push(b'}');
    if family.is_third() {
        resolution(message, part, detail, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// How closely to look, in Gemini's words.
fn resolution(
    message: &Message<'_>,
    part: &Part<'_>,
    detail: Option<Literal<'_>>,
    out: &mut Vec<u8>,
) -> Result<(), Untranslatable> {
    let level = match detail.map(Literal::escaped) {
        None | Some("auto") => return Ok(()),
        Some("low") => "MEDIA_RESOLUTION_LOW",
        Some("medium") => "MEDIA_RESOLUTION_MEDIUM",
        Some("high") => "MEDIA_RESOLUTION_HIGH",
        Some(other) => {
            let reason = format!("detail {other:?} is not one of auto, low, medium and high");
            return Err(refused(message, part, &reason));
        }
    };
    json::key(out, "mediaResolution");
    out.push(b'{');
    json::text_field(out, "level", level);
    out.push(b'}');
    Ok(())
}

fn media_type(url: Literal<'_>) -> Option<&'static str> {
    let path = url.escaped().split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, media_type)| *media_type)
}

/// True for what Gemini may have signed with: signatures are bytes there.
pub(super) fn is_base64(text: Literal<'_>) -> bool {
    let text = text.escaped();
    let body = text.trim_end_matches('=');
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    !body.is_empty() && text.len() - body.len() <= 2 && body.bytes().all(known)
}

pub(super) fn refused(message: &Message<'_>, part: &Part<'_>, reason: &str) -> Untranslatable {
    Untranslatable::Field { field: message.place(part.at), reason: reason.to_owned() }
}
