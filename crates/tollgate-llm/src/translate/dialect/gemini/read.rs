use std::borrow::Cow;

use serde_json::value::RawValue;
use tollgate_wire::{Literal, Members, escape_into, gemini as wire};

use super::{
    schema::{Objects, json_schema},
    seal::{self, Sealed},
};
use crate::{
    Untranslatable,
    translate::{
        json::{parsed, place},
        turn::{Outcome, Role},
    },
};

/// A request with everything that the client's bytes do not hold as others want it: ids of calls, joined thoughts,
/// opened signatures, rewritten schemas. A turn borrows from it.
#[derive(Debug)]
pub(crate) struct Read<'a> {
    pub(super) request: wire::Request<'a>,
    pub(super) contents: Vec<(Role, Vec<Piece<'a>>)>,
    /// Of each function, in the order of the request.
    pub(super) schemas: Vec<Option<Cow<'a, RawValue>>>,
    /// Of the answer.
    pub(super) format: Option<Cow<'a, RawValue>>,
}

/// One part of a content; strings are escaped.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Text(Literal<'a>),
    Thinking { text: String, signature: Option<String> },
    Redacted(String),
    Call { id: String, name: Literal<'a>, input: &'a str },
    Result { id: String, outcome: Outcome, text: String, media: Vec<Media<'a>> },
    Media(Media<'a>),
}

/// Bytes, or where they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Media<'a> {
    pub(super) media_type: Literal<'a>,
    pub(super) at: At<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum At<'a> {
    Base64(Literal<'a>),
    Url(Literal<'a>),
}

/// A call that waits for its result.
struct Waiting<'a> {
    id: String,
    name: Literal<'a>,
}

// === impl Read ===

impl<'a> Read<'a> {
    /// Reads a `generateContent` request.
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, Untranslatable> {
        let request: wire::Request<'a> = parsed(body).map_err(Untranslatable::Shape)?;
        Self::of(request)
    }

    /// Reads a `countTokens` request, in either of its forms.
    pub(crate) fn to_count(body: &'a [u8]) -> Result<Self, Untranslatable> {
        let request: wire::CountRequest<'a> = parsed(body).map_err(Untranslatable::Shape)?;
        let wire::CountRequest { contents, system_instruction, tools, generate_content_request } = request;
        let plain = wire::Request { contents, system_instruction, tools, ..wire::Request::default() };
        Self::of(generate_content_request.unwrap_or(plain))
    }

    fn of(mut request: wire::Request<'a>) -> Result<Self, Untranslatable> {
        let contents = contents(std::mem::take(&mut request.contents))?;
        let tools = request.tools.iter().flat_map(|tools| &tools.0);
        let functions = tools.flat_map(|tool| tool.function_declarations.iter().flat_map(|list| &list.0));
        let schemas = functions
            .map(|function| schema(function.parameters_json_schema, (function.parameters, Objects::Open)))
            .collect();
        let config = request.generation_config.as_ref();
        let format = config.and_then(|config| {
            schema(config.response_json_schema, (config.response_schema, Objects::Closed))
        });
        Ok(Self { request, contents, schemas, format })
    }
}

/// JSON Schema as it is, or Gemini's own form of it.
fn schema<'a>(
    json: Option<&'a RawValue>,
    (own, objects): (Option<&'a RawValue>, Objects),
) -> Option<Cow<'a, RawValue>> {
    json.map(Cow::Borrowed).or_else(|| own.and_then(|own| json_schema(own, objects)).map(Cow::Owned))
}

fn contents<'a>(
    contents: wire::Listed<wire::Content<'a>>,
) -> Result<Vec<(Role, Vec<Piece<'a>>)>, Untranslatable> {
    let (mut all, mut calls, mut waiting) = (Vec::new(), 0, Vec::new());
    for (at, content) in contents.into_iter().enumerate() {
        let role = match content.role.map(Literal::escaped) {
            None | Some("user" | "function" | "") => Role::User,
            Some("model") => Role::Assistant,
            Some(other) => {
                return field(place("contents", at, ".role"), &format!("{other:?} is not user or model"));
            }
        };
        let mut pieces = Vec::new();
        for (index, part) in content.parts.unwrap_or_default().into_iter().enumerate() {
            let place = || place("contents", at, &format!(".parts[{index}]"));
            if let Some(call) = &part.function_call {
                think(&mut pieces, &wire::Part::default(), part.thought_signature);
                let Some(name) = call.name else { return field(place(), "a functionCall needs a name") };
                let given = call.id.filter(|id| !id.is_empty()).map(|id| id.escaped().to_owned());
                let id = given.unwrap_or_else(|| format!("call_{calls}"));
                calls += 1;
                waiting.push(Waiting { id: id.clone(), name });
                let input = call.args.map(RawValue::get).filter(|args| args.starts_with('{')).unwrap_or("{}");
                pieces.push(Piece::Call { id, name, input });
            } else if let Some(response) = part.function_response {
                pieces.push(result(response, &mut waiting).ok_or(()).or_else(|()| {
                    field(place(), "a functionResponse needs a functionCall of its name before it")
                })?);
            } else if part.thought == Some(true) || part.text.is_none_or(|text| text.is_empty()) {
                think(&mut pieces, &part, part.thought_signature);
                pieces.extend(media(part.inline_data, part.file_data).map(Piece::Media));
            } else if let Some(text) = part.text {
                // Gemini signs text too; nobody else asks for it back.
                pieces.push(Piece::Text(text));
            }
        }
        all.push((role, pieces));
    }
    Ok(all)
}

/// Thoughts that stand together are one, and a signature ends them.
fn think<'a>(pieces: &mut Vec<Piece<'a>>, part: &wire::Part<'a>, sealed: Option<Literal<'a>>) {
    let words = part.text.filter(|_| part.thought == Some(true)).map_or("", Literal::escaped);
    let sealed = sealed.filter(|sealed| !sealed.is_empty()).map(|sealed| seal::open(&sealed.decode()));
    let signature = match sealed {
        Some(Sealed::Redacted(data)) => {
            pieces.push(Piece::Redacted(escaped(&data)));
            return;
        }
        Some(Sealed::Signature(signature)) => Some(escaped(&signature)),
        None => None,
    };
    match pieces.last_mut() {
        Some(Piece::Thinking { text, signature: open @ None }) => {
            text.push_str(words);
            *open = signature;
        }
        _ if words.is_empty() && signature.is_none() => {}
        _ => pieces.push(Piece::Thinking { text: words.to_owned(), signature }),
    }
}

/// Finds the call by its id, or else by its name among those that wait.
fn result<'a>(response: wire::FunctionResponse<'a>, waiting: &mut Vec<Waiting<'a>>) -> Option<Piece<'a>> {
    let by_id = response.id.filter(|id| !id.is_empty());
    let by_id = by_id.and_then(|id| waiting.iter().position(|call| call.id == id.escaped()));
    let by_name = || {
        let name = response.name?;
        waiting.iter().position(|call| call.name.escaped() == name.escaped())
    };
    let call = waiting.remove(by_id.or_else(by_name)?);
    let (outcome, text) = told(response.response);
    let shown = response.parts.unwrap_or_default().into_iter();
    let media = shown.filter_map(|part| media(part.inline_data, part.file_data)).collect();
    Some(Piece::Result { id: call.id, outcome, text, media })
}

/// The text of a result: what stands under Google's own keys, or the whole object.
fn told(response: Option<&RawValue>) -> (Outcome, String) {
    let Some(response) = response else { return (Outcome::Success, String::new()) };
    let members = serde_json::from_str::<Members<'_>>(response.get()).unwrap_or_default();
    let [(name, value)] = members.0.as_slice() else { return (Outcome::Success, escaped(response.get())) };
    let outcome = match name.escaped() {
        "error" => Outcome::Error,
        "output" | "result" => Outcome::Success,
        _ => return (Outcome::Success, escaped(response.get())),
    };
    let text = serde_json::from_str::<Literal<'_>>(value.get());
    (outcome, text.map_or_else(|_| escaped(value.get()), |text| text.escaped().to_owned()))
}

fn media<'a>(inline: Option<wire::Blob<'a>>, file: Option<wire::FileData<'a>>) -> Option<Media<'a>> {
    if let Some(wire::Blob { mime_type, data: Some(data), .. }) = inline {
        return Some(Media { media_type: mime_type.unwrap_or_default(), at: At::Base64(data) });
    }
    let wire::FileData { mime_type, file_uri, .. } = file?;
    Some(Media { media_type: mime_type.unwrap_or_default(), at: At::Url(file_uri?) })
}

fn escaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 8);
    escape_into(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

pub(super) fn field<T>(field: impl Into<String>, reason: &str) -> Result<T, Untranslatable> {
    Err(Untranslatable::Field { field: field.into(), reason: reason.to_owned() })
}
