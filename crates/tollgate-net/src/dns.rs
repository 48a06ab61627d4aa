use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt, io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use tokio::{net::lookup_host, task::spawn_local, time::Instant};

use crate::Failure;

/// How long an answer is used before it is asked for again.
const REFRESH: Duration = Duration::from_secs(30);

/// Names one core remembers; the one least recently asked for is forgotten.
const MAX_NAMES: usize = 4096;

/// Asks the system, or a test, for the addresses of a name.
pub type Lookup = Rc<dyn Fn(Box<str>) -> LocalBoxFuture<'static, io::Result<Vec<IpAddr>>>>;

/// Names that are resolved locally, as with `curl --connect-to`: `HOST[:PORT]=ADDR[:PORT]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(HashMap<Asked, Instead>);

type Asked = (Box<str>, Option<u16>);
type Instead = (IpAddr, Option<u16>);

/// An override that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} is not HOST[:PORT]=ADDR[:PORT]")]
pub struct BadOverride {
    text: Box<str>,
}

/// How a name is looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Naming {
    /// How long an answer is used before it is asked for again; `None` is 30 s.
    pub refresh: Option<Duration>,
    /// Which addresses count.
    pub family: Family,
}

/// Which addresses of a name count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// All
    #[default]
    Any,
    /// IPv4
    V4,
    /// IPv6
    V6,
    /// IPv4 where there is any, IPv6 otherwise
    V4Preferred,
    /// IPv6 where there is any, IPv4 otherwise
    V6Preferred,
}

/// Finds addresses of names and remembers them, one per core. Cloning shares the memory.
#[derive(Clone)]
pub struct Resolver(Rc<Inner>);

struct Inner {
    overrides: Arc<Overrides>,
    lookup: Lookup,
    names: RefCell<HashMap<Box<str>, Entry>>,
}

struct Entry {
    addresses: Rc<[IpAddr]>,
    next: Cell<usize>,
    asked: Instant,
    refreshing: Cell<bool>,
    /// Thousandths of a sixth that are added to the time for which it is used.
    spread: u32,
}

// === impl Overrides ===

impl Overrides {
    /// Reads and adds one `HOST[:PORT]=ADDR[:PORT]`; IPv6 addresses with a port are written in brackets.
    ///
    /// # Errors
    /// When the text does not have that form.
    pub fn insert(&mut self, text: &str) -> Result<(), BadOverride> {
        let bad = || BadOverride { text: text.into() };
        let (from, to) = text.split_once('=').ok_or_else(bad)?;
        let (host, from_port) = match from.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| bad())?)),
            None => (from, None),
        };
        let bare = to.strip_prefix('[').and_then(|to| to.strip_suffix(']')).unwrap_or(to);
        let (address, to_port) = match (IpAddr::from_str(bare), SocketAddr::from_str(to)) {
            (Ok(address), _) => (address, None),
            (_, Ok(socket)) => (socket.ip(), Some(socket.port())),
            (Err(_), Err(_)) => return Err(bad()),
        };
        if host.is_empty() {
            return Err(bad());
        }
        self.0.insert((host.to_ascii_lowercase().into(), from_port), (address, to_port));
        Ok(())
    }

    fn find(&self, host: &str, port: u16) -> Option<SocketAddr> {
        if self.0.is_empty() {
            return None;
        }
        let exact = self.0.get(&(host.into(), Some(port)));
        let (address, to_port) = exact.or_else(|| self.0.get(&(host.into(), None)))?;
        Some(SocketAddr::new(*address, to_port.unwrap_or(port)))
    }
}

// === impl Family ===

impl Family {
    fn of(self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let four = match self {
            Self::Any => return addresses,
            Self::V4 => true,
            Self::V6 => false,
            Self::V4Preferred => addresses.iter().any(SocketAddr::is_ipv4),
            Self::V6Preferred => !addresses.iter().any(SocketAddr::is_ipv6),
        };
        addresses.retain(|address| address.is_ipv4() == four);
        addresses
    }
}

// === impl Resolver ===

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("names", &self.0.names.borrow().len()).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Asks the operating system (`getaddrinfo`), but for what `overrides` says.
    #[must_use]
    pub fn system(overrides: Arc<Overrides>) -> Self {
        Self::new(
            overrides,
            Rc::new(|host| {
                Box::pin(async move { Ok(lookup_host((&*host, 0)).await?.map(|found| found.ip()).collect()) })
            }),
        )
    }

    /// Asks `lookup`, but for what `overrides` says.
    #[must_use]
    pub fn new(overrides: Arc<Overrides>, lookup: Lookup) -> Self {
        Self(Rc::new(Inner { overrides, lookup, names: RefCell::default() }))
    }

    /// All addresses of `host`, beginning with another one each time.
    ///
    /// Answers are asked for again after 30 s, behind the back of the caller, who gets what was known; when that
    /// fails the old answer stays.
    ///
    /// # Errors
    /// [`Failure::Dns`] where nothing is known.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        self.resolve_as(host, port, &Naming::default()).await
    }

    /// The same, as often and for those addresses that `naming` wants.
    ///
    /// # Errors
    /// [`Failure::Dns`] where nothing is known.
    pub async fn resolve_as(
        &self,
        host: &str,
        port: u16,
        naming: &Naming,
    ) -> Result<Vec<SocketAddr>, Failure> {
        if let Some(address) = self.0.overrides.find(host, port) {
            return Ok(vec![address]);
        }
        if let Ok(address) = IpAddr::from_str(host) {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let known = match self.known(host, port, naming) {
            Some(known) => known,
            None => {
                let answer = (self.0.lookup)(host.into()).await;
                self.0.remember(host, answer)?;
                self.known(host, port, naming).unwrap_or_default()
            }
        };
        if known.is_empty() { Err(Failure::Dns(no_address(host))) } else { Ok(known) }
    }

    fn known(&self, host: &str, port: u16, naming: &Naming) -> Option<Vec<SocketAddr>> {
        let names = self.0.names.borrow();
        let entry = names.get(host)?;
        let refresh = naming.refresh.unwrap_or(REFRESH);
        let used_for = refresh + refresh / 6000 * entry.spread;
        if entry.asked.elapsed() >= used_for && !entry.refreshing.replace(true) {
            let (inner, host) = (Rc::clone(&self.0), Box::<str>::from(host));
            spawn_local(async move {
                let answer = (inner.lookup)(host.clone()).await;
                if let Err(error) = inner.remember(&host, answer) {
                    tracing::warn!(%host, error = &error as &dyn std::error::Error, "name not resolved again");
                    inner.postpone(&host);
                }
            });
        }
        let first = entry.next.get();
        entry.next.set(first.wrapping_add(1));
        let count = entry.addresses.len();
        let rotated = (0..count).map(|offset| entry.addresses[(first.wrapping_add(offset)) % count]);
        Some(naming.family.of(rotated.map(|address| SocketAddr::new(address, port)).collect()))
    }
}

// === impl Inner ===

impl Inner {
    fn remember(&self, host: &str, answer: io::Result<Vec<IpAddr>>) -> Result<(), Failure> {
        let addresses = answer.map_err(|error| Failure::Dns(Arc::new(error)))?;
        if addresses.is_empty() {
            return Err(Failure::Dns(no_address(host)));
        }
        let mut names = self.names.borrow_mut();
        if names.len() >= MAX_NAMES && !names.contains_key(host) {
            let oldest = names.iter().min_by_key(|(_, entry)| entry.asked).map(|(name, _)| name.clone());
            oldest.map(|name| names.remove(&name));
        }
        let next = names.get(host).map_or(0, |entry| entry.next.get());
        // Spread by the name, so that many names learned together are not asked for together for ever.
        let spread =
            host.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 1000;
        names.insert(
            host.into(),
            Entry {
                addresses: addresses.into(),
                next: Cell::new(next),
                asked: Instant::now(),
                refreshing: Cell::new(false),
                spread,
            },
        );
        Ok(())
    }

    /// The old answer stays in use and is asked for again after another round.
    fn postpone(&self, host: &str) {
        if let Some(entry) = self.names.borrow_mut().get_mut(host) {
            entry.asked = Instant::now();
            entry.refreshing.set(false);
        }
    }
}

fn no_address(host: &str) -> crate::failure::Cause {
    Arc::new(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")))
}
