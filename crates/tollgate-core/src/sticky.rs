use http::{HeaderMap, HeaderValue, header::COOKIE};
use smallvec::SmallVec;
use tollgate_balance::hash;
use tollgate_snapshot::{HashOn, StickyCookie, Traffic};

use crate::Record;

/// A cookie that the gateway gives a client.
#[derive(Debug)]
pub struct Issued {
    /// What it hashes to: the next request will be led where this one went.
    hash: u64,
    /// `set-cookie`
    pub(crate) header: HeaderValue,
}

// === impl Record ===

impl Record {
    /// What leads this request to the same backend and endpoint each time; a cookie is made where the client is to
    /// get one.
    pub(crate) fn sticks_to(&mut self, traffic: &Traffic, random: u64) -> Option<u64> {
        if traffic.hash_on.is_empty() {
            return None;
        }
        if let Some(known) = traffic.hash_on.iter().find_map(|on| hashed(on, self)) {
            return Some(known);
        }
        if self.issued.is_none() {
            self.issued =
                traffic.sticky.as_ref().and_then(|cookie| Issued::new(cookie, random)).map(Box::new);
        }
        self.issued.as_ref().map(|issued| issued.hash)
    }
}

/// What a consistent hash is made of, where the request has it.
fn hashed(on: &HashOn, record: &Record) -> Option<u64> {
    let head = &record.head;
    match on {
        HashOn::SourceIp => Some(hash(record.client_ip.to_string().as_bytes())),
        HashOn::Header(name) => head.headers.get(name).map(|value| hash(value.as_bytes())),
        HashOn::Cookie(name) => {
            let lines = head.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
            let mut pairs =
                lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
            pairs.find(|(key, _)| **key == **name).map(|(_, value)| hash(value.as_bytes()))
        }
        HashOn::Query(name) => {
            let mut pairs = head.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| **key == **name).map(|(_, value)| hash(value.as_bytes()))
        }
    }
}

/// The endpoints that a request names, `address:port` each, in its order.
pub(crate) fn endpoints_in<'h>(traffic: &Traffic, headers: &'h HeaderMap) -> SmallVec<[&'h str; 2]> {
    let named = traffic.endpoints_in.iter().filter_map(|name| headers.get(name)?.to_str().ok());
    named.flat_map(|value| value.split(',')).map(str::trim).take(MOST_NAMED).collect()
}

/// Endpoints that one request may name.
const MOST_NAMED: usize = 16;

// === impl Issued ===

impl Issued {
    /// `None` where no header can carry it.
    fn new(cookie: &StickyCookie, random: u64) -> Option<Self> {
        let StickyCookie { name, attributes } = cookie;
        let value = format!("{:016x}", hash(&random.to_le_bytes()));
        let header = HeaderValue::try_from(format!("{name}={value}{attributes}")).ok()?;
        Some(Self { hash: hash(value.as_bytes()), header })
    }
}
