use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use tokio::{
    task::coop::has_budget_remaining,
    time::{Sleep, sleep_until},
};

/// Timer entries that are kept for later requests, per core.
const KEPT: usize = 64;

/// The deadlines of one request: one for all of it, one for the phase it is in, and at most one timer entry.
///
/// The entry is made only when something has to be waited for, and is moved only when it fires or has to fire
/// earlier; a phase that ends in time costs nothing. Behind the request the entry is kept as it is: the next one nearly
/// always waits for a later moment, and then has nothing to make and nothing to move.
#[derive(Debug)]
pub(crate) struct Timer {
    overall: Option<Instant>,
    phase: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    sleeps: Sleeps,
}

/// Timer entries of one core that nobody waits for. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sleeps(Rc<RefCell<Vec<Pin<Box<Sleep>>>>>);

/// Which deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    Overall,
    Phase,
}

// === impl Timer ===

impl Timer {
    pub(crate) fn until(overall: Option<Instant>, sleeps: &Sleeps) -> Self {
        Self { overall, phase: None, sleep: None, sleeps: sleeps.clone() }
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
        let sleep = self
            .sleep
            .get_or_insert_with(|| self.sleeps.take().unwrap_or_else(|| Box::pin(sleep_until(deadline))));
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

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(sleep) = self.sleep.take() {
            self.sleeps.keep(sleep);
        }
    }
}

// === impl Sleeps ===

impl Sleeps {
    fn take(&self) -> Option<Pin<Box<Sleep>>> {
        self.0.borrow_mut().pop()
    }

    /// Keeps an entry, without whoever would be woken by it. A task that has nothing left to spend cannot tell it so.
    fn keep(&self, mut sleep: Pin<Box<Sleep>>) {
        if self.0.borrow().len() < KEPT && has_budget_remaining() {
            let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            self.0.borrow_mut().push(sleep);
        }
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
        let mut timer = Timer::until(after(10), &Sleeps::default());
        timer.phase(after(3));
        assert_eq!(timer.within(pending::<()>()).await, Err(Expired::Phase));
        timer.phase(after(30));
        assert_eq!(timer.within(pending::<()>()).await, Err(Expired::Overall));
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_that_was_moved_does_not_fire_at_its_old_time() {
        let began = tokio::time::Instant::now();
        let mut timer = Timer::until(None, &Sleeps::default());
        timer.phase(after(1));
        assert_eq!(timer.within(async { 7 }).await, Ok(7));
        timer.phase(after(5));
        assert_eq!(timer.within(pending::<()>()).await, Err(Expired::Phase));
        assert_eq!(began.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_that_was_kept_fires_when_its_next_request_is_due() {
        let (began, sleeps) = (tokio::time::Instant::now(), Sleeps::default());
        // Due later than the one that was kept, earlier, and when that has passed long ago.
        for (seconds, pause) in [(5, 0), (7, 0), (2, 60), (3, 0)] {
            let mut timer = Timer::until(after(seconds), &sleeps);
            let asked = tokio::time::Instant::now();
            assert_eq!(timer.within(pending::<()>()).await, Err(Expired::Overall));
            assert_eq!(asked.elapsed().as_secs(), seconds);
            drop(timer);
            assert_eq!(sleeps.0.borrow().len(), 1);
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
        let mut timer = Timer::until(after(9), &sleeps);
        tokio::select! {
            biased;
            expired = timer.within(pending::<()>()) => panic!("{expired:?}"),
            () = std::future::ready(()) => {}
        }
        drop(timer);
        assert_eq!(began.elapsed().as_secs(), 77);
    }
}
