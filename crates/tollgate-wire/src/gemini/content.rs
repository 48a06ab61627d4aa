use serde::Deserialize;
use serde_json::value::RawValue;

use super::Listed;
use crate::Literal;

/// What one side says.
#[derive(Debug, Default, Deserialize)]
pub struct Content<'a> {
    /// `user`, `model`; `function` in older clients. Absent in instructions.
    #[serde(borrow)]
    pub role: Option<Literal<'a>>,
    /// In their order.
    pub parts: Option<Listed<Part<'a>>>,
}

/// One part of a content: one of its fields is set, beside the marks.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part<'a> {
    /// Text; thinking where `thought` is true.
    #[serde(borrow)]
    pub text: Option<Literal<'a>>,
    /// True: the model thinks.
    pub thought: Option<bool>,
    /// Opaque base64, to be sent back where it stood.
    #[serde(alias = "thought_signature")]
    pub thought_signature: Option<Literal<'a>>,
    /// Bytes.
    #[serde(alias = "inline_data")]
    pub inline_data: Option<Blob<'a>>,
    /// A file by address.
    #[serde(alias = "file_data")]
    pub file_data: Option<FileData<'a>>,
    /// A call of a tool.
    #[serde(alias = "function_call")]
    pub function_call: Option<FunctionCall<'a>>,
    /// What a call gave.
    #[serde(alias = "function_response")]
    pub function_response: Option<FunctionResponse<'a>>,
    /// Code that the model ran at Google.
    #[serde(borrow, alias = "executable_code")]
    pub executable_code: Option<&'a RawValue>,
    /// What that code printed.
    #[serde(borrow, alias = "code_execution_result")]
    pub code_execution_result: Option<&'a RawValue>,
    /// How closely an image is looked at.
    #[serde(alias = "media_resolution")]
    pub media_resolution: Option<MediaResolution<'a>>,
}

/// Bytes with their kind.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob<'a> {
    /// For example `image/png`.
    #[serde(borrow, alias = "mime_type")]
    pub mime_type: Option<Literal<'a>>,
    /// Base64.
    pub data: Option<Literal<'a>>,
    /// The file's name.
    #[serde(alias = "display_name")]
    pub display_name: Option<Literal<'a>>,
}

/// An address with the kind of what is there.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileData<'a> {
    /// For example `application/pdf`.
    #[serde(borrow, alias = "mime_type")]
    pub mime_type: Option<Literal<'a>>,
    /// `https:`, `gs:`, or a file of Google's own.
    #[serde(alias = "file_uri")]
    pub file_uri: Option<Literal<'a>>,
    /// The file's name.
    #[serde(alias = "display_name")]
    pub display_name: Option<Literal<'a>>,
}

/// A call of a tool.
#[derive(Debug, Deserialize)]
pub struct FunctionCall<'a> {
    /// Some models and versions of the API give one.
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// The tool.
    pub name: Option<Literal<'a>>,
    /// An object; absent where there are no arguments.
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
}

/// What a call gave.
#[derive(Debug, Deserialize)]
pub struct FunctionResponse<'a> {
    /// The call's, where it had one.
    #[serde(borrow)]
    pub id: Option<Literal<'a>>,
    /// The tool.
    pub name: Option<Literal<'a>>,
    /// An object; `output` and `error` are its usual keys.
    #[serde(borrow)]
    pub response: Option<&'a RawValue>,
    /// Media beside it.
    pub parts: Option<Listed<ResponsePart<'a>>>,
}

/// Media beside what a call gave.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponsePart<'a> {
    /// Bytes.
    #[serde(borrow, alias = "inline_data")]
    pub inline_data: Option<Blob<'a>>,
    /// A file by address.
    #[serde(alias = "file_data")]
    pub file_data: Option<FileData<'a>>,
}

/// How closely an image is looked at.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct MediaResolution<'a> {
    /// `MEDIA_RESOLUTION_LOW` …
    #[serde(borrow)]
    pub level: Option<Literal<'a>>,
}
