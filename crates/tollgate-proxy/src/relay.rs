use std::{
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use http_body::{Body as _, Frame};
use tollgate_core::{End, Exchange, Failure};
use tollgate_llm::Output;
use tollgate_net::{Chunks, UpstreamBody};

use crate::{
    Broken, failure,
    timer::{Expired, Timer},
    worker::Worker,
};

/// A reply on its way from a backend to the client. What one read brought leaves as one frame; the request is
/// settled when the last frame is handed over, or when this is dropped before.
#[derive(Debug)]
pub(crate) struct Relay {
    /// `None` once the request is settled.
    exchange: Option<Exchange>,
    upstream: UpstreamBody,
    worker: Rc<Worker>,
    timer: Timer,
    idle: Duration,
    parts: Vec<Bytes>,
    out: Output,
    stage: Stage,
}

/// A relay's parts: what an attempt came to.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) exchange: Exchange,
    pub(crate) upstream: UpstreamBody,
    /// What the client gets first.
    pub(crate) out: Output,
    pub(crate) timer: Timer,
    /// Between two pieces.
    pub(crate) idle: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Pieces that came while the head was held back are to be sent.
    First,
    Open,
    /// The trailers may remain.
    Trailers,
    Over,
    /// It broke: what is left, an error event perhaps, goes out first.
    Last,
    /// That has to be written before the connection is aborted.
    Flush,
    Abort,
}

type Poked = Poll<Option<Result<Frame<Chunks>, Broken>>>;

// === impl Relay ===

impl Relay {
    pub(crate) fn new(worker: &Rc<Worker>, opened: Opened) -> Box<Self> {
        let Opened { exchange, upstream, out, timer, idle } = opened;
        let stage = if out.0.is_empty() { Stage::Open } else { Stage::First };
        let worker = Rc::clone(worker);
        Box::new(Self {
            exchange: Some(exchange),
            upstream,
            worker,
            timer,
            idle,
            parts: Vec::new(),
            out,
            stage,
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poked {
        loop {
            match self.stage {
                Stage::First => {
                    self.stage = Stage::Open;
                    return self.send();
                }
                Stage::Open => {
                    if let Some(frame) = self.poll_open(cx) {
                        return frame;
                    }
                }
                Stage::Trailers => {
                    self.stage = Stage::Over;
                    if let Some(trailers) = self.upstream.take_trailers() {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                }
                Stage::Over => return Poll::Ready(None),
                Stage::Last => {
                    self.stage = Stage::Flush;
                    if !self.out.0.is_empty() {
                        return self.send();
                    }
                }
                Stage::Flush => {
                    // One turn for the connection to write what it holds.
                    self.stage = Stage::Abort;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Stage::Abort => return Poll::Ready(Some(Err(Broken))),
            }
        }
    }

    /// `None`: look at the stage again.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Option<Poked> {
        match self.upstream.poll_chunks(cx, &mut self.parts) {
            Poll::Ready(Some(Ok(()))) => self.pass(),
            Poll::Ready(Some(Err(error))) => {
                self.break_off(failure::upstream(error));
                None
            }
            Poll::Ready(None) => self.finish(),
            Poll::Pending => match self.timer.poll(cx) {
                Poll::Pending => {
                    // A reply of known length is here soon.
                    if let (Some(exchange), None) = (&mut self.exchange, self.upstream.size_hint().exact()) {
                        exchange.stow();
                    }
                    Some(Poll::Pending)
                }
                Poll::Ready(Expired::Phase) => {
                    self.break_off(Failure::Stalled(self.idle));
                    None
                }
                Poll::Ready(Expired::Overall) => {
                    self.expire();
                    None
                }
            },
        }
    }

    /// Reads what has come, and hands it on.
    fn pass(&mut self) -> Option<Poked> {
        let exchange = self.exchange.as_mut()?;
        let now = self.worker.now().instant;
        self.timer.phase(now.checked_add(self.idle));
        let read = self.parts.drain(..).try_for_each(|chunk| exchange.push(chunk, &mut self.out));
        if let Err(fault) = read {
            self.break_off(Failure::Reply(fault));
            return None;
        }
        if self.upstream.is_end_stream() {
            return self.finish();
        }
        if self.out.0.is_empty() { None } else { Some(self.send()) }
    }

    /// The backend is done: hands on the rest, settles.
    fn finish(&mut self) -> Option<Poked> {
        let exchange = self.exchange.as_mut()?;
        if let Err(fault) = exchange.finish(&mut self.out) {
            self.break_off(Failure::Reply(fault));
            return None;
        }
        self.stage = Stage::Trailers;
        let rest = (!self.out.0.is_empty()).then(|| self.send());
        self.settle(End::Complete);
        rest
    }

    fn send(&mut self) -> Poked {
        let chunks: Chunks = self.out.0.drain(..).collect();
        if let Some(exchange) = &mut self.exchange {
            exchange.sent(chunks.remaining());
        }
        Poll::Ready(Some(Ok(Frame::data(chunks))))
    }

    /// Tells the client in its own dialect, then by aborting: a broken reply never ends like a whole one.
    fn break_off(&mut self, failure: Failure) {
        self.parts.clear();
        if let Some(exchange) = &mut self.exchange {
            exchange.break_off(&failure, &mut self.out, self.worker.now());
        }
        self.abort(End::UpstreamBroke(failure));
    }

    fn expire(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            let limit = exchange.record().limit();
            exchange.expire(limit.unwrap_or_default(), &mut self.out);
        }
        self.abort(End::Deadline);
    }

    fn abort(&mut self, end: End) {
        let rest: usize = self.out.0.iter().map(Bytes::len).sum();
        if let Some(exchange) = &mut self.exchange {
            exchange.sent(rest);
        }
        self.stage = Stage::Last;
        self.settle(end);
    }

    fn settle(&mut self, end: End) {
        if let Some(exchange) = self.exchange.take() {
            self.worker.settle(exchange.settle(end, self.worker.now().instant));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let end = self.worker.gone();
        self.settle(end);
    }
}
