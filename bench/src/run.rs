//! One run: the harness alone, then each peer, the same steps in the same order.

use std::time::Duration;

use tokio::{sync::watch, time::sleep};
use tollgate_simulate::{Simulator, stay_awake};

use crate::{
    GATEWAY_CORE, HARNESS_CORE,
    cases::{Case, MEASURED},
    histogram::Histogram,
    load::{Measured, Target, closed, once, open},
    peers::{Peer, Places, Running, direct},
    process::{Load, descriptors},
    report::{BOUNDS, Column, HELD},
    streams::{Held, Hold, hold},
};

/// How much time a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Under four minutes for everything.
    Quick,
    /// Under twenty-five.
    Full,
}

/// Measures one column.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) simulator: &'a Simulator,
    pub(crate) effort: Effort,
    /// Only these cases of the closed loop; empty is all.
    pub(crate) cases: Vec<String>,
    /// The column of the harness alone, once it is measured.
    pub(crate) baseline: Option<Column>,
}

/// Where the load of a column goes: to a peer, or straight to the simulator.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way<'a> {
    Direct,
    Through(&'a Running),
}

// === impl Effort ===

impl Effort {
    const fn pick<T: Copy>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }

    pub(crate) fn millis(self, quick: u64, full: u64) -> Duration {
        Duration::from_millis(self.pick(quick, full))
    }
}

// === impl Way ===

impl Way<'_> {
    /// Puts what the load goes through on another core.
    fn move_to(self, core: usize) -> std::io::Result<()> {
        match self {
            Self::Direct => Ok(()),
            Self::Through(running) => running.move_to(core),
        }
    }
}

// === impl Bench ===

impl Bench<'_> {
    /// The harness without a gateway: what nothing can beat here.
    pub(crate) async fn ceiling(&mut self) -> Column {
        let mut column = Column::new("direct");
        self.measure(Way::Direct, &mut column).await;
        self.baseline = Some(column.clone());
        column
    }

    pub(crate) async fn peer(&self, peer: Peer, places: &Places) -> Column {
        let mut column = Column::new(peer.name());
        match peer.start(places) {
            Ok(running) => self.measure(Way::Through(&running), &mut column).await,
            Err(why) => column.skipped = Some(why),
        }
        column
    }

    /// Whether a case of the closed loop is to be run.
    pub(crate) fn wants(&self, key: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|name| name == key)
    }

    async fn measure(&self, way: Way<'_>, column: &mut Column) {
        sleep(Duration::from_millis(300)).await;
        if let Way::Through(running) = way {
            column.set("rss.idle", mib(running.load().rss));
            if let Some(beside) = running.beside() {
                column.set("beside.idle", mib(beside.rss));
            }
        }
        for case in MEASURED {
            let able = match way {
                Way::Direct => !case.is_translated(),
                Way::Through(running) => running.peer.translates() || !case.is_translated(),
            };
            if self.wants(case.key()) && able {
                self.closed(way, case, column).await;
            }
        }
        if self.cases.is_empty() {
            self.alone(way, column).await;
            self.rates(way, column).await;
            self.held(way, column).await;
            self.memory(way, column).await;
        }
    }

    /// Has the simulator answer as this case wants it.
    pub(crate) fn expect(&self, case: Case) {
        self.simulator.clear_rules();
        self.simulator.next(0, case.behaviour());
    }

    pub(crate) fn target(&self, way: Way<'_>, case: Case) -> Target {
        self.expect(case);
        match way {
            Way::Direct => direct(self.simulator.address(), case),
            Way::Through(running) => running.target(case),
        }
    }

    async fn closed(&self, way: Way<'_>, case: Case, column: &mut Column) {
        let key = case.key();
        let target = self.target(way, case);
        let connections = if is_slow(way) { 16 } else { case.connections() };
        let (measured, used) = match self.loaded(way, &target, connections).await {
            Ok(loaded) => loaded,
            Err(why) => return column.note(format!("cpu.{key}"), why),
        };
        column.set(format!("rate.{key}"), measured.rate());
        if let Way::Through(_) = way {
            let each = |time| micros(time) / measured.latency.count() as f64;
            column.set(format!("cpu.{key}"), each(used.all));
            if let Some(beside) = used.beside {
                column.set(format!("beside.cpu.{key}"), each(beside));
            }
        }
        self.doubt(&measured, column, key);
    }

    /// Does this while neither the load nor the provider sleeps: waking them is what their own machines would do.
    async fn awake<T>(&self, work: impl Future<Output = T>) -> T {
        let (awake, wanted) = watch::channel(true);
        self.simulator.keep_awake(true);
        let ours = tokio::spawn(stay_awake(wanted));
        let done = work.await;
        self.simulator.keep_awake(false);
        drop(awake);
        // It cannot fail but by a panic, of which nothing is left to tell.
        let _ = ours.await;
        done
    }

    /// A closed loop, and the time that the gateway worked for it.
    pub(crate) async fn loaded(
        &self,
        way: Way<'_>,
        target: &Target,
        connections: usize,
    ) -> Result<(Measured, Used), String> {
        match once(target).await {
            Ok((200, body)) if !body.is_empty() => {}
            Ok((status, body)) => {
                let text = String::from_utf8_lossy(&body[..body.len().min(200)]).replace(['\n', '|'], " ");
                return Err(format!("answered {status}: {text}"));
            }
            Err(error) => return Err(format!("no answer: {error}")),
        }
        let (measured, used) = self
            .awake(async {
                closed(target, connections, self.effort.millis(200, 1000)).await;
                let before = Used::until_now(way);
                let measured = closed(target, connections, self.effort.millis(700, 4000)).await;
                (measured, Used::until_now(way).since(before))
            })
            .await;
        if measured.latency.count() == 0 { Err("no good reply in time".into()) } else { Ok((measured, used)) }
    }

    /// Errors, and nearness to what the harness itself can do, spoil a figure.
    fn doubt(&self, measured: &Measured, column: &mut Column, key: &str) {
        if measured.errors > 0 {
            column.note(format!("rate.{key}"), format!("{} errors", measured.errors));
        }
        let ceiling = self.baseline.as_ref().and_then(|baseline| baseline.cells.get(&format!("rate.{key}")));
        if ceiling.is_some_and(|ceiling| measured.rate() > ceiling * 0.9) {
            column.note(format!("rate.{key}"), "within a tenth of the harness's own ceiling");
        }
    }

    /// Latency with one connection.
    async fn alone(&self, way: Way<'_>, column: &mut Column) {
        self.awake(self.latency(way, "added", column)).await;
        // Only one of client, gateway and provider is at work at any time, so they can share a core. What it takes a
        // hypervisor to wake another one is not measured then.
        if let Err(error) = way.move_to(HARNESS_CORE) {
            return column.note("one-core.p50", error.to_string());
        }
        self.latency(way, "one-core", column).await;
        if let Err(error) = way.move_to(GATEWAY_CORE) {
            column.note("one-core.p50", format!("it stayed there: {error}"));
        }
    }

    async fn latency(&self, way: Way<'_>, key: &str, column: &mut Column) {
        let target = self.target(way, Case::Chat1K);
        closed(&target, 1, self.effort.millis(200, 500)).await;
        let measured = closed(&target, 1, self.effort.millis(1000, 3000)).await;
        if measured.latency.count() > 0 {
            let latency = &measured.latency;
            self.added(column, (&format!("{key}.min"), micros(latency.min())));
            for (name, permille) in [("p50", 500), ("p90", 900), ("p99", 990), ("p99.9", 999)] {
                self.added(column, (&format!("{key}.{name}"), micros(latency.quantile(permille))));
            }
        }
    }

    /// Sets what a value is above the baseline's.
    fn added(&self, column: &mut Column, (key, value): (&str, f64)) {
        let base = self.baseline.as_ref().and_then(|baseline| baseline.cells.get(key)).copied();
        column.set(key, value - base.unwrap_or(0.0));
    }

    /// The highest rate of an open loop at which p99 keeps each bound.
    async fn rates(&self, way: Way<'_>, column: &mut Column) {
        let Some(most) = column.cells.get("rate.chat-1k").copied() else { return };
        let target = self.target(way, Case::Chat1K);
        let connections = if is_slow(way) { 64 } else { 256 };
        let steps = self
            .effort
            .pick(&[0.4, 0.6, 0.8, 0.95][..], &[0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0]);
        let time = self.effort.millis(700, 2000);
        let mut best = [0.0_f64; BOUNDS.len()];
        for share in steps {
            let rate = (most * share).max(1.0);
            let Ok(measured) = open(&target, rate, (connections, time)).await else { continue };
            let allowed = (measured.latency.count() / 1000).max(1);
            for (best, bound) in best.iter_mut().zip(BOUNDS) {
                let p99 = measured.latency.quantile(990);
                if p99 <= Duration::from_millis(bound)
                    && measured.errors <= allowed
                    && measured.latency.count() > 0
                {
                    *best = best.max(rate);
                }
            }
        }
        for (best, bound) in best.into_iter().zip(BOUNDS) {
            column.set(format!("rate.p99-{bound}ms"), best);
        }
    }

    /// Streams at the pace of a model.
    async fn held(&self, way: Way<'_>, column: &mut Column) {
        let levels = match (way, self.effort) {
            (Way::Through(running), _) if running.peer.is_slow() => &[64][..],
            // The slow ones are held against the same number without them.
            (Way::Direct, Effort::Quick) => &[64, 512][..],
            (Way::Through(_), Effort::Quick) => &[512][..],
            (_, Effort::Full) => &HELD[..],
        };
        let target = self.target(way, Case::StreamPaced);
        let mut most = 0;
        for streams in levels {
            // A stream lasts four seconds: new ones, whose first token is timed, begin after the ramp.
            let step = Hold {
                streams: *streams,
                ramp: Duration::from_secs(4),
                time: self.effort.millis(1500, 5000),
            };
            let before = load(way);
            let (held, after) = hold(&target, step, || load(way)).await;
            if held.frame.count() == 0 {
                column.note(format!("frame.{streams}.p99"), "no frames");
                continue;
            }
            if *streams == 512 || is_slow(way) {
                // The ramp has on average half of the streams.
                let share = step.time.as_secs_f64() / (step.time + step.ramp / 2).as_secs_f64();
                let used = micros(after.cpu.saturating_sub(before.cpu)) * share;
                if let Way::Through(_) = way {
                    column.set("cpu.stream-paced", used / held.frame.count() as f64);
                }
            }
            self.delays(&held, *streams, column);
            let over = column.cells.get(&format!("frame.{streams}.p99")).copied().unwrap_or(f64::MAX);
            if over <= 5000.0 && held.errors == 0 {
                most = *streams;
            }
            sleep(Duration::from_millis(300)).await;
        }
        column.set("held", most as f64);
    }

    fn delays(&self, held: &Held, streams: usize, column: &mut Column) {
        let mut put = |what: &str, histogram: &Histogram| {
            if histogram.count() == 0 {
                return;
            }
            for (name, permille) in [("p50", 500), ("p99", 990)] {
                let key = format!("{what}.{streams}.{name}");
                self.added(column, (&key, micros(histogram.quantile(permille))));
            }
        };
        put("first", &held.first);
        put("frame", &held.frame);
        if held.errors > 0 {
            column.note(format!("frame.{streams}.p99"), format!("{} streams broke", held.errors));
        }
    }

    /// Resident memory with many streams open, and after they closed.
    async fn memory(&self, way: Way<'_>, column: &mut Column) {
        let Way::Through(running) = way else { return };
        // Each stream takes two descriptors in the gateway, and two here.
        let many = 10_000.min(descriptors().saturating_sub(400) / 2);
        let levels = match (is_slow(way), self.effort) {
            (false, Effort::Full) => &[("few", 1000, 2), ("many", many, 10)][..],
            (false, Effort::Quick) => &[("few", 1000, 2)][..],
            (true, _) => &[("few", 100, 4)][..],
        };
        column.set("rss.loaded", mib(running.load().rss));
        let target = self.target(way, Case::StreamIdle);
        for (name, streams, seconds) in levels {
            let (before, beside) = (running.load().rss, running.beside());
            let ramp = Duration::from_secs(*seconds);
            let hold_time = Duration::from_millis(if *streams > 1000 { 3000 } else { 1000 });
            let step = Hold { streams: *streams, ramp, time: hold_time };
            let (held, (during, beside_during)) =
                hold(&target, step, || (running.load(), running.beside())).await;
            if held.open < streams * 99 / 100 {
                column.note(format!("rss.{name}"), format!("only {} of {streams} streams open", held.open));
            } else if *streams == many && many < 10_000 {
                column.note(format!("rss.{name}"), format!("{streams} streams: the limit of open files"));
            } else if *streams < 1000 {
                column.note(format!("rss.{name}"), format!("{streams} streams: more are beyond it"));
            }
            if held.open == 0 {
                continue;
            }
            column.set(format!("rss.{name}"), mib(during.rss));
            let each = during.rss.saturating_sub(before) as f64 / held.open as f64;
            column.set(format!("rss.{name}.each"), each);
            if let (Some(before), Some(during)) = (beside, beside_during) {
                let each = during.rss.saturating_sub(before.rss) as f64 / held.open as f64;
                column.set(format!("beside.{name}.each"), each);
            }
            sleep(self.effort.millis(1000, 3000)).await;
            column.set(format!("rss.{name}.after"), mib(running.load().rss));
        }
    }
}

/// Processor time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) all: Duration,
    /// That of an external processor, where there is one.
    beside: Option<Duration>,
}

// === impl Used ===

impl Used {
    fn until_now(way: Way<'_>) -> Self {
        let beside = match way {
            Way::Direct => None,
            Way::Through(running) => running.beside().map(|load| load.cpu),
        };
        Self { all: load(way).cpu, beside }
    }

    fn since(self, before: Self) -> Self {
        let beside = self.beside.zip(before.beside).map(|(now, before)| now.saturating_sub(before));
        Self { all: self.all.saturating_sub(before.all), beside }
    }
}

fn is_slow(way: Way<'_>) -> bool {
    matches!(way, Way::Through(running) if running.peer.is_slow())
}

fn load(way: Way<'_>) -> Load {
    match way {
        Way::Direct => Load::default(),
        Way::Through(running) => running.load(),
    }
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
