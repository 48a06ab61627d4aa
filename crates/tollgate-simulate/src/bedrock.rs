//! Amazon Bedrock Runtime (docs.aws.amazon.com/bedrock/latest/APIReference): Converse, InvokeModel, CountTokens.

mod converse;
mod embeddings;
pub(crate) mod frames;
mod invoke;
mod request;
mod stream;

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::{Behaviour, answer::Answer, ask::Ask, reply::Reply, request::Request, state::State};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    /// A model id, the id of an inference profile, or an ARN.
    pub(crate) model: Cow<'a, str>,
    verb: Verb,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Converse,
    ConverseStream,
    Invoke,
    InvokeStream,
    CountTokens,
}

/// The operation of a path, whatever prefix it has.
pub(crate) fn find(path: &str) -> Option<Asked<'_>> {
    let (_, rest) = path.split_once("/model/")?;
    let (model, verb) = rest.rsplit_once('/')?;
    let verb = match verb {
        "converse" => Verb::Converse,
        "converse-stream" => Verb::ConverseStream,
        "invoke" => Verb::Invoke,
        "invoke-with-response-stream" => Verb::InvokeStream,
        "count-tokens" => Verb::CountTokens,
        _ => return None,
    };
    let model = percent_decode_str(model).decode_utf8().ok()?;
    Some(Asked { model, verb })
}

/// The reply of an operation, or the status and the words of what is wrong with the request.
pub(crate) fn reply(
    asked: &Asked<'_>,
    behaviour: &Behaviour,
    (request, state): (&Request<'_>, &State),
) -> Result<Reply, (u16, String)> {
    let body: Value = serde_json::from_slice(request.body)
        .map_err(|error| (400, format!("the body is no JSON document: {error}")))?;
    if asked.model.contains("titan-embed") && asked.verb == Verb::Invoke {
        return embeddings::titan(&body, behaviour);
    }
    if asked.model.contains("cohere.embed") && asked.verb == Verb::Invoke {
        return embeddings::cohere(&body, behaviour);
    }
    let messages = match asked.verb {
        Verb::Converse | Verb::ConverseStream => request::converse(&body)?,
        Verb::Invoke | Verb::InvokeStream => request::anthropic(&body)?,
        Verb::CountTokens => request::counted(&body)?,
    };
    let messages = messages.to_string();
    let mut ask = Ask::read(messages.as_bytes(), Some(&asked.model))
        .map_err(|_| (400, "the request names no model".to_owned()))?;
    ask.stream = matches!(asked.verb, Verb::ConverseStream | Verb::InvokeStream);
    let answer = || Answer::new(&ask, behaviour, state);
    Ok(match asked.verb {
        Verb::Converse => converse::reply(&answer()),
        Verb::ConverseStream => stream::reply(&answer()),
        Verb::Invoke => invoke::reply(&ask, &answer()),
        Verb::InvokeStream => invoke::stream(&ask, &answer()),
        Verb::CountTokens => Reply::json(200, json!({"inputTokens": ask.prompt_tokens}).to_string()),
    })
}

/// An error: its type is in a header.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    let kind = format!("{}:http://internal.amazon.com/coral/com.amazon.bedrock/", exception(status));
    let reply = Reply::json(status, json!({"message": message}).to_string());
    Reply { headers: vec![("x-amzn-errortype", kind)], ..reply }
}

/// The exception that has this status (API reference, `Converse`, errors).
const fn exception(status: u16) -> &'static str {
    match status {
        401 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        400..=499 => "ValidationException",
        _ => "InternalServerException",
    }
}
