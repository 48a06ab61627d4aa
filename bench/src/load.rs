//! Closed loops (as fast as the answers come) and open loops (at a fixed rate, whatever the answers do).
#![expect(clippy::disallowed_types, reason = "one list, held for a push or a pop by two threads")]

use std::{
    cell::RefCell,
    io::{self, Write as _},
    net::{SocketAddr, TcpStream as Blocking},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinSet, LocalSet},
    time::timeout,
};

use crate::{
    histogram::Histogram,
    http::{Progress, Reader},
};

/// A reply that takes longer is an error.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where to send, and exactly what.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Head and body.
    pub(crate) request: Arc<[u8]>,
}

/// What a run measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) latency: Histogram,
    /// Replies that were broken, late or no 200.
    pub(crate) errors: u64,
    pub(crate) elapsed: Duration,
}

/// One keep-alive connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: Option<TcpStream>,
    reader: Reader,
    buffer: Vec<u8>,
}

// === impl Measured ===

impl Measured {
    fn new() -> Self {
        Self { latency: Histogram::new(), errors: 0, elapsed: Duration::ZERO }
    }

    /// Good replies a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latency.count() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

// === impl Client ===

impl Client {
    pub(crate) fn new(buffer: usize) -> Self {
        Self { stream: None, reader: Reader::default(), buffer: vec![0; buffer] }
    }

    /// Sends the request and reads the whole reply; `body` gets its parts as they arrive.
    pub(crate) async fn exchange(&mut self, target: &Target, body: impl FnMut(&[u8])) -> io::Result<u16> {
        let result = self.attempt(target, body).await;
        if result.is_err() || !self.reader.keeps_alive() {
            self.stream = None;
            self.reader = Reader::default();
        }
        result
    }

    async fn attempt(&mut self, target: &Target, mut body: impl FnMut(&[u8])) -> io::Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(target.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(&target.request).await?;
        loop {
            let count = stream.read(&mut self.buffer).await?;
            let progress = match count {
                0 => self.reader.end(),
                _ => self.reader.push(&self.buffer[..count], &mut body),
            };
            match progress {
                Progress::More => {}
                Progress::Done => break,
                Progress::Bad => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        self.stream = Some(stream);
        Ok(self.reader.status)
    }
}

/// Sends one request and gives back status and body.
pub(crate) async fn once(target: &Target) -> io::Result<(u16, Vec<u8>)> {
    let mut body = Vec::new();
    let mut client = Client::new(64 * 1024);
    let status = timeout(PATIENCE, client.exchange(target, |part| body.extend_from_slice(part))).await??;
    Ok((status, body))
}

/// `connections` clients, each sending its next request when its reply is complete.
pub(crate) async fn closed(target: &Target, connections: usize, time: Duration) -> Measured {
    let start = Instant::now();
    let end = start + time;
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let target = target.clone();
        clients.spawn(async move {
            let mut measured = Measured::new();
            let mut client = Client::new(64 * 1024);
            while Instant::now() < end {
                let sent = Instant::now();
                match timeout(PATIENCE, client.exchange(&target, |_| {})).await {
                    Ok(Ok(200)) => measured.latency.add(sent.elapsed()),
                    Ok(_) | Err(_) => {
                        measured.errors += 1;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            }
            measured
        });
    }
    let mut all = Measured::new();
    while let Some(one) = clients.join_next().await {
        let Ok(one) = one else { continue };
        all.latency.merge(&one.latency);
        all.errors += one.errors;
    }
    all.elapsed = start.elapsed();
    all
}

/// What the sender of an open loop and the readers share.
#[derive(Debug)]
struct Board {
    free: Mutex<Vec<usize>>,
    /// When the request on each connection should have been sent, in nanoseconds since the start.
    intended: Vec<AtomicU64>,
}

/// Requests at a fixed rate over at most `connections` connections. Latency counts from when a
/// request should have been sent: one that had to wait for a free connection, or for the sender
/// itself, is charged for the wait (coordinated omission).
pub(crate) async fn open(
    target: &Target,
    rate: f64,
    (connections, time): (usize, Duration),
) -> io::Result<Measured> {
    let mut sockets = Vec::with_capacity(connections);
    for _ in 0..connections {
        let socket = Blocking::connect(target.address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        sockets.push(socket);
    }
    let board = Arc::new(Board {
        free: Mutex::new((0..connections).collect()),
        intended: (0..connections).map(|_| AtomicU64::new(0)).collect(),
    });
    let writers = sockets.iter().map(Blocking::try_clone).collect::<io::Result<Vec<_>>>()?;
    let start = Instant::now();
    let (request, at_sender) = (target.request.clone(), board.clone());
    let sender = thread::Builder::new()
        .name("sender".into())
        .spawn(move || send(&writers, &request, &at_sender, (start, rate, time)))?;
    let measured = Rc::new(RefCell::new(Measured::new()));
    let local = LocalSet::new();
    for (index, socket) in sockets.into_iter().enumerate() {
        let (board, measured) = (board.clone(), measured.clone());
        let socket = TcpStream::from_std(socket)?;
        local.spawn_local(receive(socket, index, (board, measured, start)));
    }
    // Replies that take longer than the run are charged as errors below.
    local.run_until(tokio::time::sleep(time + Duration::from_millis(300))).await;
    drop(local);
    let (sent, missed) = sender.join().map_err(|_| io::Error::other("the sender panicked"))?;
    let mut measured = measured.borrow().clone();
    measured.errors += missed + sent.saturating_sub(measured.latency.count() + measured.errors);
    measured.elapsed = time;
    Ok(measured)
}

/// Gives back how many requests were sent and how many could not be.
fn send(
    sockets: &[Blocking],
    request: &[u8],
    board: &Board,
    (start, rate, time): (Instant, f64, Duration),
) -> (u64, u64) {
    /// Sleeping for less costs more than it brings.
    const QUANTUM: Duration = Duration::from_micros(30);
    let total = (rate * time.as_secs_f64()) as u64;
    let mut sent = 0;
    while sent < total && start.elapsed() < time + Duration::from_millis(200) {
        let intended = Duration::from_secs_f64(sent as f64 / rate);
        let ahead = intended.saturating_sub(start.elapsed());
        if !ahead.is_zero() {
            thread::sleep(ahead.max(QUANTUM));
            continue;
        }
        let free = board.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(index) = free else {
            thread::sleep(QUANTUM);
            continue;
        };
        board.intended[index].store(u64::try_from(intended.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        if (&sockets[index]).write(request).ok() == Some(request.len()) {
            sent += 1;
        } else {
            break;
        }
    }
    (sent, total - sent)
}

async fn receive(socket: TcpStream, index: usize, shared: (Arc<Board>, Rc<RefCell<Measured>>, Instant)) {
    let (board, measured, start) = shared;
    let (mut reader, mut buffer) = (Reader::default(), vec![0; 16 * 1024]);
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        let count = match socket.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        if reader.push(&buffer[..count], |_| {}) == Progress::Done {
            let intended = Duration::from_nanos(board.intended[index].load(Relaxed));
            let mut measured = measured.borrow_mut();
            if reader.status == 200 {
                measured.latency.add(start.elapsed().saturating_sub(intended));
            } else {
                measured.errors += 1;
            }
            if reader.keeps_alive() {
                board.free.lock().unwrap_or_else(PoisonError::into_inner).push(index);
            }
        }
    }
}
