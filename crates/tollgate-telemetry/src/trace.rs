//! Spans over OTLP: made on the core of their request, sent by one thread in batches.

mod attribute;
mod collector;
mod console;
mod content;
mod export;
mod metrics;
mod otlp;
mod settings;
mod signal;
mod span;
mod variables;
mod vocabulary;

pub(crate) use self::{
    attribute::text,
    export::{Exporter, Shipping},
    otlp::named_resource,
    signal::{Logs, Metrics, Spans},
    span::{Shape, spans},
};
pub use self::{
    content::Hidden,
    metrics::MetricSettings,
    otlp::{CollectorSettings, OtlpProtocol},
    settings::TraceSettings,
    variables::InvalidVariable,
    vocabulary::Vocabulary,
};
