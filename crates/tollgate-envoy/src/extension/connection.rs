//! Connections to the extension server.
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::Connected;

/// Connections that wait to be served.
const WAITING: usize = 16;
/// For TLS handshakes.
const PATIENCE: Duration = Duration::from_secs(10);
/// After an error of `accept`, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection, with or without TLS.
pub(super) struct Connection(Box<dyn Duplex>);

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Connections as they come, until nobody takes them any more. Each shakes hands by itself, so that none waits for
/// another that does not.
pub(super) fn incoming(listener: TcpListener, tls: Option<TlsAcceptor>) -> mpsc::Receiver<Connection> {
    let (give, take) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = give.closed() => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the extension server cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let (tls, give) = (tls.clone(), give.clone());
            tokio::spawn(async move {
                if let Some(connection) = shake_hands(stream, tls).await {
                    // Nobody takes it where the server ends.
                    let _ = give.send(connection).await;
                }
            });
        }
    });
    take
}

/// What goes wrong on one connection is its client's to notice.
async fn shake_hands(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Connection> {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return Some(Connection(Box::new(stream))) };
    match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
        Ok(Ok(stream)) => return Some(Connection(Box::new(stream))),
        Ok(Err(error)) => tracing::warn!(%error, "a TLS handshake with the extension server failed"),
        Err(_) => tracing::warn!("a TLS handshake with the extension server took too long"),
    }
    None
}

// === impl Connection ===

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
