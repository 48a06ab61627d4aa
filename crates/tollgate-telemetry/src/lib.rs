//! Metrics, access log and spans. Its input is the settled request.
//!
//! ```text
//! core 1 ─ observe(&Settled) ─▶ shard ─┐                 ┌─▶ /metrics, /state.json
//! core 2 ─ observe(&Settled) ─▶ shard ─┴─ added up when ─┤
//!                 └─▶ lines ─▶ one writer thread         └─▶ asked for
//! ```
//!
//! A core writes only what is its own, so observing a request waits for nobody.

mod admin;
mod attributes;
mod decisions;
mod end;
mod health;
mod lock;
mod log;
mod metric;
mod recent;
mod status;
mod telemetry;
mod trace;

pub use self::{
    admin::{Admin, ConfigFormat, serve},
    attributes::{HeaderAttribute, HeaderAttributes, InvalidAttributes},
    log::{AccessLog, LogFormat},
    metric::{CredentialState, PoolCounts},
    status::{Phase, Reload},
    telemetry::{Build, Options, Telemetry},
    trace::{
        CollectorSettings, Hidden, InvalidVariable, MetricSettings, OtlpProtocol, TraceSettings, Vocabulary,
    },
};

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
