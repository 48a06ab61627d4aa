//! Active health checks: one core asks every endpoint that a policy wants checked; all cores read what it finds.

use std::{collections::HashMap, fmt, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    task::{AbortHandle, spawn_local},
    time::{sleep, timeout},
};
use tollgate_balance::{Checked, Checks, Endpoint};
use tollgate_snapshot::{HealthCheck, Probe};

use crate::{served::Target, worker::Worker};

mod probe;

/// Checks endpoints. Has to be used on one `LocalSet`; dropped, it stops.
pub(crate) struct Checker {
    worker: Rc<Worker>,
    /// By the address of the endpoint's state, which the task keeps alive.
    tasks: HashMap<*const Endpoint, Task>,
}

struct Task {
    target: Rc<Target>,
    handle: AbortHandle,
}

// === impl Checker ===

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker").field("endpoints", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl Checker {
    pub(crate) fn new(worker: &Rc<Worker>) -> Self {
        Self { worker: Rc::clone(worker), tasks: HashMap::new() }
    }

    /// Checks these from now on, and no others. An endpoint that was checked before in the same way keeps its
    /// results and its rhythm; one that is checked no more counts as fit.
    pub(crate) fn serve(&mut self, targets: impl Iterator<Item = Target>) {
        let mut before = std::mem::take(&mut self.tasks);
        for target in targets {
            let key = Arc::as_ptr(&target.endpoint);
            let task = match before.remove(&key) {
                Some(task) if task.target.is_like(&target) => task,
                Some(_) | None => self.spawn(Rc::new(target)),
            };
            self.tasks.insert(key, task);
        }
        for task in before.into_values() {
            task.handle.abort();
            task.target.endpoint.checked(true, self.worker.now().unix_ms);
        }
    }

    fn spawn(&self, target: Rc<Target>) -> Task {
        let (worker, checked) = (Rc::clone(&self.worker), Rc::clone(&target));
        let delay = jitter(target.check.initial_jitter, worker.random());
        let handle = spawn_local(async move {
            sleep(delay).await;
            let ask = async || probe::ask(&worker.pool, &checked).await;
            watch(&checked, ask, || worker.now().unix_ms).await;
        });
        Task { target, handle: handle.abort_handle() }
    }
}

// === impl Task ===

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

// === impl Target ===

impl Target {
    fn is_like(&self, other: &Self) -> bool {
        self.check == other.check && self.at.origin == other.at.origin && self.at.host == other.at.host
    }
}

/// Anything up to `most`, so that many endpoints are not asked at the same moment.
fn jitter(most: Option<Duration>, random: u64) -> Duration {
    let most = most.unwrap_or_default().as_micros();
    Duration::from_micros(u64::try_from((u128::from(random) * most) >> 64).unwrap_or_default())
}

/// Asks again and again, and says what comes of it. Ends only when it is dropped.
async fn watch(target: &Target, ask: impl AsyncFn() -> Checked, now: impl Fn() -> u64) {
    let HealthCheck { timeout: patience, interval, thresholds, probe, .. } = &target.check;
    let mut checks = Checks::default();
    loop {
        let result = timeout(*patience, ask()).await.unwrap_or(Checked::Failed);
        let fit = checks.heard(result, thresholds);
        if target.endpoint.checked(fit, now()) {
            tell(target, probe, fit);
        }
        sleep(*interval).await;
    }
}

fn tell(target: &Target, probe: &Probe, fit: bool) {
    let (backend, endpoint) = (&target.backend, target.endpoint.name());
    let check = match probe {
        Probe::Http(_) => "http",
        Probe::Tcp(_) => "tcp",
        Probe::Grpc(_) => "grpc",
    };
    if fit {
        tracing::info!(%backend, endpoint, check, "endpoint passes its health check again");
    } else {
        tracing::warn!(%backend, endpoint, check, "endpoint fails its health check and is left out");
    }
}

#[cfg(test)]
mod tests;
