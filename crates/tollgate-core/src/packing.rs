use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY},
};
use tollgate_llm::Head;
use tollgate_snapshot::{Compressor, Packing};
use tollgate_wire::encoding::{Encoder, Encoding};

use crate::Plan;

/// What Envoy compresses by default, and nothing else: an event stream is not among them, since its events are small
/// and must not wait for each other.
const TYPES: [&str; 8] = [
    "application/javascript",
    "application/json",
    "application/xhtml+xml",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/plain",
    "text/xml",
];

// === impl Plan ===

impl Plan {
    /// What is to compress the body that follows this head, if anything; the head says so afterwards.
    pub fn pack(&self, head: &mut Head) -> Option<Encoder> {
        let offered = &self.rule.traffic.compression;
        if offered.is_empty() || !can_be_packed(head) {
            return None;
        }
        // Whoever keeps the reply has to know that others may get it otherwise.
        if !names(&head.headers, "accept-encoding") {
            head.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if self.record.head.method == Method::HEAD {
            return None;
        }
        let asked = &self.record.head.headers;
        let encoding = agreed(asked, offered, length(&head.headers))?;
        let encoder = Encoder::new(encoding).ok()?;
        head.headers.remove(CONTENT_LENGTH);
        let name = match encoding {
            Encoding::Gzip => "gzip",
            Encoding::Deflate => "deflate",
            Encoding::Brotli => "br",
            Encoding::Zstd => "zstd",
        };
        head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        weaken(&mut head.headers);
        Some(encoder)
    }
}

fn can_be_packed(head: &Head) -> bool {
    let Head { status, headers } = head;
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let kind = text(CONTENT_TYPE).and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    !status.is_informational()
        && ![StatusCode::NO_CONTENT, StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED].contains(status)
        && !headers.contains_key(CONTENT_ENCODING)
        && !text(CACHE_CONTROL).is_some_and(|value| value.to_ascii_lowercase().contains("no-transform"))
        && TYPES.iter().any(|known| kind.eq_ignore_ascii_case(known))
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn names(headers: &HeaderMap, wanted: &str) -> bool {
    let values = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case(wanted))
}

/// The encoding that the client likes best; of several that it likes the same, the first that is offered.
fn agreed(asked: &HeaderMap, offered: &[Compressor], length: Option<u64>) -> Option<Encoding> {
    let own = weight(asked, "identity").unwrap_or(0);
    let mut best: Option<(u16, Encoding)> = None;
    for Compressor { packing, min_length } in offered {
        let (name, encoding) = match packing {
            Packing::Gzip => ("gzip", Encoding::Gzip),
            Packing::Brotli => ("br", Encoding::Brotli),
            Packing::Zstd => ("zstd", Encoding::Zstd),
        };
        let weight = weight(asked, name).or_else(|| weight(asked, "*")).unwrap_or(0);
        let long = length.is_none_or(|length| length >= *min_length);
        if long && weight > 0 && weight >= own && best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, encoding));
        }
    }
    best.map(|(_, encoding)| encoding)
}

/// The quality of an encoding in thousandths (RFC 9110, 12.4.2); `None` where it is not named.
fn weight(asked: &HeaderMap, wanted: &str) -> Option<u16> {
    let values = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut entries = values.flat_map(|value| value.split(','));
    entries.find_map(|entry| {
        let (name, rest) = entry.split_once(';').unwrap_or((entry, ""));
        if !name.trim().eq_ignore_ascii_case(wanted) {
            return None;
        }
        let quality = rest.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse::<f32>().ok());
        Some((quality.unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u16)
    })
}

/// The compressed reply is not the same to the byte, so a strong tag becomes a weak one (RFC 9110, 8.8.1).
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).and_then(|tag| tag.to_str().ok()) else { return };
    if !tag.starts_with("W/")
        && let Ok(weak) = HeaderValue::try_from(format!("W/{tag}"))
    {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn by(packing: Packing) -> Compressor {
        Compressor { packing, min_length: 30 }
    }

    #[test]
    fn the_clients_wish_goes_before_the_order_of_the_policy() {
        let offered = [by(Packing::Brotli), by(Packing::Gzip), by(Packing::Zstd)];
        for (asked, want) in [
            ("gzip, br", Some(Encoding::Brotli)),
            ("gzip, br;q=0.5", Some(Encoding::Gzip)),
            ("*", Some(Encoding::Brotli)),
            ("*;q=0.1, br;q=0", Some(Encoding::Gzip)),
            ("identity, gzip;q=0.5", None),
            ("gzip;q=0", None),
            ("deflate", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(asked))]);
            assert_eq!(agreed(&headers, &offered, None), want, "{asked}");
            assert_eq!(agreed(&headers, &offered, Some(29)), None, "{asked}: too short");
        }
    }

    #[test]
    fn events_and_what_is_packed_already_stay_as_they_are() {
        let head = |kind: &'static str| Head {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]),
        };
        assert!(can_be_packed(&head("application/json; charset=utf-8")));
        assert!(!can_be_packed(&head("text/event-stream")));
        let mut packed = head("text/html");
        packed.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!can_be_packed(&packed));
        let mut fixed = head("text/html");
        fixed.headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, No-Transform"));
        assert!(!can_be_packed(&fixed));
    }
}
