use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Instant,
};

use tokio::time::{Sleep, sleep_until};

/// The deadlines of one request: one for all of it, one for the phase it is in, and at most one timer entry.
///
/// The entry is made only when something has to be waited for, and is moved only when it fires or has to fire
/// earlier; a phase that ends in time costs nothing.
#[derive(Debug)]
pub(crate) struct Timer {
    overall: Option<Instant>,
    phase: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// Which deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    Overall,
    Phase,
}

// === impl Timer ===

impl Timer {
    pub(crate) const fn until(overall: Option<Instant>) -> Self {
        Self { overall, phase: None, sleep: None }
    }

    /// Begins a phase that has to end at this moment.
    pub(crate) fn phase(&mut self, until: Option<Instant>) {
        self.phase = until;
    }

    /// Waits for a future, but not beyond a deadline.
    pub(crate) async fn within<F: Future>(&mut self, future: F) -> Result<F::Output, Expired> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.poll(cx).map(Err),
        })
        .await
    }

    /// Ready once a deadline has passed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        let (due, which) = match (self.overall, self.phase) {
            (None, None) => return Poll::Pending,
            (Some(overall), Some(phase)) if phase < overall => (phase, Expired::Phase),
            (Some(overall), _) => (overall, Expired::Overall),
            (None, Some(phase)) => (phase, Expired::Phase),
        };
        let deadline = tokio::time::Instant::from_std(due);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(which);
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use super::*;

    fn after(seconds: u64) -> Option<Instant> {
        Some(tokio::time::Instant::now().into_std() + Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_deadline_ends_the_wait() {
        let mut timer = Timer::until(after(10));
        timer.phase(after(3));
        assert_eq!(timer.within(pending::<()>()).await, Err(Expired::Phase));
        timer.phase(after(30));
        assert_eq!(timer.within(pending::<()>()).await, Err(Expired::Overall));
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_that_was_moved_does_not_fire_at_its_old_time() {
        let began = tokio::time::Instant::now();
        let mut timer = Timer::until(None);
        timer.phase(after(1));
        assert_eq!(timer.within(async { 7 }).await, Ok(7));
        timer.phase(after(5));
        assert_eq!(timer.within(pending::<()>()).await, Err(Expired::Phase));
        assert_eq!(began.elapsed().as_secs(), 5);
    }
}
