use std::{
    ops::{Deref, DerefMut},
    rc::Rc,
};

use tollgate_core::{Asking, AwaitingBody, AwaitingForm, Plan, Received, Record, Routed};

use crate::worker::Worker;

/// A stage that is held while something is waited for. Where the client leaves meanwhile this is dropped, and the
/// request is settled all the same.
#[derive(Debug)]
pub(crate) struct InHand<T: Unfinished> {
    stage: Option<T>,
    worker: Rc<Worker>,
}

/// A stage that can end without a reply.
pub(crate) trait Unfinished {
    fn into_record(self) -> Box<Record>;
}

// === impl InHand ===

impl<T: Unfinished> InHand<T> {
    pub(crate) fn new(worker: &Rc<Worker>, stage: T) -> Self {
        Self { stage: Some(stage), worker: Rc::clone(worker) }
    }

    pub(crate) fn release(mut self) -> T {
        self.stage.take().expect("a stage leaves by value, so it leaves once")
    }
}

impl<T: Unfinished> Deref for InHand<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.stage.as_ref().expect("a stage leaves by value, so it is here")
    }
}

impl<T: Unfinished> DerefMut for InHand<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.stage.as_mut().expect("a stage leaves by value, so it is here")
    }
}

impl<T: Unfinished> Drop for InHand<T> {
    fn drop(&mut self) {
        if let Some(stage) = self.stage.take() {
            let now = self.worker.now().instant;
            self.worker.settle(stage.into_record().abandon(now));
        }
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
