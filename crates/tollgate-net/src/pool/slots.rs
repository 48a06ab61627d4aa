use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::Failure;

use super::Http1;

/// Bounds the connections of one origin, and the queue of those who wait for one.
#[derive(Debug)]
pub(crate) struct Slots {
    max_open: usize,
    max_waiting: usize,
    open: Cell<usize>,
    waiting: RefCell<VecDeque<oneshot::Sender<Handover>>>,
}

/// The right to have one open connection.
#[derive(Debug)]
pub(crate) struct Slot(Rc<Slots>);

/// What somebody who waited gets.
#[derive(Debug)]
pub(crate) enum Handover {
    /// May dial.
    Slot(Slot),
    /// May use this connection.
    Connection(Box<Http1>),
    /// A stream of some HTTP/2 connection has become free.
    Stream,
}

// === impl Slots ===

impl Slots {
    pub(crate) fn new(max_open: usize, max_waiting: usize) -> Rc<Self> {
        Rc::new(Self { max_open, max_waiting, open: Cell::new(0), waiting: RefCell::default() })
    }

    pub(crate) fn open(&self) -> usize {
        self.open.get()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.borrow().iter().filter(|waiter| !waiter.is_closed()).count()
    }

    /// A slot at once, or whatever is given up first within `limit`.
    pub(crate) async fn take(self: &Rc<Self>, limit: Duration) -> Result<Handover, Failure> {
        if self.open.get() < self.max_open {
            self.open.set(self.open.get() + 1);
            return Ok(Handover::Slot(Slot(Rc::clone(self))));
        }
        let receiver = {
            let mut waiting = self.waiting.borrow_mut();
            if waiting.len() >= self.max_waiting {
                waiting.retain(|waiter| !waiter.is_closed());
            }
            if waiting.len() >= self.max_waiting {
                return Err(Failure::Overflow);
            }
            let (sender, receiver) = oneshot::channel();
            waiting.push_back(sender);
            receiver
        };
        match timeout(limit, receiver).await {
            Ok(Ok(handover)) => Ok(handover),
            Ok(Err(_)) | Err(_) => Err(Failure::Overflow),
        }
    }

    /// Gives a connection to the first who waits; back where nobody does.
    pub(crate) fn hand_over(&self, connection: Box<Http1>) -> Option<Box<Http1>> {
        let Some(waiter) = self.next_waiter() else { return Some(connection) };
        match waiter.send(Handover::Connection(connection)) {
            Err(Handover::Connection(connection)) => Some(connection),
            Ok(()) | Err(Handover::Slot(_) | Handover::Stream) => None,
        }
    }

    /// Tells the first who waits that a stream is free.
    pub(crate) fn stream_freed(&self) {
        if let Some(waiter) = self.next_waiter() {
            // Nothing ran since the waiter was found open.
            drop(waiter.send(Handover::Stream));
        }
    }

    fn next_waiter(&self) -> Option<oneshot::Sender<Handover>> {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(waiter) = waiting.pop_front() {
            if !waiter.is_closed() {
                return Some(waiter);
            }
        }
        None
    }
}

// === impl Slot ===

impl Slot {
    pub(crate) fn slots(&self) -> Rc<Slots> {
        Rc::clone(&self.0)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        match self.0.next_waiter() {
            // Nothing ran since the waiter was found open, so it takes the slot over, and the count stays.
            Some(waiter) => drop(waiter.send(Handover::Slot(Self(Rc::clone(&self.0))))),
            None => self.0.open.set(self.0.open.get() - 1),
        }
    }
}
