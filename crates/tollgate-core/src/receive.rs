use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Uri, Version, uri::Authority};
use smallvec::SmallVec;
use tollgate_snapshot::RequestIds;
use tollgate_types::Usage;

use crate::{
    Live, Now, Record, Refusal, Refused, RequestHead, TraceContext, client, gate::Gate, headers, live::Leads,
};

/// A request whose listener is known and whose internal headers are gone.
#[derive(Debug)]
pub struct Received {
    pub(crate) record: Box<Record>,
}

/// Takes a request's head. `random` feeds the ids that the client did not bring.
///
/// # Errors
/// [`Refused`] where the host is missing or ambiguous (400), where no listener claims it (404), where the TLS connection was meant for another one (421),
/// or where a local endpoint is called with the wrong method.
pub fn receive(live: Arc<Live>, head: RequestHead, now: Now, random: [u64; 4]) -> Result<Received, Refused> {
    let (mut record, refusal) = begin(live, head, now, random);
    if let Some(refusal) = refusal {
        return Err(Refused { record, refusal });
    }
    let port = record.live.snapshot.port(record.head.port);
    let by_host = port.and_then(|port| port.listener(&record.host));
    let by_name = record.head.server_name.as_deref().and_then(|name| port?.listener(name));
    match (by_host, by_name) {
        (None, _) => {
            let refusal = Refusal::NoRoute(format!("host {}", record.host));
            Err(Refused { record, refusal })
        }
        (Some(host), Some(name)) if !Arc::ptr_eq(host, name) => {
            let refusal = Refusal::Misdirected(record.host.clone());
            Err(Refused { record, refusal })
        }
        // Without a server name the handshake was that of another listener, which may ask less of clients.
        (Some(listener), None) if record.head.secure && !Arc::ptr_eq(&listener.client, &record.client) => {
            let refusal = Refusal::Misdirected(record.host.clone());
            Err(Refused { record, refusal })
        }
        (Some(listener), _) => {
            // On a plain port the terms are common, and a listener whose own policy is broken answers with that.
            let refusal =
                listener.client.problem.as_ref().map(|problem| Refusal::Broken(Arc::clone(problem)));
            record.listener = Some(Arc::clone(listener));
            match refusal {
                Some(refusal) => Err(Refused { record, refusal }),
                None => Ok(Received { record }),
            }
        }
    }
}

/// Gathers the first facts, also of a request that is refused at once.
fn begin(
    live: Arc<Live>,
    mut head: RequestHead,
    now: Now,
    random: [u64; 4],
) -> (Box<Record>, Option<Refusal>) {
    headers::strip_internal(&mut head.headers);
    let client = Arc::clone(client::settings(&live.snapshot, &head));
    let (client_ip, unknown) = match client::address(&client.address, &head) {
        Ok(address) => (address, None),
        Err(fault) => (head.peer.ip().to_canonical(), Some(fault)),
    };
    let fault = client::apply(&client, &mut head).or(unknown);
    let told = Told::by(&head.headers);
    let refusal = client::refusal(&client, fault).or(unclear_host(&head, &told).map(Refusal::BadHost));
    let [a, b, c, d] = random;
    let endpoint = match head.method {
        // A preflight is about an endpoint, but is no call of it.
        Method::OPTIONS => None,
        _ => live.snapshot.settings.prefixes.endpoint(head.uri.path()),
    };
    let length = told.length.and_then(|value| value.to_str().ok()?.parse().ok());
    let trace = TraceContext::behind(told.trace, live.sampler, [b, c, d]);
    let host = host(&head.uri, told.host);
    let ids = match live.leads {
        Leads::Here => client.heads.request_ids,
        Leads::Elsewhere => RequestIds::PreserveOrGenerate,
    };
    let sent_id = told.id.and_then(|value| kept_id(ids, value));
    let request_id = sent_id.unwrap_or_else(|| new_id(&mut head.headers, ids, [a, b]));
    let record = Box::new(Record {
        request_id,
        trace,
        host,
        client_ip,
        client,
        live,
        began: now,
        head,
        listener: None,
        endpoint,
        gate: Gate::default(),
        rule: None,
        model_asked: None,
        model_sent: None,
        model_served: None,
        delivery: None,
        attempts: SmallVec::new(),
        status: None,
        usage: Usage::default(),
        usage_estimated: false,
        bytes_in: length.unwrap_or_default(),
        bytes_out: 0,
        first_byte: None,
        content: None,
        found: None,
        issued: None,
    });
    (record, refusal)
}

/// The headers that first facts are made of, the first of each name. One pass over all of them takes less than looking
/// for each by itself.
#[derive(Default)]
struct Told<'a> {
    host: Option<&'a HeaderValue>,
    hosts: usize,
    length: Option<&'a HeaderValue>,
    id: Option<&'a HeaderValue>,
    trace: Option<&'a HeaderValue>,
}

/// Why it is unclear which host is meant (RFC 9112, 3.2): others on the way might read another one.
fn unclear_host(head: &RequestHead, told: &Told<'_>) -> Option<&'static str> {
    match (told.host, told.hosts) {
        (Some(_), 2..) => Some("more than one"),
        (Some(host), _) => {
            let is_host = |host: &HeaderValue| {
                Authority::try_from(host.as_bytes()).is_ok_and(|host| !host.as_str().contains('@'))
            };
            let valid = is_plain_host(host.as_bytes()) || is_host(host);
            (!valid).then_some("not a host")
        }
        (None, _) => (head.version == Version::HTTP_11 && head.uri.host().is_none()).then_some("missing"),
    }
}

/// True for a name or an IPv4 address, perhaps with a port, of which nothing has to be parsed: nearly every host.
fn is_plain_host(host: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let end = host.iter().position(|byte| !is_name(byte)).unwrap_or(host.len());
    match host.split_at(end) {
        ([], _) => false,
        (_, []) => true,
        (_, [b':', port @ ..]) => (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The host that is meant: the target's authority, else the `host` header; lower case, without port.
fn host(uri: &Uri, named: Option<&HeaderValue>) -> String {
    let named = || named.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let host = uri.host().unwrap_or_else(|| without_port(named()));
    host.to_ascii_lowercase()
}

fn without_port(host: &str) -> &str {
    // By bytes, which for a text this short takes less than to set up a search.
    let behind = host.bytes().rev().position(|byte| byte == b':').unwrap_or(host.len());
    match host.split_at_checked(host.len().wrapping_sub(behind + 1)) {
        Some((name, port)) if !port.bytes().any(|byte| byte == b']') => name,
        _ => host,
    }
}

/// The client's own id, where it is sane and may be kept.
fn kept_id(mode: RequestIds, sent: &HeaderValue) -> Option<String> {
    let kept = matches!(mode, RequestIds::PreserveOrGenerate | RequestIds::Preserve);
    let id = sent.to_str().ok().filter(|id| kept && (1..=128).contains(&id.len()))?;
    Some(id.to_owned())
}

/// Makes an id (a version 4 UUID), and leaves it in the headers where backends are to see it.
fn new_id(headers: &mut HeaderMap, mode: RequestIds, [high, low]: [u64; 2]) -> String {
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let digits = digits(u128::from(high) << 64 | u128::from(low));
    let mut id = [b'-'; 36];
    id[..8].copy_from_slice(&digits[..8]);
    id[9..13].copy_from_slice(&digits[8..12]);
    id[14..18].copy_from_slice(&digits[12..16]);
    id[19..23].copy_from_slice(&digits[16..20]);
    id[24..].copy_from_slice(&digits[20..]);
    let id = String::from_utf8_lossy(&id).into_owned();
    let told = matches!(mode, RequestIds::PreserveOrGenerate | RequestIds::Generate);
    if told && let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(headers::REQUEST_ID, value);
    }
    id
}

/// Lower-case hexadecimal digits.
fn digits(number: u128) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 32];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(number.to_be_bytes()) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    digits
}

// === impl Told ===

impl<'a> Told<'a> {
    fn by(headers: &'a HeaderMap) -> Self {
        let mut told = Self::default();
        for (name, value) in headers {
            let slot = match name.as_str() {
                "host" => {
                    told.hosts += 1;
                    &mut told.host
                }
                "content-length" => &mut told.length,
                "x-request-id" => &mut told.id,
                "traceparent" => &mut told.trace,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use http::header::HOST;
    use tollgate_snapshot::{
        ClientSettings, HostPattern, HostTable, Listener, Port, PortProtocol, Problem, Snapshot,
    };

    use super::*;

    #[test]
    fn ports_are_no_part_of_a_host() {
        assert_eq!(without_port("a.example:8080"), "a.example");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(without_port("a"), "a");
    }

    #[test]
    fn a_plain_host_is_a_host() {
        for host in ["a.example", "A-b.example:80", "127.0.0.1:8080", "a", ".", "a:65535", "a:99999"] {
            assert!(is_plain_host(host.as_bytes()) && Authority::try_from(host).is_ok(), "{host}");
        }
        for host in ["", ":80", "[::1]", "a@b", "a:", "a:b", "a:80:80", "a:123456", "a b", "a\u{e9}"] {
            assert!(!is_plain_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_host_is_named_once_and_properly() {
        let unclear = |version, target, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_static(host));
            }
            let head = RequestHead {
                method: Method::GET,
                uri: Uri::from_static(target),
                version,
                headers,
                port: 80,
                server_name: None,
                secure: false,
                certificate: None,
                peer: ([127, 0, 0, 1], 1).into(),
            };
            unclear_host(&head, &Told::by(&head.headers))
        };
        for host in ["a.example", "A.example:80", "[::1]:80", "127.0.0.1"] {
            assert_eq!(unclear(Version::HTTP_11, "/", &[host]), None, "{host}");
        }
        assert_eq!(unclear(Version::HTTP_11, "/", &["a", "b"]), Some("more than one"));
        assert_eq!(unclear(Version::HTTP_11, "/", &["a", "a"]), Some("more than one"));
        for host in ["", "a b", "a/b", "user@a", "a,b c"] {
            assert_eq!(unclear(Version::HTTP_11, "/", &[host]), Some("not a host"), "{host}");
        }
        assert_eq!(unclear(Version::HTTP_11, "/", &[]), Some("missing"));
        assert_eq!(unclear(Version::HTTP_10, "/", &[]), None);
        assert_eq!(unclear(Version::HTTP_2, "http://a/", &[]), None);
    }

    fn listener(host: &str, client: &Arc<ClientSettings>) -> Arc<Listener> {
        Arc::new(Listener {
            id: host.into(),
            hostname: HostPattern::parse(host),
            tls: None,
            client: Arc::clone(client),
            guard: tollgate_snapshot::Guard::Open,
            access_log: None,
            hosts: HostTable::default(),
        })
    }

    /// Why a request to the only port is refused, if it is.
    fn refusal(port: Port, name: Option<&str>, uri: &'static str) -> Option<Refusal> {
        let head = RequestHead {
            method: Method::GET,
            uri: Uri::from_static(uri),
            version: Version::HTTP_2,
            headers: HeaderMap::new(),
            port: port.number,
            server_name: name.map(Arc::from),
            secure: port.protocol == PortProtocol::Https,
            certificate: None,
            peer: ([127, 0, 0, 1], 1).into(),
        };
        let live = Arc::new(Live::new(Snapshot { ports: vec![port], ..Snapshot::default() }, None));
        let now = Now { instant: std::time::Instant::now(), unix_ms: 0 };
        receive(live, head, now, [1; 4]).err().map(|refused| refused.refusal)
    }

    #[test]
    fn a_connection_without_a_name_cannot_reach_a_stricter_listener() {
        let (open, strict) = (Arc::default(), Arc::default());
        let port = || Port {
            number: 443,
            protocol: PortProtocol::Https,
            client: Arc::clone(&open),
            listeners: vec![
                listener("strict.example", &strict),
                listener("open.example", &open),
                listener("", &open),
            ],
        };
        for (name, host, misdirected) in [
            (None, "http://strict.example/", true),
            (None, "http://open.example/", false),
            (None, "http://else.example/", false),
            (Some("strict.example"), "http://strict.example/", false),
            (Some("open.example"), "http://strict.example/", true),
        ] {
            let told = matches!(refusal(port(), name, host), Some(Refusal::Misdirected(_)));
            assert_eq!(told, misdirected, "{name:?} {host}");
        }
    }

    #[test]
    fn a_listener_of_a_plain_port_whose_own_policy_is_broken_answers_with_that_alone() {
        let problem = Problem {
            code: "shared-port",
            object: tollgate_types::ObjectRef::new("ClientTrafficPolicy", "default", "a"),
            field: String::new(),
            message: "for a part of the port".to_owned(),
        };
        let broken =
            Arc::new(ClientSettings { problem: Some(Arc::new(problem)), ..ClientSettings::default() });
        let client = Arc::clone(ClientSettings::none());
        let port = || Port {
            number: 80,
            protocol: PortProtocol::Http,
            client: Arc::clone(&client),
            listeners: vec![listener("a.example", &broken), listener("b.example", &client)],
        };
        let told = |host| matches!(refusal(port(), None, host), Some(Refusal::Broken(_)));
        assert!(told("http://a.example/"));
        assert!(!told("http://b.example/"));
    }

    fn request_id(headers: &mut HeaderMap, mode: RequestIds, random: [u64; 2]) -> String {
        let sent = Told::by(headers).id.and_then(|sent| kept_id(mode, sent));
        sent.unwrap_or_else(|| new_id(headers, mode, random))
    }

    #[test]
    fn a_made_up_request_id_is_a_uuid() {
        let mut headers = HeaderMap::new();
        let id = request_id(&mut headers, RequestIds::PreserveOrGenerate, [u64::MAX, 0]);
        assert_eq!(id, "ffffffff-ffff-4fff-8000-000000000000");
        assert_eq!(headers[headers::REQUEST_ID], id);
    }

    #[test]
    fn whose_id_counts_depends_on_the_mode() {
        use RequestIds::{Disable, Generate, Preserve, PreserveOrGenerate};
        let ours = request_id(&mut HeaderMap::new(), Generate, [1, 2]);
        for (mode, sent, id, told) in [
            (PreserveOrGenerate, Some("theirs"), "theirs", Some("theirs")),
            (PreserveOrGenerate, None, &*ours, Some(&*ours)),
            (Preserve, Some("theirs"), "theirs", Some("theirs")),
            (Preserve, None, &ours, None),
            (Generate, Some("theirs"), &ours, Some(&ours)),
            (Disable, Some("theirs"), &ours, Some("theirs")),
            (Disable, None, &ours, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(sent.map(|id| (headers::REQUEST_ID, HeaderValue::from_static(id))));
            assert_eq!(request_id(&mut headers, mode, [1, 2]), id, "{mode:?}");
            let left = headers.get(headers::REQUEST_ID).map(|id| id.to_str().unwrap_or_default());
            assert_eq!(left, told, "{mode:?}");
        }
    }
}
