//! Spans over OTLP: made on the core of their request, sent by one thread in batches.

mod collector;
mod console;
mod export;
mod otlp;
mod settings;
mod span;

pub(crate) use self::{export::Exporter, span::spans};
pub use self::{
    otlp::{CollectorSettings, OtlpProtocol},
    settings::{InvalidTracing, TraceSettings, Vocabulary},
};
