//! Counts on their way to collectors.
use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::Thread,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::metrics::v1::Metric;
use tollgate_core::Live;
use tollgate_net::Origin;
use tollgate_snapshot::{MetricSink, Upstream};

use super::{deltas::Deltas, exposition::Exposition};
use crate::{
    CollectorSettings, MetricSettings,
    lock::Slot,
    trace::{Exporter, Metrics, Shipping, named_resource},
};

/// How often counts are sent to the sink of an EnvoyProxy, as Envoy does.
const EVERY: Duration = Duration::from_secs(5);
/// Most sets of counts that wait for a collector; the next one says what a lost one would have said.
const QUEUE: usize = 2;
/// How long a set waits at most before it is sent.
const DELAY: Duration = Duration::from_millis(100);

/// Whom counts are sent: a thread each, and one that counts for all of them.
pub(crate) struct Pushes {
    origins: fn(&Upstream) -> Vec<Origin>,
    open: Slot<Vec<Push>>,
    /// The thread that counts, once there is one.
    thread: Slot<Option<Thread>>,
    /// Of those that were closed.
    sent: AtomicU64,
    dropped: AtomicU64,
}

struct Push {
    /// None for the one that the environment names.
    sink: Option<MetricSink>,
    exporter: Arc<Exporter<Metrics>>,
    every: Duration,
    due: Instant,
    deltas: Deltas,
}

// === impl Pushes ===

impl Pushes {
    /// # Errors
    /// A file of the TLS settings that cannot be used, or the system's, where it gives no thread.
    pub(crate) fn start(
        own: Option<MetricSettings>,
        origins: fn(&Upstream) -> Vec<Origin>,
        now: Instant,
    ) -> io::Result<Self> {
        let mut open = Vec::new();
        if let Some(MetricSettings { collector, console, resource, every, deltas }) = own {
            let collectors = collector.map(|collector| Ok::<_, io::Error>((collector.origin()?, collector)));
            let collectors = collectors.transpose()?.into_iter();
            let collectors = collectors.map(|(origin, collector)| (collector, origin)).collect();
            let exporter = Arc::new(Exporter::start(shipping(collectors, console, resource))?);
            let deltas = Deltas::new(deltas, deltas);
            open.push(Push { sink: None, exporter, every, due: now + every, deltas });
        }
        let (sent, dropped) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { origins, open: Slot::new(open), thread: Slot::default(), sent, dropped })
    }

    /// The thread to wake when there is somebody new.
    pub(crate) fn counted_by(&self, thread: Thread) {
        self.thread.with(|known| *known = Some(thread));
    }

    /// Takes up sinks that a snapshot names, and leaves those that it does not.
    pub(crate) fn publish(&self, live: &Live, now: Instant) {
        let sinks = &live.snapshot.settings.reports.metric_sinks;
        self.open.with(|open| {
            open.retain(|push| {
                let stays = push.sink.as_ref().is_none_or(|sink| sinks.contains(sink));
                if !stays {
                    self.sent.fetch_add(push.exporter.counts().sent.load(Relaxed), Relaxed);
                    self.dropped.fetch_add(push.exporter.counts().dropped.load(Relaxed), Relaxed);
                }
                stays
            });
            for sink in sinks {
                if !open.iter().any(|push| push.sink.as_ref() == Some(sink)) {
                    self.begin(open, sink, now);
                }
            }
        });
        self.wake();
    }

    fn begin(&self, open: &mut Vec<Push>, sink: &MetricSink, now: Instant) {
        let MetricSink { collector, counter_deltas, histogram_deltas } = sink;
        let settings = CollectorSettings::named(collector);
        let origins = (self.origins)(&collector.upstream).into_iter();
        let collectors = origins.map(|origin| (settings.clone(), origin)).collect();
        match Exporter::start(shipping(collectors, false, named_resource(collector))) {
            Ok(exporter) => open.push(Push {
                sink: Some(sink.clone()),
                exporter: Arc::new(exporter),
                every: EVERY,
                due: now + EVERY,
                deltas: Deltas::new(*counter_deltas, *histogram_deltas),
            }),
            Err(error) => tracing::error!("no thread to send metrics: {error}"),
        }
    }

    /// Sends counts to those who wait for them by now, to all without a moment; gives the moment to come back.
    pub(crate) fn push(&self, now: Option<Instant>, count: impl FnOnce() -> Vec<Metric>) -> Option<Instant> {
        let is_due = |push: &Push| now.is_none_or(|now| push.due <= now);
        if self.open.with(|open| open.iter().any(is_due)) {
            let metrics = count();
            self.open.with(|open| {
                for push in open.iter_mut().filter(|push| is_due(push)) {
                    let mut own = metrics.clone();
                    push.deltas.apply(&mut own);
                    push.exporter.send(own);
                    push.due = now.unwrap_or(push.due) + push.every;
                }
            });
        }
        self.open.with(|open| open.iter().map(|push| push.due).min())
    }

    /// Waits until what was handed over was sent or given up, at most this long for each collector.
    pub(crate) fn flush(&self, patience: Duration) {
        let all: Vec<_> = self.open.with(|open| open.iter().map(|push| Arc::clone(&push.exporter)).collect());
        all.iter().for_each(|exporter| exporter.flush(patience));
    }

    /// What became of metrics, where some were ever sent.
    pub(crate) fn write(&self, out: &mut Exposition) {
        let (mut sent, mut dropped) = (self.sent.load(Relaxed), self.dropped.load(Relaxed));
        let unused = self.open.with(|open| {
            for push in open.iter() {
                sent += push.exporter.counts().sent.load(Relaxed);
                dropped += push.exporter.counts().dropped.load(Relaxed);
            }
            open.is_empty()
        });
        if unused && sent + dropped == 0 {
            return;
        }
        let name = "tollgate_metrics_pushed_total";
        out.family(name, "Metrics that a collector took, and those that were dropped.", "counter");
        out.sample(name, &[("result", "sent")], sent);
        out.sample(name, &[("result", "dropped")], dropped);
    }

    fn wake(&self) {
        self.thread.with(|thread| thread.as_ref().map(Thread::unpark));
    }
}

impl Drop for Pushes {
    fn drop(&mut self) {
        // Finds that there is nothing left to count, and ends.
        self.wake();
    }
}

impl fmt::Debug for Pushes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.open.with(|open| open.len());
        f.debug_tuple("Pushes").field(&number).finish()
    }
}

fn shipping(
    collectors: Vec<(CollectorSettings, Origin)>,
    console: bool,
    resource: Vec<(String, String)>,
) -> Shipping {
    Shipping { collectors, console, weighs: false, resource, queue: QUEUE, batch: usize::MAX, delay: DELAY }
}
