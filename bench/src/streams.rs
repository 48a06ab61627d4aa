//! Many streams held open at the pace of a model, each frame timed by the stamp in it.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{
    task::LocalSet,
    time::{Instant as Deadline, sleep, sleep_until, timeout},
};

use crate::{
    histogram::Histogram,
    load::{Client, Target},
};

/// The digits of a stamp, behind its `@`: microseconds since 1970.
const DIGITS: usize = 16;

/// What holding streams measured.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// From the sending of the request to the arrival of the first token.
    pub(crate) first: Histogram,
    /// From the sending of a frame by the simulator to its arrival.
    pub(crate) frame: Histogram,
    /// Streams open at the end.
    pub(crate) open: usize,
    pub(crate) errors: u64,
}

/// How many streams, opened over `ramp` and held for `time` after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) streams: usize,
    pub(crate) ramp: Duration,
    pub(crate) time: Duration,
}

/// Holds the streams, each renewed when it ends, and calls `at_end` while they are still open.
/// Only what happens after the ramp is measured.
pub(crate) async fn hold<T>(target: &Target, hold: Hold, at_end: impl FnOnce() -> T) -> (Held, T) {
    let held = Held { first: Histogram::new(), frame: Histogram::new(), open: 0, errors: 0 };
    let held = Rc::new(RefCell::new(held));
    let local = LocalSet::new();
    let begin = Instant::now();
    for index in 0..hold.streams {
        let share = index as f64 / hold.streams as f64;
        let start = begin + hold.ramp.mul_f64(share);
        local.spawn_local(one(target.clone(), held.clone(), (start, begin + hold.ramp)));
    }
    let extra = local.run_until(async {
        sleep(hold.ramp + hold.time).await;
        at_end()
    });
    let extra = extra.await;
    let result = held.borrow().clone();
    // Dropping the tasks closes the connections in the middle of their streams.
    drop(local);
    (result, extra)
}

async fn one(target: Target, held: Rc<RefCell<Held>>, (start, measure_from): (Instant, Instant)) {
    sleep_until(Deadline::from_std(start)).await;
    let mut client = Client::new(4 * 1024);
    loop {
        let sent = Instant::now();
        let mut first = true;
        let exchange = client.exchange(&target, |part| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let mut held = held.borrow_mut();
            for stamp in stamps(part) {
                let measured = Instant::now() >= measure_from;
                if first {
                    first = false;
                    held.open += 1;
                    if measured && sent >= measure_from {
                        held.first.add(sent.elapsed());
                    }
                }
                if measured {
                    held.frame.add(now.saturating_sub(Duration::from_micros(stamp)));
                }
            }
        });
        let result = timeout(Duration::from_secs(600), exchange).await;
        let broken = !matches!(result, Ok(Ok(200))) || first;
        {
            let mut held = held.borrow_mut();
            held.open -= usize::from(!first);
            held.errors += u64::from(broken);
        }
        if broken {
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The stamps in a piece of a body. One that is cut in two is passed over.
fn stamps(bytes: &[u8]) -> impl Iterator<Item = u64> {
    memchr::memchr_iter(b'@', bytes).filter_map(|at| {
        let digits = bytes.get(at + 1..at + 1 + DIGITS)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_found_among_other_text() {
        let bytes = b"{\"a\":\"@1700000000000001\"} x@y {\"@1700000000000002\"} @17000";
        assert_eq!(stamps(bytes).collect::<Vec<_>>(), [1_700_000_000_000_001, 1_700_000_000_000_002]);
    }
}
