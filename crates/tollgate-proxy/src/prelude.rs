use std::{future::pending, rc::Rc};

use tollgate_core::{Plan, Prelude, Refusal};

use crate::{
    forward::Client,
    serve,
    timer::{Expired, Timer},
    worker::Worker,
};

/// Why no backend is asked.
pub(crate) enum Stop {
    Refused(Refusal),
    Expired,
}

/// Does what the policy wants done first: waits, fails on purpose, reads the client's body.
pub(crate) async fn run(
    worker: &Rc<Worker>,
    (plan, prelude): (&mut Plan, Prelude),
    client: &mut Client,
    timer: &mut Timer,
) -> Result<(), Stop> {
    let Prelude { delay, abort, buffer } = prelude;
    if let Some(delay) = delay {
        timer.phase(worker.now().instant.checked_add(delay));
        if let Err(Expired::Overall) = timer.within(pending::<()>()).await {
            return Err(Stop::Expired);
        }
    }
    if let Some(abort) = abort {
        return Err(Stop::Refused(abort.into()));
    }
    let Some(limit) = buffer else { return Ok(()) };
    let Some(body) = client.body.take() else {
        // It was read for routing.
        return match plan.record().bytes_in {
            read if read > limit as u64 => Err(Stop::Refused(Refusal::TooLarge(limit))),
            _ => Ok(()),
        };
    };
    let patience = worker.options().body_timeout;
    timer.phase(worker.now().instant.checked_add(patience));
    let refusal = match timer.within(body.into_inbound().collect(limit)).await {
        Ok(Ok(body)) => {
            plan.hold(body);
            return Ok(());
        }
        Ok(Err(error)) => serve::broken_body(worker, &error),
        Err(Expired::Phase) => Refusal::SlowBody(patience),
        Err(Expired::Overall) => return Err(Stop::Expired),
    };
    Err(Stop::Refused(refusal))
}
