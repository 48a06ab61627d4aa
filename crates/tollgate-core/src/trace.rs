use http::{HeaderMap, HeaderName, HeaderValue};

use crate::Sampler;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where this request stands in a distributed trace (W3C Trace Context, level 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Shared by all spans of the trace.
    pub trace_id: [u8; 16],
    /// Our own span.
    pub span_id: [u8; 8],
    /// The span that called us.
    pub parent: Option<[u8; 8]>,
    /// Whether the trace is kept: the sampler's decision, or without one the caller's.
    pub sampled: bool,
}

// === impl TraceContext ===

impl TraceContext {
    /// Continues the caller's trace, or begins one; `random` gives the ids that are needed.
    #[must_use]
    pub fn of(headers: &HeaderMap, sampler: Option<Sampler>, random: [u64; 3]) -> Self {
        Self::behind(headers.get(TRACEPARENT), sampler, random)
    }

    /// As [`TraceContext::of`], with the header that tells of the caller's trace.
    pub(crate) fn behind(caller: Option<&HeaderValue>, sampler: Option<Sampler>, random: [u64; 3]) -> Self {
        let [a, b, own] = random.map(|word| word.max(1).to_be_bytes());
        let caller = caller.and_then(|value| parse(value.as_bytes()));
        let (trace_id, parent, decided) = match caller {
            Some((trace_id, parent, sampled)) => (trace_id, Some(parent), Some(sampled)),
            None => {
                let mut trace_id = [0; 16];
                trace_id[..8].copy_from_slice(&a);
                trace_id[8..].copy_from_slice(&b);
                (trace_id, None, None)
            }
        };
        let sampled = match sampler {
            Some(sampler) => sampler.keeps(&trace_id, decided),
            None => decided.unwrap_or(false),
        };
        Self { trace_id, span_id: own, parent, sampled }
    }

    /// Tells the next hop about our span; `tracestate` travels as it came.
    pub fn inject(&self, headers: &mut HeaderMap) {
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        hex(&self.trace_id, &mut text);
        text.push('-');
        hex(&self.span_id, &mut text);
        text.push_str(if self.sampled { "-01" } else { "-00" });
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// Lower-case digits, as ids are written.
pub(crate) fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`; all-zero ids and version ff are invalid.
fn parse(text: &[u8]) -> Option<([u8; 16], [u8; 8], bool)> {
    let (version, rest) = text.split_at_checked(3)?;
    let known = version[..2] == *b"00";
    if version == b"ff-" || version[2] != b'-' || rest.len() < 52 || (known && rest.len() != 52) {
        return None;
    }
    let trace_id: [u8; 16] = unhex(&rest[..32])?;
    let span_id: [u8; 8] = unhex(&rest[33..49])?;
    let [flags]: [u8; 1] = unhex(&rest[50..52])?;
    let dashes = rest[32] == b'-' && rest[49] == b'-';
    (dashes && trace_id != [0; 16] && span_id != [0; 8]).then_some((trace_id, span_id, flags & 1 == 1))
}

fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    (text.len() == 2 * N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_trace_is_continued_and_handed_on() {
        let mut headers = HeaderMap::new();
        let sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert(TRACEPARENT, HeaderValue::from_static(sent));
        let context = TraceContext::of(&headers, Some(Sampler::ParentOrOn), [1, 2, 0xabc]);
        assert_eq!(context.parent, Some([0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31]));
        context.inject(&mut headers);
        assert_eq!(headers[TRACEPARENT], "00-0af7651916cd43dd8448eb211c80319c-0000000000000abc-01");
    }

    #[test]
    fn the_samplers_decision_about_a_new_trace_is_handed_on() {
        let flags = |sampler| {
            let mut headers = HeaderMap::new();
            TraceContext::of(&headers, Some(sampler), [1, 2, 3]).inject(&mut headers);
            headers[TRACEPARENT].to_str().unwrap()[53..].to_owned()
        };
        assert_eq!(flags(Sampler::ParentOrOn), "01");
        assert_eq!(flags(Sampler::ParentOrOff), "00");
        assert_eq!([flags(Sampler::Ratio(0.0)), flags(Sampler::Ratio(1.0))], ["00", "01"]);
    }

    #[test]
    fn without_a_sampler_only_a_callers_decision_counts() {
        let mut headers = HeaderMap::new();
        assert!(!TraceContext::of(&headers, None, [1, 2, 3]).sampled);
        let sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert(TRACEPARENT, HeaderValue::from_static(sent));
        assert!(TraceContext::of(&headers, None, [1, 2, 3]).sampled);
    }

    #[test]
    fn a_malformed_parent_begins_a_new_trace() {
        for bad in ["", "00-", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-zz"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
