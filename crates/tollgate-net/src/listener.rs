use std::{io, net::SocketAddr, num::NonZeroUsize};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections the kernel queues for one socket until they are accepted.
const BACKLOG: i32 = 4096;

/// One bound socket, ready to be taken to its core.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

// === impl Listener ===

impl Listener {
    /// Binds `address` once for each core with `SO_REUSEPORT`, so that the kernel spreads connections over the cores.
    /// Port 0 takes one free port for all of them.
    ///
    /// # Errors
    /// As the operating system reports them: address in use, not permitted, not available.
    pub fn bind(address: SocketAddr, cores: NonZeroUsize) -> io::Result<Vec<Self>> {
        let mut listeners = Vec::with_capacity(cores.get());
        let mut address = address;
        for _ in 0..cores.get() {
            let listener = Self::bind_one(address)?;
            address = listener.address;
            listeners.push(listener);
        }
        Ok(listeners)
    }

    /// The address that was bound, with the port the system chose.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    fn bind_one(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = std::net::TcpListener::from(socket);
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    pub(crate) fn into_tokio(self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.socket)
    }
}
