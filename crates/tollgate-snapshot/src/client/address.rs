use std::{net::IpAddr, str::FromStr};

use http::HeaderName;

/// How the client's address is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAddress {
    /// Whoever opened the connection, or whom its PROXY header names
    #[default]
    Peer,
    /// That many entries from the right of `x-forwarded-for`; the peer where there are fewer
    TrustedHops(u32),
    /// The rightmost entry of `x-forwarded-for` that is none of these, where the peer is one of them
    TrustedRanges(Vec<IpRange>),
    /// The value of a header
    Header {
        /// Its name.
        name: HeaderName,
        /// A request without a usable address there is answered with a 403; else it is the peer's.
        required: bool,
    },
}

/// A range of addresses (CIDR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange {
    first: IpAddr,
    bits: u8,
}

/// Not a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an address or a range like 10.0.0.0/8")]
pub struct InvalidIpRange(String);

// === impl IpRange ===

impl IpRange {
    /// True where the address lies in the range; IPv4 addresses in IPv6 notation are IPv4 addresses.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differ = first.to_bits() ^ address.to_bits();
                differ.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differ = first.to_bits() ^ address.to_bits();
                differ.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for IpRange {
    type Err = InvalidIpRange;

    fn from_str(text: &str) -> Result<Self, InvalidIpRange> {
        let invalid = || InvalidIpRange(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| invalid())?)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| invalid())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most { Err(invalid()) } else { Ok(Self { first, bits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_covers_its_own_and_no_more() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.7", "10.0.0.7", "10.0.0.6"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "2001:db8::1", "1.2.3.4"),
            ("::1/128", "::1", "::2"),
        ] {
            let range: IpRange = range.parse().expect("a range");
            assert!(range.contains(inside.parse().expect("an address")), "{inside}");
            assert!(!range.contains(outside.parse().expect("an address")), "{outside}");
        }
    }

    #[test]
    fn what_is_no_range_is_told() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "a/8", "10.0.0.0/8/8"] {
            assert_eq!(text.parse::<IpRange>(), Err(InvalidIpRange(text.to_owned())), "{text}");
        }
    }
}
