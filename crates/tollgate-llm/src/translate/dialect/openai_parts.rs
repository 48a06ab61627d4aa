//! What OpenAI's chat and responses APIs have in common: how they write media, arguments and results.

use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_wire::{Literal, openai as wire};

use crate::{
    Untranslatable,
    translate::turn::{PartKind, Source},
};

/// OpenAI names formats where others name media types; what it does not know goes as it is.
pub(super) fn sound<'a>(audio: &wire::InputAudio<'a>) -> PartKind<'a> {
    let media_type = match audio.format.escaped() {
        "wav" => Literal::from_escaped("audio/wav"),
        "mp3" => Literal::from_escaped("audio/mpeg"),
        "flac" => Literal::from_escaped("audio/flac"),
        "ogg" | "opus" => Literal::from_escaped("audio/ogg"),
        "aac" => Literal::from_escaped("audio/aac"),
        "aiff" => Literal::from_escaped("audio/aiff"),
        _ => audio.format,
    };
    PartKind::Audio(Source::Base64 { media_type, data: audio.data })
}

/// A PDF is a document whatever the client calls it.
pub(super) fn attachment<'a>(source: Source<'a>, detail: Option<Literal<'a>>) -> PartKind<'a> {
    let is_pdf = match source {
        Source::Base64 { media_type, .. } => media_type.decode().eq_ignore_ascii_case("application/pdf"),
        Source::Url(url) => {
            let url = url.escaped();
            let path = url.split(['?', '#']).next().unwrap_or(url);
            path.to_ascii_lowercase().ends_with(".pdf")
        }
    };
    if is_pdf { PartKind::Document { source, title: None } } else { PartKind::Image { source, detail } }
}

/// `data:<media type>;base64,<data>` or an address. Slices of escaped text stay escaped text, for the cuts are
/// made at characters that no escape contains.
pub(super) fn source(url: Literal<'_>, place: impl Fn() -> String) -> Result<Source<'_>, Untranslatable> {
    let Some(rest) = url.escaped().strip_prefix("data:") else { return Ok(Source::Url(url)) };
    let split = rest.split_once(',').and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data)));
    let Some((head, data)) = split else {
        return field(place(), "a data: address must be of the form data:<media type>;base64,<data>");
    };
    let media_type = head.split(';').next().unwrap_or(head);
    Ok(Source::Base64 { media_type: Literal::from_escaped(media_type), data: Literal::from_escaped(data) })
}

/// The arguments as JSON; absent or blank ones are `{}`. `None` where they are no JSON object.
pub(super) fn object(arguments: Option<Literal<'_>>) -> Option<Cow<'_, str>> {
    let text = arguments.unwrap_or_default().decode();
    if text.trim().is_empty() {
        return Some(Cow::Borrowed("{}"));
    }
    let is_object = text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(&text).is_ok();
    is_object.then_some(text)
}

fn field<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.into(), reason: reason.into() })
}
