//! OpenAI's chat completions API, with the extension fields that compatible servers and this gateway speak.
//! Source: the OpenAI API reference, `POST /v1/chat/completions`.

mod error;
mod reply;
mod request;
mod stream;

pub use self::{
    error::{ErrorBody, ErrorDetail},
    reply::{
        Annotation, Choice, ChoiceLogprobs, CompletionDetails, PromptDetails, Reply, ReplyMessage,
        TokenLogprob, ToolCall, ToolFunction, TopLogprob, UrlCitation, Usage,
    },
    request::{
        CalledFunction, File, FunctionSpec, ImageUrl, InputAudio, JsonSchema, Message, NamedFunction,
        NamedTool, Part, Request, RequestToolCall, ResponseFormat, ThinkingBlock, ThinkingOption, Tool,
    },
    stream::{Chunk, ChunkChoice, Delta, DeltaFunction, DeltaToolCall},
};
