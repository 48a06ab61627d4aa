//! Counting: each core writes its own shard, a scrape adds the shards up.

mod credentials;
mod deltas;
mod exposition;
mod family;
mod gauge;
mod gen_ai;
mod names;
mod otlp;
mod process;
mod push;
mod shard;
mod table;
mod text;

use std::{sync::Arc, time::Instant};

use tollgate_core::{Live, Settled};

#[cfg(test)]
pub(crate) use self::table::TOKEN_TYPES;
pub use self::{credentials::CredentialState, gauge::PoolCounts};
pub(crate) use self::{
    credentials::Credentials,
    exposition::{Exposition, Totals},
    family::Family,
    gauge::Pools,
    gen_ai::Bounded,
    names::Published,
    push::Pushes,
    shard::Shard,
    table::token_counts,
};
use self::{
    gen_ai::GenAi,
    shard::{Counter, Registry},
    table::Table,
};
use crate::{attributes::HeaderAttribute, end};

/// Snapshots whose handles a core keeps: the one in service and those that long streams began on.
const TABLES: usize = 4;

/// What all cores share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) models: Bounded,
    pub(crate) published: Published,
    /// Request headers that become labels.
    pub(crate) attributes: Vec<HeaderAttribute>,
}

/// What one core counts with.
#[derive(Debug, Default)]
pub(crate) struct CoreMetrics {
    registry: Registry,
    /// Newest first.
    tables: Vec<Table>,
    gen_ai: GenAi,
    ports: Vec<(u16, Counter)>,
}

/// Nanoseconds between two moments.
pub(crate) fn nanos(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

// === impl CoreMetrics ===

impl CoreMetrics {
    pub(crate) fn shard(&self) -> &Arc<Shard> {
        self.registry.shard()
    }

    /// A request has come in on this port of the Gateway.
    pub(crate) fn began(&mut self, port: u16) {
        self.port(port).add(1);
    }

    pub(crate) fn observe(&mut self, settled: &Settled, common: &Common) {
        let record = &settled.record;
        self.port(record.head.port).subtract(1);
        let position = self.table(&record.live, &common.published);
        let Self { registry, tables, gen_ai, .. } = self;
        let Some(table) = tables.get_mut(position) else { return };

        let code = record.status.map_or(0, |status| status.as_u16());
        let took = nanos(record.began.instant, settled.ended);
        let listener = table.listener(record.listener.as_ref(), registry);
        listener.ended(code, end::word(&settled.end), registry);
        listener.duration.record(took);
        listener.bytes_in.add(record.bytes_in);
        listener.bytes_out.add(record.bytes_out);

        if let Some(rule) = &record.rule
            && let Some(cells) = table.rule(rule, registry)
        {
            cells.ended(code, registry);
            cells.duration.record(took);
            if let Some(backend) = record.backend() {
                for (key, cost) in &settled.costs {
                    cells.cost(backend, key, registry).add(*cost);
                }
            }
        }
        for (number, attempt) in record.attempts.iter().enumerate() {
            if let Some(cells) = table.backend(&attempt.backend, registry) {
                cells.attempt(attempt, registry);
                if number > 0 {
                    cells.retries.add(1);
                }
                if number + 1 == record.attempts.len() {
                    cells.used(&token_counts(&record.usage), registry);
                }
            }
        }
        gen_ai.observe(settled, table, common, registry);
    }

    fn port(&mut self, port: u16) -> &Counter {
        let Self { registry, ports, .. } = self;
        let position = ports.iter().position(|(known, _)| *known == port).unwrap_or_else(|| {
            ports.push((port, registry.counter(Family::InFlight, &[port.to_string().into()])));
            ports.len() - 1
        });
        &ports[position].1
    }

    /// The position of a snapshot's handles; made where this core meets it for the first time.
    fn table(&mut self, live: &Arc<Live>, published: &Published) -> usize {
        if let Some(position) = self.tables.iter().position(|table| table.is_of(live)) {
            return position;
        }
        self.tidy();
        self.tables.truncate(TABLES - 1);
        self.tables.insert(0, Table::new(live, published.names(live)));
        0
    }

    /// Lets go of handles to snapshots that are gone, so that their series can be forgotten.
    pub(crate) fn tidy(&mut self) {
        let before = self.tables.len();
        self.tables.retain(Table::in_use);
        if self.tables.len() < before {
            self.registry.tidy();
        }
    }
}
