use std::{
    sync::atomic::{AtomicU8, Ordering::SeqCst},
    time::Duration,
};

use serde::Serialize;

use crate::{lock::Slot, metric::Exposition};

/// Whether the gateway serves, and how its last changes went.
#[derive(Debug, Default)]
pub(crate) struct Status {
    phase: AtomicU8,
    reloads: Slot<Reloads>,
}

/// Where the process stands between its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// No snapshot serves yet
    Starting,
    /// Requests are answered
    Serving,
    /// What is under way is finished; nothing new is wanted
    Draining,
}

/// One attempt to take over changed resources.
#[derive(Clone, Debug)]
pub struct Reload {
    /// When, unix milliseconds.
    pub unix_ms: u64,
    /// How long reading and compiling took.
    pub took: Duration,
    /// Why something kept its last good state, one line per reason; empty where all was taken over.
    pub problems: Vec<String>,
}

/// What is known of reloads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reloads {
    pub(crate) ok: u64,
    pub(crate) failed: u64,
    pub(crate) last: Option<Reload>,
    last_ok_ms: u64,
}

// === impl Status ===

impl Status {
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(SeqCst) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Draining,
        }
    }

    /// A phase is never left for an earlier one.
    pub(crate) fn enter(&self, phase: Phase) {
        let number = match phase {
            Phase::Starting => 0,
            Phase::Serving => 1,
            Phase::Draining => 2,
        };
        self.phase.fetch_max(number, SeqCst);
    }

    pub(crate) fn reloaded(&self, reload: Reload) {
        self.reloads.with(|reloads| {
            if reload.problems.is_empty() {
                reloads.ok += 1;
                reloads.last_ok_ms = reload.unix_ms;
            } else {
                reloads.failed += 1;
            }
            reloads.last = Some(reload);
        });
    }

    pub(crate) fn reloads(&self) -> Reloads {
        self.reloads.with(|reloads| reloads.clone())
    }

    pub(crate) fn write(&self, out: &mut Exposition) {
        let Reloads { ok, failed, last, last_ok_ms } = self.reloads();
        let name = "tollgate_reloads_total";
        out.family(name, "Changes of the resources, by whether all of them could be taken over.", "counter");
        out.sample(name, &[("result", "ok")], ok);
        out.sample(name, &[("result", "failed")], failed);
        let seconds = |ms: u64| Duration::from_millis(ms).as_secs_f64();
        out.single(
            "tollgate_reload_success_timestamp_seconds",
            "When all of the resources were last taken over, in unix seconds; 0 for never.",
            "gauge",
            seconds(last_ok_ms),
        );
        out.single(
            "tollgate_reload_last_ok",
            "1 where the last change could be taken over as a whole.",
            "gauge",
            u8::from(last.as_ref().is_none_or(|last| last.problems.is_empty())),
        );
        out.single(
            "tollgate_reload_duration_seconds",
            "How long reading and compiling took the last time.",
            "gauge",
            last.map_or(0.0, |last| last.took.as_secs_f64()),
        );
        out.single(
            "tollgate_ready",
            "1 while requests are answered and the gateway is not shutting down.",
            "gauge",
            u8::from(self.phase() == Phase::Serving),
        );
    }
}
