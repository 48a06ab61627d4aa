//! Spans over OTLP: made on the core of their request, sent by one thread in batches.

mod export;
mod sampler;
mod settings;
mod span;

pub(crate) use self::{export::Exporter, span::spans};
pub use self::{
    sampler::Sampler,
    settings::{InvalidTracing, OtlpProtocol, TraceSettings, Vocabulary},
};
