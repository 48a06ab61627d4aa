//! A stand-in for external processors: an endpoint picker, a processor that does nothing, or one that breaks.

mod messages;
mod stream;

use std::{
    convert::Infallible,
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    runtime::Builder,
    sync::{Notify, watch},
};

/// What it does with each of its streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Everything passes as it is.
    Pass,
    /// As an endpoint picker: once the whole request has come, it goes to these `ip:port`, in order.
    Pick(String),
    /// Nothing is ever answered.
    Hang,
    /// The stream ends with this gRPC status instead of an answer.
    Fail(u16),
    /// The stream ends well instead of an answer.
    Close,
    /// Every request is answered with this status.
    Refuse(u16),
    /// As a processor at both levels: every request is for one model, and one message may meet a fault.
    Serve(Serve),
}

/// A processor at both levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    /// The model that routes are chosen by.
    pub model: String,
    /// Where it breaks, and how.
    pub fault: Option<(Point, Fault)>,
    /// Both levels are tied by an id that the router level writes and the upstream level wants, as Envoy AI Gateway 0.4
    /// does it.
    pub tied: bool,
}

/// A message of Envoy's, by the level that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The router level: the head of the request.
    Head,
    /// The router level: a piece of the request's body.
    Body,
    /// The upstream level: the head of an attempt.
    AttemptHead,
    /// The upstream level: the body of an attempt.
    AttemptBody,
    /// The router level: the head of the reply.
    ReplyHead,
    /// The router level: a piece of the reply's body.
    ReplyBody,
}

/// What stands in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Hang,
    /// The end of the stream, with this gRPC status.
    Fail(u16),
    /// The end of the stream, as if all were well.
    Close,
    /// An answer to the client, with this status.
    Refuse(u16),
    /// The end of the connection.
    Crash,
}

/// Where it listens.
#[derive(Clone, Debug)]
pub enum Place {
    /// A free port of this machine.
    Port,
    /// A socket, in place of one that is left over there.
    Socket(PathBuf),
}

/// A running stand-in. Dropping it closes its connections at once, as a crash does.
#[derive(Debug)]
pub struct Processor {
    /// Where it listens; 0 for a socket.
    pub port: u16,
    manner: watch::Sender<Manner>,
    streams: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}
type Accepted = Pin<Box<dyn Connection>>;

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

// === impl Processor ===

impl Processor {
    /// Starts on a thread of its own; it accepts connections when this returns.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub fn start(place: &Place, manner: Manner) -> io::Result<Self> {
        let (manner, manners) = watch::channel(manner);
        let (stop, stopped) = watch::channel(false);
        let streams = Arc::new(AtomicU64::new(0));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (listener, port) = {
            let _guard = runtime.enter();
            listen(place)?
        };
        let counted = streams.clone();
        let thread = thread::spawn(move || {
            runtime.block_on(serve(listener, manners, counted, stopped));
        });
        Ok(Self { port, manner, streams, stop, thread: Some(thread) })
    }

    /// Streams that were opened so far.
    #[must_use]
    pub fn streams(&self) -> u64 {
        self.streams.load(Relaxed)
    }

    /// Streams that begin from now on are treated so.
    pub fn set(&self, manner: Manner) {
        self.manner.send_replace(manner);
    }

    /// Closes its connections and listens no more, as a crash does it.
    pub fn stop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let (Ok(()) | Err(_)) = thread.join();
        }
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let (Ok(()) | Err(_)) = thread.join();
        }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(place: &Place) -> io::Result<(Listener, u16)> {
    match place {
        Place::Port => {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let port = listener.local_addr()?.port();
            Ok((Listener::Tcp(TcpListener::from_std(listener)?), port))
        }
        Place::Socket(path) => {
            remove(path)?;
            Ok((Listener::Unix(UnixListener::bind(path)?), 0))
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn serve(
    listener: Listener,
    manners: watch::Receiver<Manner>,
    streams: Arc<AtomicU64>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => {
                let Ok(accepted) = accepted else { continue };
                let (manners, streams) = (manners.clone(), streams.clone());
                // Ends with the runtime, which ends with this loop.
                drop(tokio::spawn(connection(accepted, manners, streams)));
            }
        }
    }
}

async fn connection(accepted: Accepted, manners: watch::Receiver<Manner>, streams: Arc<AtomicU64>) {
    let crash = Arc::new(Notify::new());
    let crashes = crash.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        streams.fetch_add(1, Relaxed);
        let (manner, crash) = (manners.borrow().clone(), crash.clone());
        async move { Ok::<_, Infallible>(stream::answer(request.into_body(), manner, crash)) }
    });
    let mut server = http2::Builder::new(TokioExecutor::new());
    server.initial_stream_window_size(1 << 20).initial_connection_window_size(16 << 20);
    server.max_concurrent_streams(1 << 20);
    // A client that goes away ends its connection with an error, which is nothing to tell anybody.
    tokio::select! {
        Ok(()) | Err(_) = server.serve_connection(TokioIo::new(accepted), service) => {}
        () = crashes.notified() => {}
    }
}

// === impl Listener ===

impl Listener {
    async fn accept(&self) -> io::Result<Accepted> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::pin(stream)
            }
            Self::Unix(listener) => Box::pin(listener.accept().await?.0),
        })
    }
}
