use std::{
    ops::{Deref, DerefMut},
    rc::Rc,
};

use crate::{Asking, AwaitingBody, AwaitingForm, Now, Plan, Received, Record, Routed, Settled};

/// A stage that is held while something is waited for. Where the client leaves meanwhile this is dropped, and the
/// request is settled all the same.
#[derive(Debug)]
pub struct InHand<T: Unfinished, L: Ledger> {
    stage: Option<T>,
    ledger: L,
}

/// A stage that can end without a reply.
pub trait Unfinished {
    /// Gives up without a reply.
    fn into_record(self) -> Box<Record>;
}

/// Whoever takes requests that have ended: the host.
pub trait Ledger {
    /// The time.
    fn now(&self) -> Now;
    /// Takes a request that has ended.
    fn settle(&self, settled: Settled);
}

// === impl InHand ===

impl<T: Unfinished, L: Ledger + Clone> InHand<T, L> {
    /// Holds the stage.
    pub fn new(ledger: &L, stage: T) -> Self {
        Self { stage: Some(stage), ledger: ledger.clone() }
    }

    /// Gives the stage back, since the wait is over.
    #[must_use]
    pub fn release(mut self) -> T {
        self.stage.take().expect("a stage leaves by value, so it leaves once")
    }
}

impl<T: Unfinished, L: Ledger> Deref for InHand<T, L> {
    type Target = T;

    fn deref(&self) -> &T {
        self.stage.as_ref().expect("a stage leaves by value, so it is here")
    }
}

impl<T: Unfinished, L: Ledger> DerefMut for InHand<T, L> {
    fn deref_mut(&mut self) -> &mut T {
        self.stage.as_mut().expect("a stage leaves by value, so it is here")
    }
}

impl<T: Unfinished, L: Ledger> Drop for InHand<T, L> {
    fn drop(&mut self) {
        if let Some(stage) = self.stage.take() {
            let now = self.ledger.now().instant;
            self.ledger.settle(stage.into_record().abandon(now));
        }
    }
}

// === impl Ledger ===

impl<L: Ledger> Ledger for Rc<L> {
    fn now(&self) -> Now {
        (**self).now()
    }

    fn settle(&self, settled: Settled) {
        (**self).settle(settled);
    }
}

// === impl Unfinished ===

impl Unfinished for AwaitingBody {
    fn into_record(self) -> Box<Record> {
        self.into_record()
    }
}

impl Unfinished for AwaitingForm {
    fn into_record(self) -> Box<Record> {
        self.into_record()
    }
}

impl Unfinished for Plan {
    fn into_record(self) -> Box<Record> {
        self.into_record()
    }
}

impl<T: Unfinished> Unfinished for Box<T> {
    fn into_record(self) -> Box<Record> {
        (*self).into_record()
    }
}

impl Unfinished for Asking<Received> {
    fn into_record(self) -> Box<Record> {
        self.into_record()
    }
}

impl Unfinished for Asking<Routed> {
    fn into_record(self) -> Box<Record> {
        self.into_record()
    }
}
