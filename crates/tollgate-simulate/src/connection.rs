use std::{io, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Behaviour, Fault,
    encode::{self, Compressor, Ending, chunk, distort, odd_event},
    events::Events,
    openai::realtime::{self, Said, Session},
    reply::{Body, Provider},
    request::{Framing, Head, MAX_HEAD, Request, dechunk},
    route::{self, Exchange},
    state::{Gauge, State, since_1970},
    text::STAMP,
};

/// A connection on which nothing arrives for so long is closed.
const IDLE: Duration = Duration::from_secs(600);
/// A reply that stalls is given up then.
const STALL: Duration = Duration::from_secs(3600);
/// Bytes gathered before an unpaced stream writes.
const GATHER: usize = 128 * 1024;

/// One client's connection: reads a request, plays its reply, and again.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    state: Arc<State>,
    buffer: BytesMut,
    out: Vec<u8>,
}

/// What follows a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Request,
    Close,
    Reset,
}

/// What ends a body early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Reset,
    Cut,
    Stall,
    Close,
    BadChunk,
}

// === impl Connection ===

impl Connection {
    pub(crate) fn new(stream: TcpStream, state: Arc<State>) -> Self {
        Self { stream, state, buffer: BytesMut::with_capacity(4096), out: Vec::with_capacity(4096) }
    }

    /// Serves until either side has had enough. Errors are the client's leaving; nobody needs them.
    pub(crate) async fn serve(mut self) {
        let state = self.state.clone();
        let _open = Gauge::raise(&state.open_connections);
        state.connections.fetch_add(1, Relaxed);
        // A reply that waits for an acknowledgement would look like a slow provider.
        let _ = self.stream.set_nodelay(true);
        loop {
            let next = match self.exchange().await {
                Ok(Some((exchange, keep_alive))) => self.reply(exchange, keep_alive).await,
                Ok(None) | Err(_) => return,
            };
            match next {
                Ok(Next::Request) => {}
                Ok(Next::Close) => {
                    let _ = self.stream.shutdown().await;
                    return;
                }
                Ok(Next::Reset) => {
                    let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
                    return;
                }
                Err(_) => {
                    state.aborted.fetch_add(1, Relaxed);
                    return;
                }
            }
        }
    }

    /// The answer to the next request, and whether the connection may live on. `None` at its end.
    async fn exchange(&mut self) -> io::Result<Option<(Exchange, bool)>> {
        let bad = |status, message| {
            let reply = route::refusal(Provider::OpenAi, status, message);
            Ok(Some((Exchange::plain(reply), false)))
        };
        let head = loop {
            match Head::find(&self.buffer) {
                Ok(Some(head)) => break head,
                Ok(None) if self.buffer.len() > MAX_HEAD => return bad(431, "request head too large"),
                Ok(None) => {}
                Err(_) => return bad(400, "not an HTTP/1.1 request"),
            }
            if self.read().await? == 0 {
                return Ok(None);
            }
        };
        let most = self.state.options.max_body;
        if matches!(head.body, Framing::Length(length) if length > most) {
            return bad(413, "request body too large");
        }
        let mut told = !head.expects_continue;
        let (body, end) = loop {
            let rest = &self.buffer[head.len..];
            match head.body {
                Framing::Length(length) if rest.len() >= length => break (None, head.len + length),
                Framing::Length(length) => self.buffer.reserve(head.len + length - self.buffer.len()),
                Framing::Chunked => match dechunk(rest) {
                    Ok(Some((body, used))) => break (Some(body), head.len + used),
                    Ok(None) if rest.len() > most => return bad(413, "request body too large"),
                    Ok(None) => {}
                    Err(_) => return bad(400, "bad chunk"),
                },
            }
            if !told {
                told = true;
                self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            if self.read().await? == 0 {
                return Ok(None);
            }
        };
        let body = body.as_deref().unwrap_or(&self.buffer[head.len..end]);
        let exchange = route::answer(&Request::new(&self.buffer[..head.len], body), &self.state);
        self.buffer.advance(end);
        Ok(Some((exchange, head.keep_alive)))
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.buffer.reserve(4096);
        timeout(IDLE, self.stream.read_buf(&mut self.buffer)).await.unwrap_or(Ok(0))
    }

    async fn reply(&mut self, mut exchange: Exchange, keep_alive: bool) -> io::Result<Next> {
        let state = self.state.clone();
        let _load = exchange.is_call.then(|| Gauge::raise(&state.in_flight));
        match exchange.behaviour.fault {
            Some(Fault::NeverAnswer) => return self.stall().await,
            Some(Fault::CloseBefore) => return Ok(Next::Close),
            Some(Fault::ResetBefore) => return Ok(Next::Reset),
            Some(_) => distort(&mut exchange),
            None => {}
        }
        self.pause(exchange.behaviour.header_delay()).await?;
        let until_close = exchange.behaviour.fault == Some(Fault::UntilClose);
        let keep_alive =
            keep_alive && !until_close && exchange.behaviour.fault != Some(Fault::ConnectionClose);
        let body = std::mem::replace(&mut exchange.reply.body, Body::Whole(Vec::new()));
        let next = match body {
            Body::Whole(body) => self.whole(&exchange, body, keep_alive).await?,
            Body::Events(events) => self.events(&exchange, &events, keep_alive).await?,
            Body::Socket(accept) => self.session(&exchange.model, &accept).await?,
        };
        Ok(if next == Next::Request && !keep_alive { Next::Close } else { next })
    }

    async fn whole(&mut self, exchange: &Exchange, mut body: Vec<u8>, keep_alive: bool) -> io::Result<Next> {
        let behaviour = &exchange.behaviour;
        let tokens = u32::try_from(exchange.reply.usage.output).unwrap_or(u32::MAX);
        self.pause(behaviour.first_token() + behaviour.interval().saturating_mul(tokens)).await?;
        if behaviour.stamp == Some(true) {
            stamp(&mut body);
        }
        if let Some(encoding) = behaviour.encoding {
            let mut compressor = Compressor::new(encoding);
            body = compressor.push(&body);
            body.extend(compressor.finish());
        }
        let stop = stop(behaviour.fault);
        let ending = match behaviour.fault {
            Some(Fault::UntilClose) => Ending::Close,
            Some(Fault::BadChunk) => Ending::Chunks,
            _ => Ending::Length(body.len()),
        };
        self.out.clear();
        encode::head(exchange, (ending, keep_alive), &self.state, &mut self.out);
        let Some(stop) = stop else {
            self.out.extend_from_slice(&body);
            self.flush().await?;
            return Ok(Next::Request);
        };
        let part = behaviour.after.map_or(body.len() / 2, |after| body.len().min(after as usize));
        if ending == Ending::Chunks {
            chunk(&body[..part], &mut self.out);
        } else {
            self.out.extend_from_slice(&body[..part]);
        }
        self.stop(stop).await
    }

    async fn events(&mut self, exchange: &Exchange, events: &Events, keep_alive: bool) -> io::Result<Next> {
        let behaviour = &exchange.behaviour;
        let (fault, after) = (behaviour.fault, behaviour.after.unwrap_or(0) as usize);
        let until_close = fault == Some(Fault::UntilClose);
        let ending = if until_close { Ending::Close } else { Ending::Chunks };
        let mut compressor = behaviour.encoding.map(Compressor::new);
        self.out.clear();
        encode::head(exchange, (ending, keep_alive), &self.state, &mut self.out);
        let (first, interval) = (behaviour.first_token(), behaviour.interval());
        let stop = stop(fault);
        let breaks_at_once = stop.is_some() && after == 0;
        if !first.is_zero() && !breaks_at_once {
            self.flush().await?;
            self.pause(first).await?;
        }
        let mut due = Instant::now();
        let mut event = Vec::with_capacity(256);
        for index in 0..events.len() {
            if let Some(stop) = stop.filter(|_| index >= after) {
                return self.stop(stop).await;
            }
            if !interval.is_zero() && events.is_paced(index) {
                self.flush().await?;
                due += interval;
                self.pause_until(due).await?;
            }
            event.clear();
            if let (true, Some(fault @ (Fault::BadEvent | Fault::Malformed | Fault::EmptyChoices))) =
                (index == after, fault)
            {
                event.extend(odd_event(fault, exchange.provider));
            }
            events.write(index, &mut event);
            frame(&mut event, events, behaviour);
            let squeezed = compressor.as_mut().map(|compressor| compressor.push(&event));
            let bytes = squeezed.as_deref().unwrap_or(&event);
            if until_close {
                self.out.extend_from_slice(bytes);
            } else {
                chunk(bytes, &mut self.out);
            }
            if self.out.len() > GATHER {
                self.flush().await?;
            }
        }
        if let Some(stop) = stop {
            return self.stop(stop).await;
        }
        let rest = compressor.map(Compressor::finish).unwrap_or_default();
        if until_close {
            self.out.extend_from_slice(&rest);
        } else {
            chunk(&rest, &mut self.out);
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        self.flush().await?;
        Ok(Next::Request)
    }

    /// A realtime session up to its end.
    async fn session(&mut self, model: &str, accept: &str) -> io::Result<Next> {
        let mut session = Session::new(model, &self.state);
        self.out.clear();
        let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n";
        self.out.extend_from_slice(format!("{head}sec-websocket-accept: {accept}\r\n\r\n").as_bytes());
        session.open(&mut self.out);
        loop {
            self.flush().await?;
            let (said, used) = match realtime::frame(&self.buffer) {
                Ok(Some(frame)) => frame,
                Ok(None) if self.read().await? == 0 => return Ok(Next::Close),
                Ok(None) => continue,
                Err(()) => return Ok(Next::Close),
            };
            self.buffer.advance(used);
            match said {
                Said::Text(text) => session.take(&text, &mut self.out),
                Said::Ping(data) => realtime::send(0x0a, &data, &mut self.out),
                Said::Close => {
                    realtime::send(0x08, &1000_u16.to_be_bytes(), &mut self.out);
                    self.flush().await?;
                    return Ok(Next::Close);
                }
                Said::Nothing => {}
            }
        }
    }

    /// Sends what there is, then breaks.
    async fn stop(&mut self, stop: Stop) -> io::Result<Next> {
        match stop {
            Stop::BadChunk => self.out.extend_from_slice(b"zz\r\n"),
            Stop::Close => self.out.extend_from_slice(b"0\r\n\r\n"),
            Stop::Reset | Stop::Cut | Stop::Stall => {}
        }
        self.flush().await?;
        match stop {
            Stop::Stall => self.stall().await,
            Stop::Reset => {
                // What was sent is lost with the reset unless the other side has taken it by then.
                self.pause(Duration::from_millis(20)).await?;
                Ok(Next::Reset)
            }
            Stop::Cut | Stop::Close | Stop::BadChunk => Ok(Next::Close),
        }
    }

    async fn stall(&mut self) -> io::Result<Next> {
        self.pause(STALL).await?;
        Ok(Next::Close)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let sent = self.stream.write_all(&self.out).await;
        self.out.clear();
        sent
    }

    async fn pause(&mut self, time: Duration) -> io::Result<()> {
        if time.is_zero() { Ok(()) } else { self.pause_until(Instant::now() + time).await }
    }

    /// Waits, and notices meanwhile that the client leaves.
    async fn pause_until(&mut self, due: Instant) -> io::Result<()> {
        loop {
            if self.buffer.len() > MAX_HEAD {
                sleep_until(due).await;
                return Ok(());
            }
            tokio::select! {
                () = sleep_until(due) => return Ok(()),
                read = self.stream.read_buf(&mut self.buffer) => if read? == 0 {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                },
            }
        }
    }
}

/// The end that a fault puts to a body, when it does.
const fn stop(fault: Option<Fault>) -> Option<Stop> {
    match fault {
        Some(Fault::Reset) => Some(Stop::Reset),
        Some(Fault::Cut | Fault::Truncate) => Some(Stop::Cut),
        Some(Fault::Close) => Some(Stop::Close),
        Some(Fault::Stall) => Some(Stop::Stall),
        Some(Fault::BadChunk) => Some(Stop::BadChunk),
        _ => None,
    }
}

/// Makes what is sent of an event's text.
fn frame(event: &mut Vec<u8>, events: &Events, behaviour: &Behaviour) {
    if behaviour.stamp == Some(true) {
        stamp(event);
    }
    events.framing.apply(event);
}

/// Replaces the first stamp in `bytes` by the time.
fn stamp(bytes: &mut [u8]) {
    if let Some(at) = memmem::find(bytes, STAMP.as_bytes()) {
        let now = format!("@{:016}", since_1970().as_micros());
        if now.len() == STAMP.len() {
            bytes[at..at + STAMP.len()].copy_from_slice(now.as_bytes());
        }
    }
}
