use std::{
    fmt, fs,
    io::{self, ErrorKind},
    net::SocketAddr,
    os::unix::{fs::PermissionsExt as _, net as unix},
    path::PathBuf,
    str::FromStr,
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Who may use the socket: its owner, and Envoy by its group.
const MODE: u32 = 0o775;

/// Where Envoy finds the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix domain socket: `unix:PATH`
    Unix(PathBuf),
    /// TCP: `HOST:PORT`, or `:PORT` for every address
    Tcp(SocketAddr),
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no address: expected unix:PATH, IP:PORT or :PORT")]
pub struct InvalidAddress(String);

/// A bound socket.
#[derive(Debug)]
pub(crate) enum Bound {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A connection on its way to the core that serves it.
#[derive(Debug)]
pub(crate) enum Connection {
    Unix(unix::UnixStream),
    Tcp(std::net::TcpStream),
}

// === impl Address ===

impl Address {
    /// Binds it. A socket file that a process left behind is replaced; one that a process still listens on is not.
    pub(crate) fn bind(&self) -> io::Result<(Bound, Self)> {
        match self {
            Self::Unix(path) => {
                match unix::UnixStream::connect(path) {
                    Ok(_) => {
                        return Err(io::Error::new(ErrorKind::AddrInUse, "another process listens there"));
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(_) => fs::remove_file(path)?,
                }
                let listener = unix::UnixListener::bind(path)?;
                fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
                listener.set_nonblocking(true)?;
                Ok((Bound::Unix(UnixListener::from_std(listener)?), self.clone()))
            }
            Self::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let bound = Self::Tcp(listener.local_addr()?);
                Ok((Bound::Tcp(TcpListener::from_std(listener)?), bound))
            }
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() { Err(invalid()) } else { Ok(Self::Unix(path.into())) };
        }
        match text.strip_prefix(':') {
            Some(port) => Ok(Self::Tcp(([0, 0, 0, 0], port.parse().map_err(|_| invalid())?).into())),
            None => text.parse().map(Self::Tcp).map_err(|_| invalid()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

// === impl Bound ===

impl Bound {
    pub(crate) async fn accept(&self) -> io::Result<Connection> {
        Ok(match self {
            Self::Unix(listener) => Connection::Unix(listener.accept().await?.0.into_std()?),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Connection::Tcp(stream.into_std()?)
            }
        })
    }
}

// === impl Connection ===

impl Connection {
    /// Serves it here, whichever it is.
    pub(crate) fn here(self) -> io::Result<Here> {
        Ok(match self {
            Self::Unix(stream) => Here::Unix(UnixStream::from_std(stream)?),
            Self::Tcp(stream) => Here::Tcp(TcpStream::from_std(stream)?),
        })
    }
}

/// A connection that this core's reactor knows.
#[derive(Debug)]
pub(crate) enum Here {
    Unix(UnixStream),
    Tcp(TcpStream),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_unix_sockets_or_ports() {
        let parsed = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(parsed("unix:/run/a.sock").as_deref(), Ok("unix:/run/a.sock"));
        assert_eq!(parsed("unix:///run/a.sock").as_deref(), Ok("unix:/run/a.sock"));
        assert_eq!(parsed(":1063").as_deref(), Ok("0.0.0.0:1063"));
        assert_eq!(parsed("127.0.0.1:0").as_deref(), Ok("127.0.0.1:0"));
        for wrong in ["", "unix:", "a", ":x", "/run/a.sock"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("a.sock"));
        let first = address.bind().unwrap();
        let mode = fs::metadata(folder.path().join("a.sock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(address.bind().unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(first);
        address.bind().unwrap();
    }
}
