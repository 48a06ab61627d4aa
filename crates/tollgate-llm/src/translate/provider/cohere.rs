//! Cohere's API as a backend, version 2 unless the schema names another.

mod call;
mod count;
mod embed;
mod error;
mod messages;
mod reply;
mod stream;

pub(crate) use self::{
    call::call,
    count::{count_call, count_error, counted},
    embed::{EmbedDecoder, embed_call, input_type},
    stream::Decoder,
};
use crate::Target;

/// `/<version>/<operation>`; without a version the operation alone.
fn path(target: &Target, operation: &str) -> String {
    match target.version.as_deref().map(|version| version.trim_matches('/')) {
        None => format!("/v2/{operation}"),
        Some("") => format!("/{operation}"),
        Some(version) => format!("/{version}/{operation}"),
    }
}
