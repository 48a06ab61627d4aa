use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// Rounds of polling after which the task is given back to the scheduler, so that one busy upstream or an exhausted
/// budget of the runtime cannot hold the core.
const ROUNDS: usize = 4;

/// Lets one task drive both ends of a channel without waking itself.
///
/// hyper's client hands each chunk over a channel and each end wakes the other. When both ends are polled by one
/// task, every such wake would schedule that task again for nothing. Wakes that come while the task polls only ask
/// for another round; wakes from elsewhere (the socket) go through to the task.
#[derive(Debug)]
pub(crate) struct Gate {
    signal: Arc<Signal>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Signal {
    polling: AtomicBool,
    again: AtomicBool,
    task: AtomicWaker,
}

// === impl Gate ===

impl Gate {
    pub(crate) fn new() -> Self {
        let signal = Arc::new(Signal::default());
        Self { waker: Waker::from(Arc::clone(&signal)), signal }
    }

    /// Nobody waits any more: later wakes go nowhere.
    pub(crate) fn detach(&self) {
        drop(self.signal.task.take());
    }

    /// Polls `step` until it returns something or nothing has woken it during the last round.
    pub(crate) fn drive<T>(
        &self,
        cx: &mut Context<'_>,
        mut step: impl FnMut(&mut Context<'_>) -> Option<T>,
    ) -> Option<T> {
        let signal = &self.signal;
        signal.task.register(cx.waker());
        signal.polling.store(true, Ordering::SeqCst);
        let mut inner = Context::from_waker(&self.waker);
        let mut outcome = None;
        for _ in 0..ROUNDS {
            signal.again.store(false, Ordering::SeqCst);
            outcome = step(&mut inner);
            if outcome.is_some() || !signal.again.load(Ordering::SeqCst) {
                break;
            }
        }
        signal.polling.store(false, Ordering::SeqCst);
        // With an outcome the caller polls again anyway.
        if signal.again.swap(false, Ordering::SeqCst) && outcome.is_none() {
            cx.waker().wake_by_ref();
        }
        outcome
    }
}

// === impl Signal ===

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.again.store(true, Ordering::SeqCst);
        if !self.polling.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}
