//! Spans over OTLP: made on the core of their request, sent by one thread in batches.

mod export;
mod settings;
mod span;

pub use self::settings::{InvalidTracing, OtlpProtocol, TraceSettings, Vocabulary};
pub(crate) use self::{export::Exporter, span::spans};
