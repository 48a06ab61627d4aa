//! Spans over OTLP: made on the core of their request, sent by one thread in batches.

mod collector;
mod console;
mod content;
mod export;
mod otlp;
mod settings;
mod signal;
mod span;

pub use self::{
    content::Hidden,
    otlp::{CollectorSettings, OtlpProtocol},
    settings::{InvalidTracing, TraceSettings, Vocabulary},
};
pub(crate) use self::{
    export::{Exporter, Shipping},
    signal::{Logs, Spans},
    span::{Shape, spans, text},
};
