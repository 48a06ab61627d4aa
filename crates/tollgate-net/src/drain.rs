use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

/// Ends service in order: stop accepting, tell clients to go elsewhere, wait for what is in flight, cut the rest.
///
/// One handle is shared by the servers of every core; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Drain(Arc<Shared>);

/// What is open right now, over all servers that share a [`Drain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Open downstream connections, upgraded ones included.
    pub connections: usize,
    /// Requests whose response has not ended.
    pub requests: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    Draining,
    Cut,
}

#[derive(Debug)]
struct Shared {
    phase: watch::Sender<Phase>,
    draining: AtomicBool,
    connections: AtomicUsize,
    requests: AtomicUsize,
    closed: Notify,
}

// === impl Drain ===

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drain {
    /// A handle for servers that are to be drained together.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            phase: watch::Sender::new(Phase::Serving),
            draining: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            closed: Notify::new(),
        }))
    }

    /// Stops accepting and asks clients to leave: `connection: close` after the current response on HTTP/1, GOAWAY
    /// on HTTP/2. Returns at once; there is no way back.
    pub fn start(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
        self.0.phase.send_if_modified(|phase| advance(phase, Phase::Draining));
    }

    /// Starts the drain, waits until no connection is left or `patience` is over, then cuts what remains.
    /// Returns what was cut.
    pub async fn finish(&self, patience: Duration) -> Load {
        self.start();
        let deadline = Instant::now() + patience;
        let _late = timeout_at(deadline, self.quiet()).await;
        let cut = self.load();
        self.0.phase.send_if_modified(|phase| advance(phase, Phase::Cut));
        cut
    }

    /// True since [`Drain::start`].
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// What is open now.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            connections: self.0.connections.load(Ordering::Relaxed),
            requests: self.0.requests.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    pub(crate) fn connection_opened(&self) {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        if self.is_draining() {
            self.0.closed.notify_waiters();
        }
    }

    pub(crate) fn request_opened(&self) {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn request_closed(&self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }

    /// Waits until a connection closes while draining.
    pub(crate) async fn closed_one(&self) {
        self.0.closed.notified().await;
    }

    async fn quiet(&self) {
        loop {
            // Registered before the count is read, so that the last close cannot fall between the two.
            let closed = self.0.closed.notified();
            if self.load().connections == 0 {
                return;
            }
            closed.await;
        }
    }
}

fn advance(phase: &mut Phase, to: Phase) -> bool {
    let later = to > *phase;
    if later {
        *phase = to;
    }
    later
}
