use std::{
    cell::RefCell,
    fmt, io,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode, response::Parts};
use http_body::SizeHint;
use tokio::{
    io::{AsyncRead as _, AsyncReadExt as _, ReadBuf},
    time::Instant,
};

use crate::{
    Failure, Payload,
    dial::Transport,
    failure::{Cause, cause},
    h1::{Decoder, Fault, Framing, Malformed, Names, Wire, parse},
};

use super::{Home, exchange::Exchange, slots::Slot};

/// Bytes of one read, and of the buffer for that which all connections of a core share.
const READ: usize = 64 * 1024;

/// A body of known length of which more than this is left is read to where it stays.
const LARGE: u64 = 32 * 1024;

/// Interim responses before the one that counts.
const INTERIM: u8 = 32;

/// What connections read into before they know how much they will keep.
pub(crate) type Scratch = Rc<RefCell<Box<[u8]>>>;

/// One HTTP/1 connection to an upstream.
///
/// It has no task of its own and holds no buffer while nothing is left over: whoever uses it drives it. While it is
/// idle the pool looks after it.
pub(crate) struct Http1 {
    transport: Transport,
    scratch: Scratch,
    names: Rc<RefCell<Names>>,
    /// Read and not used yet: the beginning of a head, or of a line between two chunks.
    rest: Vec<u8>,
    /// Where a large body is read to.
    large: BytesMut,
    /// The request, until it is written and the upstream was heard.
    wire: Option<Wire>,
    stage: Stage,
    /// Data that was read and not yet asked for.
    data: Bytes,
    heard: bool,
    keeps_alive: bool,
    reused: bool,
    served: u32,
    expires: Instant,
    idle_since: Instant,
    max_head: usize,
    slot: Slot,
}

/// What is next of the response.
enum Stage {
    /// Its head, after so many that were no final one.
    Head {
        bodiless: bool,
        interim: u8,
    },
    /// The head is here, and is to be fetched.
    Headed(Box<Parts>, Decoder),
    Body(Decoder),
}

/// What a read brought.
enum Read {
    Bytes,
    End,
}

/// Why there is no response.
enum Lost {
    Io(io::Error),
    Malformed(Malformed),
}

/// A new buffer for the connections of one core.
pub(crate) fn scratch() -> Scratch {
    Rc::new(RefCell::new(vec![0; READ].into()))
}

// === impl Http1 ===

impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("reused", &self.reused).finish_non_exhaustive()
    }
}

impl Http1 {
    pub(crate) fn new(home: &Home, transport: Transport, slot: Slot) -> Box<Self> {
        let now = Instant::now();
        Box::new(Self {
            transport,
            scratch: home.scratch(),
            names: home.names(),
            rest: Vec::new(),
            large: BytesMut::new(),
            wire: None,
            stage: Stage::Body(Decoder::new(Framing::Length(0))),
            data: Bytes::new(),
            heard: false,
            keeps_alive: true,
            reused: false,
            served: 0,
            expires: now + home.lifetime(),
            idle_since: now,
            max_head: usize::try_from(home.settings().max_header_bytes).unwrap_or(usize::MAX),
            slot,
        })
    }

    /// True where the connection can take a request: the upstream has neither closed it nor said anything unasked.
    /// As long as nothing has come this costs no system call.
    pub(crate) fn is_usable(&mut self, now: Instant, idle_timeout: Duration) -> bool {
        let mut byte = [0];
        let read = Pin::new(&mut self.transport)
            .poll_read(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut byte));
        read.is_pending() && now < self.expires && now < self.idle_since + idle_timeout
    }

    /// Takes a request, which goes out when the exchange is polled.
    #[inline]
    pub(crate) fn exchange(self: Box<Self>, home: Rc<Home>, request: Request<Payload>) -> Exchange {
        let wire = Wire::new(request, home.origin());
        self.carry(home, wire)
    }

    /// As [`Http1::exchange`].
    #[inline]
    pub(crate) fn carry(mut self: Box<Self>, home: Rc<Home>, wire: Wire) -> Exchange {
        self.heard = false;
        self.stage = Stage::Head { bodiless: wire.bodiless, interim: 0 };
        self.wire = Some(wire);
        Exchange::Http1 { connection: Some(self), home }
    }

    /// The request that was not answered, where it can be sent again.
    pub(crate) fn take_wire(&mut self) -> Option<Wire> {
        self.wire.take().and_then(Wire::again)
    }

    /// Writes the request and waits for the head of the response.
    pub(crate) fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<Parts, Failure>> {
        self.write(cx)?;
        loop {
            match ready!(self.poll_read(cx)) {
                Ok(Read::Bytes) => {}
                Ok(Read::End) => {
                    return Poll::Ready(Err(self.unanswered(cause("the connection was closed"))));
                }
                Err(Lost::Io(error)) => return Poll::Ready(Err(self.unanswered(Arc::new(error)))),
                Err(Lost::Malformed(fault)) => return Poll::Ready(Err(Failure::Protocol(Arc::new(fault)))),
            }
            if let Some(parts) = self.take_head() {
                return Poll::Ready(Ok(parts));
            }
        }
    }

    fn take_head(&mut self) -> Option<Parts> {
        let stage = std::mem::replace(&mut self.stage, Stage::Head { bodiless: false, interim: 0 });
        match stage {
            Stage::Headed(parts, decoder) => {
                self.stage = Stage::Body(decoder);
                self.forget_written();
                Some(*parts)
            }
            other => {
                self.stage = other;
                None
            }
        }
    }

    fn unanswered(&self, cause: Cause) -> Failure {
        if self.reused && !self.heard { Failure::StaleConnection } else { Failure::Reset(cause) }
    }

    /// The next data of the body. `None` is its end.
    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            if !self.data.is_empty() {
                return Poll::Ready(Some(Ok(std::mem::take(&mut self.data))));
            }
            let Stage::Body(decoder) = &mut self.stage else { return Poll::Ready(None) };
            if let Some(fault) = decoder.fault() {
                return Poll::Ready(Some(Err(Failure::Interrupted(Arc::new(fault)))));
            }
            if decoder.is_done() {
                return Poll::Ready(None);
            }
            if let Err(failure) = self.write(cx) {
                return Poll::Ready(Some(Err(failure)));
            }
            let interrupted = match ready!(self.poll_read(cx)) {
                Ok(Read::Bytes) => continue,
                Ok(Read::End) if self.may_end() => return Poll::Ready(None),
                Ok(Read::End) => {
                    Failure::Interrupted(cause("the connection was closed in the middle of the body"))
                }
                Err(Lost::Io(error)) => Failure::Interrupted(Arc::new(error)),
                Err(Lost::Malformed(fault)) => Failure::Interrupted(Arc::new(fault)),
            };
            return Poll::Ready(Some(Err(interrupted)));
        }
    }

    /// The connection has ended: true where that is the end of the body.
    fn may_end(&mut self) -> bool {
        match &mut self.stage {
            Stage::Body(decoder) => decoder.ended(),
            Stage::Head { .. } | Stage::Headed(..) => false,
        }
    }

    /// True where no more of the response is to come than [`Http1::take_data`] gives.
    pub(crate) fn is_read(&self) -> bool {
        matches!(&self.stage, Stage::Body(decoder) if decoder.is_done())
    }

    /// Data that came with what was read last.
    pub(crate) fn take_data(&mut self) -> Bytes {
        std::mem::take(&mut self.data)
    }

    /// What is left of the body.
    pub(crate) fn size_hint(&self) -> SizeHint {
        let Stage::Body(decoder) = &self.stage else { return SizeHint::default() };
        let here = self.data.len() as u64;
        decoder.left().map_or_else(SizeHint::default, |left| SizeHint::with_exact(left + here))
    }

    pub(crate) fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        let Stage::Body(decoder) = &mut self.stage else { return None };
        decoder.take_trailers()
    }

    /// The transport of a connection that has switched protocols, and what was read too much of it.
    pub(crate) fn into_tunnel(self) -> (Transport, Bytes, Slot) {
        (self.transport, self.rest.into(), self.slot)
    }

    /// The response has been read to its end: keeps the connection where it can be used again.
    pub(crate) fn release(mut self: Box<Self>, home: &Home) {
        let written = self.wire.as_ref().is_none_or(Wire::is_written);
        if !(self.keeps_alive && written && self.rest.is_empty() && self.is_read()) {
            return;
        }
        self.wire = None;
        self.large = BytesMut::new();
        self.idle_since = home.now();
        self.reused = true;
        self.served = self.served.saturating_add(1);
        if self.idle_since < self.expires && self.served < home.settings().max_requests {
            home.keep(self);
        }
    }

    /// Writes what can be written now. Where the upstream takes nothing more it may still have answered.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let Some(wire) = &mut self.wire else { return Ok(()) };
        match wire.poll(&mut self.transport, cx) {
            Poll::Ready(Err(Fault::Body(cause))) => return Err(Failure::Request(cause)),
            Poll::Ready(Err(Fault::Connection(error))) => {
                self.keeps_alive = false;
                tracing::debug!(error = &error as &dyn std::error::Error, "request not taken");
            }
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        self.forget_written();
        Ok(())
    }

    /// A prompt need not be held while its answer is read.
    fn forget_written(&mut self) {
        if matches!(self.stage, Stage::Body(_)) && self.wire.as_ref().is_some_and(Wire::is_written) {
            self.wire = None;
        }
    }

    /// Reads once, and takes what it brought.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Read, Lost>> {
        let large = match &self.stage {
            Stage::Body(decoder) if self.rest.is_empty() => decoder.left().filter(|left| *left > LARGE),
            _ => None,
        };
        let outcome = match large {
            Some(left) => self.poll_read_large(left, cx).map_err(Lost::Io),
            None => self.poll_read_small(cx),
        };
        // Nothing will come where the request did not get through.
        if outcome.is_pending() && self.wire.as_ref().is_some_and(Wire::has_failed) {
            return Poll::Ready(Ok(Read::End));
        }
        outcome
    }

    fn poll_read_large(&mut self, left: u64, cx: &mut Context<'_>) -> Poll<io::Result<Read>> {
        let room = usize::try_from(left).unwrap_or(READ).min(READ);
        if self.large.capacity() < room.min(READ / 4) {
            self.large = BytesMut::with_capacity(room);
        }
        let most = room.min(self.large.capacity());
        let mut limited = bytes::BufMut::limit(&mut self.large, most);
        let count = ready!(pin!(self.transport.read_buf(&mut limited)).poll(cx))?;
        if count == 0 {
            return Poll::Ready(Ok(Read::End));
        }
        if let Stage::Body(decoder) = &mut self.stage {
            decoder.passed(count);
        }
        self.data = self.large.split().freeze();
        Poll::Ready(Ok(Read::Bytes))
    }

    fn poll_read_small(&mut self, cx: &mut Context<'_>) -> Poll<Result<Read, Lost>> {
        let scratch = Rc::clone(&self.scratch);
        let mut scratch = scratch.borrow_mut();
        let mut buf = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buf)).map_err(Lost::Io)?;
        let fresh = buf.filled();
        if fresh.is_empty() {
            return Poll::Ready(Ok(Read::End));
        }
        self.heard = true;
        if self.rest.is_empty() {
            let used = self.take(fresh).map_err(Lost::Malformed)?;
            self.rest.extend_from_slice(&fresh[used..]);
        } else {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(fresh);
            let used = self.take(&rest).map_err(Lost::Malformed)?;
            rest.drain(..used);
            self.rest = rest;
        }
        Poll::Ready(Ok(Read::Bytes))
    }

    /// Takes bytes of the response; how many of them were used.
    fn take(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let mut used = 0;
        while let Stage::Head { bodiless, interim } = self.stage {
            let Some(head) = parse(&input[used..], bodiless, &mut self.names.borrow_mut())? else {
                let too_long = input.len() - used > self.max_head;
                return if too_long { Err(Malformed("the response's head is too long")) } else { Ok(used) };
            };
            if head.length > self.max_head {
                return Err(Malformed("the response's head is too long"));
            }
            used += head.length;
            let status = head.parts.status;
            if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                if interim == INTERIM {
                    return Err(Malformed("there are too many interim responses"));
                }
                self.stage = Stage::Head { bodiless, interim: interim + 1 };
                continue;
            }
            self.keeps_alive &= head.keeps_alive && status != StatusCode::SWITCHING_PROTOCOLS;
            self.stage = Stage::Headed(Box::new(head.parts), Decoder::new(head.framing));
        }
        if let Stage::Headed(_, decoder) | Stage::Body(decoder) = &mut self.stage
            && used < input.len()
        {
            let (count, data) = decoder.push(&input[used..]);
            used += count;
            self.data = data;
        }
        Ok(used)
    }
}
