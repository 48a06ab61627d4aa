use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use crate::{Failure, Keepalive, Origin, Protocol, Resolver, failure::cause, proxy_header, stream::Stream};

/// Head start of one address before the next is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connected transport, and which HTTP was agreed on.
pub(crate) struct Dialled {
    pub(crate) transport: Transport,
    pub(crate) spoken: Spoken,
}

/// The HTTP version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    Http1,
    Http2,
}

/// The client's side of a connection.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: Stream,
}

/// Where to connect to.
#[derive(Clone, Copy)]
pub(crate) struct Dialling<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) resolver: &'a Resolver,
    pub(crate) keepalive: Keepalive,
}

/// Connects within `limit`: name, TCP and TLS together.
pub(crate) async fn dial(
    to: &Dialling<'_>,
    tls: Option<Arc<ClientConfig>>,
    limit: Duration,
) -> Result<Dialled, Failure> {
    let Dialling { origin, resolver, keepalive } = *to;
    let connecting = async {
        let next = origin.via().map_or((origin.host(), origin.port()), |via| (via.host(), via.port()));
        let addresses = resolver.resolve_as(next.0, next.1, origin.naming()).await?;
        let mut socket = race(addresses.into(), keepalive).await?;
        if let Some(via) = origin.via() {
            via.connect(&mut socket, (origin.host(), origin.port())).await?;
        }
        if let Some(introduction) = origin.introduction() {
            let header = proxy_header::written(introduction);
            socket.write_all(&header).await.map_err(|error| Failure::Connect(Arc::new(error)))?;
        }
        secure(origin, socket, tls).await
    };
    timeout(limit, connecting).await.unwrap_or(Err(Failure::ConnectTimeout))
}

async fn race(mut addresses: VecDeque<SocketAddr>, keepalive: Keepalive) -> Result<TcpStream, Failure> {
    let mut attempts = FuturesUnordered::new();
    let mut failure = Failure::Connect(cause("no address"));
    loop {
        if let Some(address) = addresses.pop_front() {
            attempts.push(connect(address, keepalive));
        }
        let last = addresses.is_empty();
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = Failure::Connect(Arc::new(error)),
            },
            () = sleep(HEAD_START), if !last => {}
        }
        if attempts.is_empty() && addresses.is_empty() {
            return Err(failure);
        }
    }
}

async fn connect(address: SocketAddr, keepalive: Keepalive) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    // A request written in two pieces must not wait for the upstream's delayed acknowledgement.
    socket.set_nodelay(true)?;
    keepalive.apply(&socket)?;
    Ok(socket)
}

async fn secure(
    origin: &Origin,
    socket: TcpStream,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Dialled, Failure> {
    let (Some(settings), Some(config)) = (origin.tls(), tls) else {
        let spoken = match origin.protocol() {
            Protocol::Http2 => Spoken::Http2,
            Protocol::Auto | Protocol::Http1 => Spoken::Http1,
        };
        return Ok(Dialled { transport: Transport::new(Stream::Tcp(socket)), spoken });
    };
    let name = settings.server_name(origin.host()).map_err(|error| Failure::Tls(Arc::new(error)))?;
    let stream = TlsConnector::from(config)
        .connect(name, socket)
        .await
        .map_err(|error| Failure::Tls(Arc::new(error)))?;
    let spoken = match (stream.get_ref().1.alpn_protocol(), origin.protocol()) {
        (Some(b"h2"), _) | (None, Protocol::Http2) => Spoken::Http2,
        _ => Spoken::Http1,
    };
    Ok(Dialled { transport: Transport::new(Stream::Dialled(Box::new(stream))), spoken })
}

// === impl Transport ===

impl Transport {
    pub(crate) const fn new(stream: Stream) -> Self {
        Self { stream }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use socket2::SockRef;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_is_dialled_sends_without_delay_and_is_probed_as_configured() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let keepalive = Keepalive {
            idle: Some(Duration::from_secs(7)),
            interval: Some(Duration::from_secs(3)),
            probes: Some(2),
        };
        let socket = connect(listener.local_addr().unwrap(), keepalive).await.unwrap();
        assert!(socket.nodelay().unwrap());
        let socket = SockRef::from(&socket);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(7));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(3));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 2);
    }
}
