//! Amazon Bedrock as a backend: Converse for conversations, InvokeModel for embeddings, CountTokens.

mod call;
mod content;
mod count;
mod embed;
mod error;
mod media;
mod reply;
mod stream;
mod usage;

pub(crate) use self::{
    call::call,
    count::{count_call, count_invoke_call, counted},
    embed::{EmbedDecoder, embed_call},
    error::body as error,
    stream::Decoder,
};
