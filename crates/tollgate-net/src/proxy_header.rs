use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Introduction, ProxyVersion};

/// What a version 2 header begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What a version 1 header begins with.
const WORD: &[u8; 6] = b"PROXY ";
/// Bytes of the longest version 1 header, its line end included.
const LONGEST_LINE: usize = 107;
/// Bytes that a version 2 header may have after its first 16: addresses and what else a proxy has to tell.
const MOST_FIELDS: usize = 4096;

/// What the first bytes of a connection are to the PROXY protocol, versions 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// It may still become a header: more bytes are needed.
    Incomplete,
    /// The connection does not begin with a header.
    Absent,
    /// It begins like a header, but is none.
    Broken,
    /// A header.
    Present {
        /// Its bytes; what follows is the client's.
        length: usize,
        /// Where the client is and where it connected to; `None` where the proxy speaks for itself, as health
        /// checks do, or of no address that we know.
        addresses: Option<(SocketAddr, SocketAddr)>,
    },
}

// === impl ProxyHeader ===

impl ProxyHeader {
    /// Bytes of the longest header that is read.
    pub const LONGEST: usize = 16 + MOST_FIELDS;

    /// Looks at everything that has come so far.
    #[must_use]
    pub fn read(seen: &[u8]) -> Self {
        if begins(seen, SIGNATURE) {
            binary(seen)
        } else if begins(seen, WORD) {
            line(seen)
        } else {
            Self::Absent
        }
    }
}

/// True where `seen` begins with `word`, or is its beginning.
fn begins(seen: &[u8], word: &[u8]) -> bool {
    seen.iter().zip(word).all(|(seen, word)| seen == word)
}

fn line(seen: &[u8]) -> ProxyHeader {
    let Some(end) = seen.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
        return if seen.len() < LONGEST_LINE { ProxyHeader::Incomplete } else { ProxyHeader::Broken };
    };
    let text = seen.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let Some(text) = text.and_then(|text| std::str::from_utf8(text).ok()) else { return ProxyHeader::Broken };
    let length = end + 1;
    let mut words = text.split(' ').skip(1);
    let family = words.next();
    if family == Some("UNKNOWN") {
        return ProxyHeader::Present { length, addresses: None };
    }
    let words: Option<[&str; 4]> = words.collect::<Vec<_>>().try_into().ok();
    let addresses = words.and_then(|[source, target, from, to]| {
        Some((socket(source, from, family?)?, socket(target, to, family?)?))
    });
    match addresses {
        Some(addresses) => ProxyHeader::Present { length, addresses: Some(addresses) },
        None => ProxyHeader::Broken,
    }
}

fn socket(address: &str, port: &str, family: &str) -> Option<SocketAddr> {
    let address: IpAddr = match family {
        "TCP4" => address.parse::<Ipv4Addr>().ok()?.into(),
        "TCP6" => address.parse::<Ipv6Addr>().ok()?.into(),
        _ => return None,
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    Some(SocketAddr::new(address, port.parse().ok().filter(|_| digits)?))
}

fn binary(seen: &[u8]) -> ProxyHeader {
    // Version and command, family and transport, two bytes of length.
    let Some(([version, family, high, low], rest)) =
        seen.get(SIGNATURE.len()..).and_then(<[u8]>::split_first_chunk)
    else {
        return ProxyHeader::Incomplete;
    };
    let fields = usize::from(u16::from_be_bytes([*high, *low]));
    let local = *version == 0x20;
    if !(local || *version == 0x21) || fields > MOST_FIELDS {
        return ProxyHeader::Broken;
    }
    let Some(rest) = rest.get(..fields) else { return ProxyHeader::Incomplete };
    let addresses = match family {
        _ if local => None,
        0x11 => match v4(rest) {
            None => return ProxyHeader::Broken,
            found => found,
        },
        0x21 => match v6(rest) {
            None => return ProxyHeader::Broken,
            found => found,
        },
        _ => None,
    };
    ProxyHeader::Present { length: 16 + fields, addresses }
}

fn v4(fields: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (source, rest) = fields.split_first_chunk::<4>()?;
    let (target, rest) = rest.split_first_chunk::<4>()?;
    let (from, to) = ports(rest)?;
    Some(((Ipv4Addr::from(*source), from).into(), (Ipv4Addr::from(*target), to).into()))
}

fn v6(fields: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (source, rest) = fields.split_first_chunk::<16>()?;
    let (target, rest) = rest.split_first_chunk::<16>()?;
    let (from, to) = ports(rest)?;
    Some(((Ipv6Addr::from(*source), from).into(), (Ipv6Addr::from(*target), to).into()))
}

fn ports(fields: &[u8]) -> Option<(u16, u16)> {
    let (from, rest) = fields.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*from), u16::from_be_bytes(*rest.first_chunk::<2>()?)))
}

/// A header for a connection of our own.
pub(crate) fn written(introduction: &Introduction) -> Vec<u8> {
    let Introduction { version, addresses } = introduction;
    let addresses = addresses.map(|(source, target)| alike(source, target));
    match (version, addresses) {
        (ProxyVersion::V1, None) => b"PROXY UNKNOWN\r\n".to_vec(),
        (ProxyVersion::V1, Some((source, target))) => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (source.port(), target.port());
            format!("PROXY {family} {} {} {from} {to}\r\n", source.ip(), target.ip()).into_bytes()
        }
        (ProxyVersion::V2, None) => [SIGNATURE.as_slice(), &[0x20, 0, 0, 0]].concat(),
        (ProxyVersion::V2, Some((source, target))) => {
            let octets = |address: SocketAddr| match address.ip() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let (family, length) = if source.is_ipv4() { (0x11, 12) } else { (0x21, 36) };
            let ports = [source.port().to_be_bytes(), target.port().to_be_bytes()].concat();
            let fields = [octets(source), octets(target), ports].concat();
            [SIGNATURE.as_slice(), &[0x21, family, 0, length], &fields].concat()
        }
    }
}

/// Both of one family: a header has room for one only.
fn alike(source: SocketAddr, target: SocketAddr) -> (SocketAddr, SocketAddr) {
    let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let wide = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    let (source, target) = (plain(source), plain(target));
    if source.is_ipv4() == target.is_ipv4() { (source, target) } else { (wide(source), wide(target)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(length: usize, source: &str, target: &str) -> ProxyHeader {
        let addresses = (source.parse().expect("an address"), target.parse().expect("an address"));
        ProxyHeader::Present { length, addresses: Some(addresses) }
    }

    fn v2(version: u8, family: u8, fields: &[u8]) -> Vec<u8> {
        let length = u16::try_from(fields.len()).expect("short").to_be_bytes();
        [SIGNATURE.as_slice(), &[version, family], &length, fields].concat()
    }

    #[test]
    fn a_line_names_both_ends() {
        let text = b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\nGET /";
        assert_eq!(ProxyHeader::read(text), known(text.len() - 5, "1.2.3.4:1000", "5.6.7.8:443"));
        let text = b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n";
        assert_eq!(ProxyHeader::read(text), known(text.len(), "[2001:db8::1]:1", "[::1]:65535"));
        let text = b"PROXY UNKNOWN whatever\r\n";
        let unknown = ProxyHeader::Present { length: text.len(), addresses: None };
        assert_eq!(ProxyHeader::read(text), unknown);
    }

    #[test]
    fn what_only_looks_like_a_line_is_broken() {
        for text in [
            "PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1000 65536\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 +1 443\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1000\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1000 443 x\r\n",
            "PROXY UDP4 1.2.3.4 5.6.7.8 1000 443\r\n",
            &format!("PROXY UNKNOWN {}", "x".repeat(100)),
        ] {
            assert_eq!(ProxyHeader::read(text.as_bytes()), ProxyHeader::Broken, "{text}");
        }
    }

    #[test]
    fn bytes_name_both_ends() {
        let four = [1, 2, 3, 4, 5, 6, 7, 8, 3, 232, 1, 187];
        assert_eq!(ProxyHeader::read(&v2(0x21, 0x11, &four)), known(28, "1.2.3.4:1000", "5.6.7.8:443"));
        let more = [four.as_slice(), &[4, 0, 1, 0]].concat();
        assert_eq!(ProxyHeader::read(&v2(0x21, 0x11, &more)), known(32, "1.2.3.4:1000", "5.6.7.8:443"));
        let local = ProxyHeader::Present { length: 16, addresses: None };
        assert_eq!(ProxyHeader::read(&v2(0x20, 0, &[])), local);
        for (version, family, fields) in [(0x21, 0x11, &four[..11]), (0x21, 0x21, &four), (0x11, 0x11, &four)]
        {
            assert_eq!(ProxyHeader::read(&v2(version, family, fields)), ProxyHeader::Broken);
        }
        assert_eq!(ProxyHeader::read(&v2(0x21, 0x11, &[0; 5000])), ProxyHeader::Broken);
    }

    #[test]
    fn what_is_written_can_be_read() {
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            for (source, target) in [
                ("1.2.3.4:1000", "5.6.7.8:443"),
                ("[2001:db8::1]:1", "[::1]:65535"),
                ("[2001:db8::1]:0", "[::ffff:1.2.3.4]:9"),
            ] {
                let addresses = (source.parse().expect("an address"), target.parse().expect("an address"));
                let header = written(&Introduction { version, addresses: Some(addresses) });
                let target = if target.contains("ffff") { "[::ffff:1.2.3.4]:9" } else { target };
                assert_eq!(ProxyHeader::read(&header), known(header.len(), source, target), "{version:?}");
            }
            let header = written(&Introduction { version, addresses: None });
            let own = ProxyHeader::Present { length: header.len(), addresses: None };
            assert_eq!(ProxyHeader::read(&header), own);
        }
    }

    #[test]
    fn other_protocols_are_told_at_their_first_strange_byte() {
        for text in ["GET / ", "POST", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\r\n\r\nGET", "\x16\x03"] {
            assert_eq!(ProxyHeader::read(text.as_bytes()), ProxyHeader::Absent, "{text:?}");
        }
        assert_eq!(ProxyHeader::read(b"P"), ProxyHeader::Incomplete);
    }

    proptest! {
        /// However the bytes are split, the first answer that is one is the answer to all of them.
        #[test]
        fn an_answer_does_not_depend_on_the_split(
            kind in 0..4_usize,
            kept in 0..60_usize,
            tail in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let fields = [1, 2, 3, 4, 5, 6, 7, 8, 3, 232, 1, 187];
            let whole = [
                b"PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\n".to_vec(),
                v2(0x21, 0x11, &fields),
                v2(0x20, 0, &fields),
                b"GET / HTTP/1.1\r\n".to_vec(),
            ];
            let bytes = [&whole[kind][..kept.min(whole[kind].len())], &tail].concat();
            let first = (0..=bytes.len())
                .map(|end| ProxyHeader::read(&bytes[..end]))
                .find(|answer| *answer != ProxyHeader::Incomplete)
                .unwrap_or(ProxyHeader::Incomplete);
            prop_assert_eq!(first, ProxyHeader::read(&bytes));
            if let ProxyHeader::Present { length, .. } = first {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
