//! OpenAI's chat completions API, with the extension fields that compatible servers and this gateway speak.
//! Source: the OpenAI API reference, `POST /v1/chat/completions`.

mod error;
mod reply;
mod request;
mod stream;

pub use self::{
    error::{ErrorBody, ErrorDetail},
    reply::{Choice, CompletionDetails, PromptDetails, Reply, ReplyMessage, ToolCall, ToolFunction, Usage},
    request::{
        CalledFunction, File, FunctionSpec, ImageUrl, JsonSchema, Message, NamedFunction, NamedTool, Part,
        Request, RequestToolCall, ResponseFormat, ThinkingBlock, ThinkingOption, Tool,
    },
    stream::{Chunk, ChunkChoice, Delta, DeltaFunction, DeltaToolCall},
};
