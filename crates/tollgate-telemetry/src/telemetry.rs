use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt, io,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use opentelemetry_proto::tonic::metrics::v1::Metric;
use tollgate_core::{Live, Settled};
use tollgate_net::Origin;
use tollgate_snapshot::{AccessLogRule, AccessLogSettings, Upstream};
use tollgate_types::BackendId;

use crate::{
    AccessLog, HeaderAttributes, LogFormat, MetricSettings, Phase, PoolCounts, Reload, TraceSettings,
    decisions::Decisions,
    lock::Slot,
    log::{self, Buffer, Collectors, Lines, Memory, Shippers, SinkBuffers, Sinks, Writer},
    metric::{
        Bounded, Common, CoreMetrics, CredentialState, Credentials, Exposition, Pools, Published, Pushes,
        Shard, Totals,
    },
    recent::{Ring, Trouble},
    status::Status,
    trace::{self, Exporter},
};

/// What to watch and where to tell of it.
#[derive(Debug)]
pub struct Options {
    /// Who we are.
    pub build: Build,
    /// Where lines go; `None` for nowhere.
    pub access_log: Option<AccessLog>,
    /// Where spans go; `None` for nowhere.
    pub traces: Option<TraceSettings>,
    /// Where counts go beside `/metrics`; `None` for nowhere but where resources say.
    pub metrics: Option<MetricSettings>,
    /// Request headers that become attributes.
    pub attributes: HeaderAttributes,
    /// Most model names of providers that become labels; further ones are `other`.
    pub response_models: usize,
    /// Where a collector of logs or counts can be reached.
    pub origins: fn(&Upstream) -> Vec<Origin>,
}

/// Who we are, for `tollgate_build_info` and the console.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The version of the release.
    pub version: &'static str,
    /// The commit it was built from, where that is known.
    pub commit: &'static str,
}

/// Everything that is counted and logged. One per process; every core calls it.
pub struct Telemetry {
    /// Tells the thread-local halves of several instances apart.
    id: u64,
    pub(crate) build: Build,
    attributes: HeaderAttributes,
    common: Common,
    cores: Slot<Vec<(Arc<Shard>, Arc<Ring>)>>,
    live: Slot<Option<Arc<Live>>>,
    log: Option<(LogFormat, Writer)>,
    sinks: Sinks,
    collectors: Collectors,
    traces: Option<Traces>,
    pushes: Pushes,
    /// When counting began, in unix nanoseconds.
    began: u64,
    pools: Pools,
    pub(crate) credentials: Credentials,
    pub(crate) status: Status,
    pub(crate) decisions: Decisions,
}

/// What is done about spans.
#[derive(Debug)]
struct Traces {
    shape: trace::Shape,
    exporter: Exporter<trace::Spans>,
}

/// One core's half: nobody else touches it.
struct Core {
    telemetry: u64,
    metrics: CoreMetrics,
    recent: Arc<Ring>,
    log: Option<Buffer>,
    sinks: SinkBuffers,
    shippers: Shippers,
    memory: Memory,
}

thread_local! {
    /// One entry, but in tests.
    static CORES: RefCell<Vec<Core>> = const { RefCell::new(Vec::new()) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

// === impl Options ===

impl Options {
    /// Most model names of providers that become labels unless said otherwise.
    pub const RESPONSE_MODELS: usize = 200;
}

// === impl Telemetry ===

impl Telemetry {
    /// Starts watching; with an access log, starts the thread that writes it.
    ///
    /// # Errors
    /// The system's, where it gives no thread.
    pub fn start(options: Options) -> io::Result<Self> {
        let Options { build, access_log, traces, metrics, attributes, response_models, origins } = options;
        let log = match access_log {
            Some(AccessLog { format, to }) => Some((format, Writer::start(to)?)),
            None => None,
        };
        let traces = match traces {
            Some(settings) => {
                let shape = trace::Shape { vocabulary: settings.vocabulary, hidden: settings.hidden };
                Some(Traces { shape, exporter: Exporter::tracing(settings)? })
            }
            None => None,
        };
        let common = Common {
            models: Bounded::new(response_models),
            published: Published::default(),
            attributes: attributes.metrics.clone(),
        };
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            build,
            attributes,
            common,
            cores: Slot::default(),
            live: Slot::default(),
            log,
            sinks: Sinks::default(),
            collectors: Collectors::new(origins),
            traces,
            pushes: Pushes::start(metrics, origins, Instant::now())?,
            began: unix_nanos(),
            pools: Pools::default(),
            credentials: Credentials::default(),
            status: Status::default(),
            decisions: Decisions::default(),
        })
    }

    /// A snapshot is about to serve. What is shown of backends and listeners is read from the last one.
    pub fn publish(&self, live: &Arc<Live>) {
        self.common.published.push(live);
        self.sinks.publish(live);
        self.collectors.publish(live);
        self.pushes.publish(live, Instant::now());
        self.live.with(|last| *last = Some(Arc::clone(live)));
        self.status.enter(Phase::Serving);
    }

    /// The gateway is shutting down: not ready any more.
    pub fn draining(&self) {
        self.status.enter(Phase::Draining);
    }

    /// Resources have changed and were read again.
    pub fn reloaded(&self, reload: Reload) {
        self.status.reloaded(reload);
    }

    /// What this core's pools hold, in place of all that it said before. Has to be called on the core's thread, every
    /// second or so; a core that has nothing else to do lets go of old snapshots here.
    pub fn pools(&self, core: usize, pools: Vec<(BackendId, PoolCounts)>) {
        self.pools.tell(core, pools);
        self.with_core(|core| {
            core.metrics.tidy();
            core.sinks.tidy();
            core.shippers.tidy();
        });
        if core == 0 {
            self.sinks.tidy();
            self.collectors.tidy();
        }
    }

    /// How the tokens for providers are doing, in place of all that was said before.
    pub fn credentials(&self, states: Vec<CredentialState>) {
        self.credentials.tell(states);
    }

    /// A request has come in on this port of the Gateway (before `--port-map`): once for each that is settled.
    pub fn began(&self, port: u16) {
        self.with_core(|core| core.metrics.began(port));
    }

    /// Counts a request, logs it and keeps it where it went wrong. Never waits for anything.
    pub fn observe(&self, settled: &Settled) {
        self.with_core(|core| {
            core.metrics.observe(settled, &self.common);
            core.recent.observe(settled);
            if let Some(settings) = settled.record.access_log() {
                return self.log_as(settings, settled, core);
            }
            let Core { log, memory, .. } = core;
            if let (Some(buffer), Some((format, _))) = (log, &self.log) {
                let shape = (*format, self.attributes.log.as_slice());
                buffer.line(|out| log::line(settled, shape, memory, out));
            }
        });
        self.decisions.observe(settled);
        if let Some(Traces { shape, exporter }) = &self.traces
            && settled.record.trace.sampled
        {
            exporter.send(trace::spans(settled, *shape, &self.attributes.spans));
        }
    }

    /// Writes the lines that the settings of a listener ask for.
    fn log_as(&self, settings: &AccessLogSettings, settled: &Settled, core: &mut Core) {
        let Core { sinks, shippers, memory, .. } = core;
        let mut lines = Lines { settled, attributes: &self.attributes.log, clock: &mut memory.clock };
        let goes = |rule: &&AccessLogRule| !rule.files.is_empty() || !rule.collectors.is_empty();
        for rule in settings.logs().iter().filter(goes) {
            if !lines.wanted_by(rule) {
                continue;
            }
            for path in &rule.files {
                if let Some(buffer) = sinks.of(path, &self.sinks) {
                    buffer.line(|out| lines.write(&rule.format, out));
                }
            }
            for collector in &rule.collectors {
                if let Some(exporter) = shippers.of(collector, &self.collectors) {
                    exporter.send(vec![lines.record(&rule.format)]);
                }
            }
        }
    }

    /// Starts the thread that counts for collectors; it ends with the last holder of this.
    ///
    /// # Errors
    /// The system's, where it gives no thread.
    pub fn push_metrics(self: &Arc<Self>) -> io::Result<()> {
        let this = Arc::downgrade(self);
        let thread = thread::Builder::new().name("metrics".into()).spawn(move || push(&this))?;
        self.pushes.counted_by(thread.thread().clone());
        Ok(())
    }

    /// Waits until lines, spans and counts so far are written and sent, at most this long for each.
    pub fn flush(&self, patience: Duration) {
        self.pushes.push(None, || self.counted());
        self.pushes.flush(patience);
        if let Some(traces) = &self.traces {
            traces.exporter.flush(patience);
        }
        if let Some((_, writer)) = &self.log {
            writer.flush(patience);
        }
        self.sinks.flush(patience);
        self.collectors.flush(patience);
    }

    /// Everything counted, in Prometheus' text format (version 0.0.4).
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut out = Exposition::text();
        self.write(&mut out);
        out.finish()
    }

    /// Everything counted, as collectors take it.
    fn counted(&self) -> Vec<Metric> {
        let mut out = Exposition::otlp(self.began, unix_nanos());
        self.write(&mut out);
        out.into_metrics()
    }

    /// True where the resources say that counts are not to be fetched.
    pub(crate) fn hides_metrics(&self) -> bool {
        self.live.with(|live| live.as_ref().is_some_and(|live| live.snapshot.settings.reports.metrics_hidden))
    }

    fn write(&self, out: &mut Exposition) {
        self.totals().write(out, &self.common.attributes);
        self.forget();
        self.pools.write(out);
        self.credentials.write(out);
        crate::health::write(self.live().as_deref(), out);
        self.status.write(out);
        let own = self.log.as_ref().map(|(_, writer)| (writer.dropped(), writer.failed()));
        if own.is_some() || !self.sinks.unused() || !self.collectors.unused() {
            let (dropped, failed) = own.unwrap_or_default();
            out.single(
                "tollgate_access_log_dropped_total",
                "Lines of the access log that were dropped because its writer was too slow, or its collector took none.",
                "counter",
                dropped + self.sinks.dropped() + self.collectors.dropped(),
            );
            out.single(
                "tollgate_access_log_write_errors_total",
                "Batches of access log lines that could not be written.",
                "counter",
                failed + self.sinks.failed(),
            );
        }
        if let Some(traces) = &self.traces {
            let counts = traces.exporter.counts();
            let help = "Spans that a collector took, and those that were dropped.";
            out.family("tollgate_spans_total", help, "counter");
            out.sample("tollgate_spans_total", &[("result", "sent")], counts.sent.load(Relaxed));
            out.sample("tollgate_spans_total", &[("result", "dropped")], counts.dropped.load(Relaxed));
        }
        self.pushes.write(out);
        out.about(&self.build);
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals::of(&self.shards())
    }

    /// Series of what was removed go once they were scraped a last time.
    fn forget(&self) {
        let Some(names) = self.common.published.newest() else { return };
        self.shards().iter().for_each(|shard| shard.forget(&names));
    }

    fn shards(&self) -> Vec<Arc<Shard>> {
        self.cores.with(|cores| cores.iter().map(|(shard, _)| Arc::clone(shard)).collect())
    }

    pub(crate) fn live(&self) -> Option<Arc<Live>> {
        self.live.with(|live| live.clone())
    }

    pub(crate) fn recent(&self) -> Vec<Trouble> {
        let rings: Vec<_> = self.cores.with(|cores| cores.iter().map(|(_, ring)| Arc::clone(ring)).collect());
        Ring::merged(rings.iter().map(|ring| &**ring))
    }

    pub(crate) fn pool_counts(&self) -> BTreeMap<BackendId, PoolCounts> {
        self.pools.sums()
    }

    fn with_core(&self, act: impl FnOnce(&mut Core)) {
        // While a thread ends its locals may be gone; a request that is settled that late is not counted.
        let _ = CORES.try_with(|cores| {
            let Ok(mut cores) = cores.try_borrow_mut() else { return };
            let position = cores.iter().position(|core| core.telemetry == self.id).unwrap_or_else(|| {
                cores.push(self.core());
                cores.len() - 1
            });
            if let Some(core) = cores.get_mut(position) {
                act(core);
            }
        });
    }

    fn core(&self) -> Core {
        let metrics = CoreMetrics::default();
        let recent = Arc::<Ring>::default();
        self.cores.with(|cores| cores.push((Arc::clone(metrics.shard()), Arc::clone(&recent))));
        let log = self.log.as_ref().map(|(_, writer)| writer.buffer());
        Core {
            telemetry: self.id,
            metrics,
            recent,
            log,
            sinks: SinkBuffers::default(),
            shippers: Shippers::default(),
            memory: Memory::default(),
        }
    }
}

/// Counts for whoever waits for it, until nobody holds the telemetry any more.
fn push(telemetry: &Weak<Telemetry>) {
    while let Some(this) = telemetry.upgrade() {
        let due = this.pushes.push(Some(Instant::now()), || this.counted());
        drop(this);
        match due {
            Some(due) => thread::park_timeout(due.saturating_duration_since(Instant::now())),
            None => thread::park(),
        }
    }
}

fn unix_nanos() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("build", &self.build)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
