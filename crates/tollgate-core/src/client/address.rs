use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use tollgate_snapshot::ClientAddress;
use tollgate_types::Cidr;

use super::HeadFault;
use crate::{RequestHead, headers::FORWARDED_FOR};

/// Who sent this, as far as proxies on the way may be believed. IPv4 addresses are never in IPv6 notation.
pub(crate) fn address(rule: &ClientAddress, head: &RequestHead) -> Result<IpAddr, HeadFault> {
    let peer = head.peer.ip().to_canonical();
    match rule {
        ClientAddress::Peer => Ok(peer),
        ClientAddress::TrustedHops(hops) => Ok(from_the_right(&head.headers, *hops).unwrap_or(peer)),
        ClientAddress::TrustedRanges(ranges) => Ok(beyond(ranges, peer, &head.headers)),
        ClientAddress::Header { name, required } => {
            let mut values = head.headers.get_all(name).iter();
            let named = values.next().and_then(|value| parse(value.to_str().ok()?));
            // Two values are as good as none: somebody added one.
            match named.filter(|_| values.next().is_none()) {
                Some(address) => Ok(address),
                None if *required => Err(HeadFault::NoAddress(name.clone())),
                None => Ok(peer),
            }
        }
    }
}

/// The entries of `x-forwarded-for`, the last one first.
fn entries(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    headers
        .get_all(FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or("?").rsplit(','))
        .map(parse)
}

fn from_the_right(headers: &HeaderMap, hops: u32) -> Option<IpAddr> {
    let skip = usize::try_from(hops.checked_sub(1)?).ok()?;
    entries(headers).nth(skip).flatten()
}

/// Goes back from proxy to proxy as long as they are trusted. An entry that cannot be read ends the walk at the
/// peer, since nothing before it can be told from a forgery.
fn beyond(trusted: &[Cidr], peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let mut last = peer;
    for entry in entries(headers) {
        let Some(address) = entry else { return peer };
        last = address;
        if !is_trusted(address) {
            break;
        }
    }
    last
}

/// An address, with or without a port, with or without brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}
