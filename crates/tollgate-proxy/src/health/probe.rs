use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Uri,
    header::{CONTENT_TYPE, HOST, TE, USER_AGENT},
};
use tollgate_balance::Checked;
use tollgate_net::{Payload, Pool, UpstreamBody};
use tollgate_snapshot::{HttpProbe, Probe, TcpProbe};

use crate::served::Target;

/// Bytes of a reply that are read.
const MOST: usize = 64 * 1024;

/// Asks an endpoint once.
pub(crate) async fn ask(pool: &Pool, target: &Target) -> Checked {
    match &target.check.probe {
        Probe::Http(probe) => http(pool, target, probe).await.unwrap_or(Checked::Failed),
        Probe::Tcp(TcpProbe { send, receive }) => {
            match pool.probe(&target.at.origin, target.check.timeout, (send, receive)).await {
                Ok(true) => Checked::Passed,
                Ok(false) | Err(_) => Checked::Failed,
            }
        }
        Probe::Grpc(service) => grpc(pool, target, service.as_deref()).await.unwrap_or(Checked::Failed),
    }
}

/// `None`: no whole reply.
async fn http(pool: &Pool, target: &Target, probe: &HttpProbe) -> Option<Checked> {
    let mut request = Request::new(Payload::Whole(probe.body.clone()));
    *request.method_mut() = probe.method.clone();
    *request.uri_mut() = Uri::try_from(&*probe.path).ok()?;
    let named = probe.host.as_deref().and_then(|host| HeaderValue::from_str(host).ok());
    if let Some(host) = named.or_else(|| target.at.host.clone()) {
        request.headers_mut().insert(HOST, host);
    }
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("tollgate-health-check"));
    let response = pool.send(&target.at.origin, request).await.ok()?;
    let status = response.status().as_u16();
    let (body, _) = read(response).await?;
    let has = |ranges: &[std::ops::RangeInclusive<u16>]| ranges.iter().any(|range| range.contains(&status));
    Some(if has(&probe.retriable) {
        Checked::Failed
    } else if has(&probe.statuses) && contains(&body, &probe.expected) {
        Checked::Passed
    } else {
        Checked::Refused
    })
}

async fn grpc(pool: &Pool, target: &Target, service: Option<&str>) -> Option<Checked> {
    let mut request = Request::new(Payload::Whole(question(service.unwrap_or_default())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/grpc.health.v1.Health/Check");
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    if let Some(host) = target.at.host.clone() {
        headers.insert(HOST, host);
    }
    let response = pool.send(&target.at.origin, request).await.ok()?;
    let in_head = response.headers().get("grpc-status").cloned();
    if response.status() != http::StatusCode::OK {
        return None;
    }
    let (body, trailers) = read(response).await?;
    let status = trailers.get("grpc-status").cloned().or(in_head)?;
    Some(if status.as_bytes() == b"0" && is_serving(&body) { Checked::Passed } else { Checked::Refused })
}

/// The whole body, as far as it is looked at, and the trailers.
async fn read(response: Response<UpstreamBody>) -> Option<(Vec<u8>, HeaderMap)> {
    let (mut body, mut parts, mut whole) = (response.into_body(), Vec::new(), Vec::new());
    while let Some(read) = body.next_chunks(&mut parts).await {
        read.ok()?;
        parts.drain(..).for_each(|part: Bytes| whole.extend_from_slice(&part));
        if whole.len() > MOST {
            break;
        }
    }
    Some((whole, body.take_trailers().unwrap_or_default()))
}

fn contains(body: &[u8], expected: &[u8]) -> bool {
    expected.is_empty() || body.windows(expected.len()).any(|window| window == expected)
}

/// `HealthCheckRequest { service = 1 }` in a frame of gRPC.
fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        put_varint(&mut message, service.len());
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put(message);
    frame.freeze()
}

fn put_varint(out: &mut BytesMut, mut number: usize) {
    while number >= 0x80 {
        out.put_u8((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

/// `HealthCheckResponse { status = 1 }`: 1 is `SERVING`. It has no other field.
fn is_serving(frame: &[u8]) -> bool {
    matches!(frame, [0, _, _, _, _, 0x08, 1, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_in_a_frame_of_its_length() {
        assert_eq!(&question("")[..], [0; 5]);
        assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = question(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 2]);
    }

    #[test]
    fn only_serving_is_serving() {
        assert!(is_serving(&[0, 0, 0, 0, 2, 8, 1]));
        assert!(!is_serving(&[0, 0, 0, 0, 2, 8, 2]));
        assert!(!is_serving(&[0, 0, 0, 0, 0]));
    }
}
