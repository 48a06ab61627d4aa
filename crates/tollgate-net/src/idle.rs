use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Fires when nothing has happened for a while.
///
/// One timer entry serves the whole stream: activity moves the deadline only, and the timer is set again when it
/// fires too early, so a busy stream registers a timer once per `limit` and not once per chunk.
#[derive(Debug)]
pub(crate) struct Idle {
    limit: Duration,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

// === impl Idle ===

impl Idle {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, deadline: after(limit), timer: None }
    }

    /// Something happened: the wait begins again.
    pub(crate) fn reset(&mut self) {
        self.deadline = after(self.limit);
    }

    /// Ready once nothing has happened for the limit.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadline = self.deadline;
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

/// A limit beyond what can be reckoned with is none: it ends in a century.
fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(100 * 365 * 86_400))
}
