//! Spans over OTLP: made on the core of their request, sent by one thread in batches.

mod collector;
mod console;
mod content;
mod export;
mod metrics;
mod otlp;
mod settings;
mod signal;
mod span;

pub use self::{
    content::Hidden,
    metrics::MetricSettings,
    otlp::{CollectorSettings, OtlpProtocol},
    settings::{InvalidVariable, TraceSettings, Vocabulary},
};
pub(crate) use self::{
    export::{Exporter, Shipping},
    otlp::named_resource,
    signal::{Logs, Metrics, Spans},
    span::{Shape, spans, text},
};
