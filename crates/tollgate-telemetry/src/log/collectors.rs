use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tollgate_core::Live;
use tollgate_net::Origin;
use tollgate_snapshot::{AccessLogSettings, OtlpCollector, Upstream};

use crate::{
    CollectorSettings,
    lock::Slot,
    trace::{Exporter, Logs, Shipping, named_resource},
};

/// Most lines that wait for a collector.
const QUEUE: usize = 8192;
/// Most lines in a batch.
const BATCH: usize = 512;
/// How long a line waits for others at most, as in Envoy.
const DELAY: Duration = Duration::from_secs(1);

/// The collectors that logs of listeners go to: each has a thread, as long as some snapshot that still serves requests
/// logs there.
pub(crate) struct Collectors {
    origins: fn(&Upstream) -> Vec<Origin>,
    open: Slot<Vec<Open>>,
    /// Count of those that were closed.
    dropped: AtomicU64,
}

struct Open {
    collector: Arc<OtlpCollector>,
    exporter: Arc<Exporter<Logs>>,
    users: Vec<Weak<AccessLogSettings>>,
}

/// One core's ways to collectors.
#[derive(Default)]
pub(crate) struct Shippers(Vec<(Arc<OtlpCollector>, Weak<Exporter<Logs>>)>);

// === impl Collectors ===

impl Collectors {
    pub(crate) fn new(origins: fn(&Upstream) -> Vec<Origin>) -> Self {
        Self { origins, open: Slot::default(), dropped: AtomicU64::new(0) }
    }

    /// Opens what a snapshot that is about to serve logs to, and closes what nobody logs to any more.
    pub(crate) fn publish(&self, live: &Live) {
        let listeners = live.snapshot.ports.iter().flat_map(|port| &port.listeners);
        let settings = listeners.filter_map(|listener| listener.access_log.as_ref());
        self.open.with(|open| {
            for settings in settings {
                for collector in settings.logs().iter().flat_map(|log| &log.collectors) {
                    self.used(open, collector, settings);
                }
            }
        });
        self.tidy();
    }

    fn used(&self, open: &mut Vec<Open>, collector: &Arc<OtlpCollector>, by: &Arc<AccessLogSettings>) {
        if !open.iter().any(|known| known.collector == *collector) {
            match Exporter::start(shipping(collector, (self.origins)(&collector.upstream))) {
                Ok(exporter) => {
                    let (collector, exporter) = (Arc::clone(collector), Arc::new(exporter));
                    open.push(Open { collector, exporter, users: Vec::new() });
                }
                Err(error) => tracing::error!("no thread to send the access log: {error}"),
            }
        }
        let Some(known) = open.iter_mut().find(|known| known.collector == *collector) else { return };
        if !known.users.iter().any(|user| std::ptr::eq(user.as_ptr(), Arc::as_ptr(by))) {
            known.users.push(Arc::downgrade(by));
        }
    }

    /// Closes what nobody logs to any more; its thread sends what it has.
    pub(crate) fn tidy(&self) {
        self.open.with(|open| {
            open.retain_mut(|known| {
                known.users.retain(|user| user.strong_count() > 0);
                if known.users.is_empty() {
                    self.dropped.fetch_add(known.exporter.counts().dropped.load(Relaxed), Relaxed);
                }
                !known.users.is_empty()
            });
        });
    }

    /// True where none was ever opened.
    pub(crate) fn unused(&self) -> bool {
        self.open.with(|open| open.is_empty()) && self.dropped() == 0
    }

    /// Lines that nobody took.
    pub(crate) fn dropped(&self) -> u64 {
        let open = self
            .open
            .with(|open| open.iter().map(|known| known.exporter.counts().dropped.load(Relaxed)).sum::<u64>());
        open + self.dropped.load(Relaxed)
    }

    /// Waits until everything that was handed over was sent or given up, at most this long for each collector.
    pub(crate) fn flush(&self, patience: Duration) {
        let all: Vec<_> =
            self.open.with(|open| open.iter().map(|known| Arc::clone(&known.exporter)).collect());
        all.iter().for_each(|exporter| exporter.flush(patience));
    }
}

impl fmt::Debug for Collectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.open.with(|open| open.len());
        f.debug_tuple("Collectors").field(&number).finish()
    }
}

fn shipping(collector: &OtlpCollector, origins: Vec<Origin>) -> Shipping {
    let settings = CollectorSettings::named(collector);
    Shipping {
        collectors: origins.into_iter().map(|origin| (settings.clone(), origin)).collect(),
        console: false,
        weighs: false,
        resource: named_resource(collector),
        queue: QUEUE,
        batch: BATCH,
        delay: DELAY,
    }
}

// === impl Shippers ===

impl Shippers {
    /// Where this core's lines for a collector go.
    pub(crate) fn of(
        &mut self,
        collector: &Arc<OtlpCollector>,
        collectors: &Collectors,
    ) -> Option<Arc<Exporter<Logs>>> {
        let known = self.0.iter().find(|(known, _)| Arc::ptr_eq(known, collector));
        if let Some(exporter) = known.and_then(|(_, exporter)| exporter.upgrade()) {
            return Some(exporter);
        }
        let find = |open: &mut Vec<Open>| {
            let known = open.iter().find(|known| known.collector == *collector)?;
            Some(Arc::clone(&known.exporter))
        };
        let exporter = collectors.open.with(find)?;
        self.0.push((Arc::clone(collector), Arc::downgrade(&exporter)));
        Some(exporter)
    }

    /// Lets go of collectors that were closed.
    pub(crate) fn tidy(&mut self) {
        self.0.retain(|(_, exporter)| exporter.strong_count() > 0);
    }
}
