use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TE},
};
use prost::Message as _;
use serde_json::{Map, Value};
use tollgate_auth::{ExtAuth, HeaderChange, Vetted};
use tollgate_net::UpstreamBody;

use super::{
    ExtAuthDenial, ExtAuthRequest, ExtAuthVerdict, MAX_ANSWER, PARTIAL, Unanswered,
    edits::is_free,
    json,
    messages::{
        Address, AskedRequest, AttributeContext, CheckRequest, CheckResponse, DeniedResponse, Header,
        HeaderOption, HttpRequest, OkResponse, Peer, SocketAddress, Timestamp,
    },
};
use crate::answer::{Unread, read};

const METHOD: &str = "/envoy.service.auth.v3.Authorization/Check";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Bytes before each message: a flag for compression, and the length.
const PREFIX: usize = 5;

/// What happens to a header of which the service does not say it. As in Envoy, requests are told apart from replies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unsaid {
    Replace,
    Append,
}

pub(super) fn question(request: &ExtAuthRequest<'_>) -> Result<Request<Bytes>, Unanswered> {
    let message = check_request(request);
    let length = u32::try_from(message.encoded_len()).map_err(|_| Unanswered::Unaskable)?;
    let mut framed = BytesMut::with_capacity(PREFIX + message.encoded_len());
    framed.put_u8(0);
    framed.put_u32(length);
    message.encode(&mut framed).map_err(|_| Unanswered::Unaskable)?;
    let mut question = Request::new(framed.freeze());
    *question.method_mut() = Method::POST;
    *question.uri_mut() = Uri::from_static(METHOD);
    let headers = question.headers_mut();
    headers.insert(HOST, request.target.authority.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(GRPC_TIMEOUT, patience(request.settings.timeout)?);
    Ok(question)
}

/// At most eight digits and a unit.
fn patience(timeout: Duration) -> Result<HeaderValue, Unanswered> {
    let text = match timeout.as_millis() {
        millis @ 0..=99_999_999 => format!("{millis}m"),
        _ => format!("{}S", timeout.as_secs().min(99_999_999)),
    };
    HeaderValue::try_from(text).map_err(|_| Unanswered::Unaskable)
}

fn check_request(request: &ExtAuthRequest<'_>) -> CheckRequest {
    let since = request.received.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let time = Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
    };
    let context = request.settings.context.iter();
    let context = context.map(|(name, value)| (name.to_string(), lossy(value.expose()))).collect();
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer(request.client)),
            destination: Some(peer(request.local)),
            request: Some(AskedRequest { time: Some(time), http: Some(http_request(request)) }),
            context_extensions: context,
        }),
    }
}

fn peer(address: SocketAddr) -> Peer {
    let socket_address =
        SocketAddress { address: address.ip().to_string(), port_value: Some(address.port().into()) };
    Peer { address: Some(Address { socket_address: Some(socket_address) }) }
}

fn http_request(request: &ExtAuthRequest<'_>) -> HttpRequest {
    let caller = &request.caller;
    let scheme = if caller.secure { "https" } else { "http" };
    let path = match caller.query {
        Some(query) => format!("{}?{query}", caller.path),
        None => caller.path.to_owned(),
    };
    let mut headers = headers(request.settings, caller.headers);
    if request.body.is_some() {
        headers.insert(PARTIAL.to_string(), "false".to_owned());
    }
    if request.settings.headers.is_none() {
        for (name, value) in [
            (":method", caller.method.as_str()),
            (":authority", caller.host),
            (":path", &path),
            (":scheme", scheme),
        ] {
            headers.insert(name.to_owned(), value.to_owned());
        }
    }
    let length = caller.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    HttpRequest {
        id: request.id.to_owned(),
        method: caller.method.to_string(),
        headers,
        path,
        host: caller.host.to_owned(),
        scheme: scheme.to_owned(),
        size: length.unwrap_or(-1),
        protocol: protocol(request.version).to_owned(),
        body: request.body.as_deref().map(lossy).unwrap_or_default(),
    }
}

/// Values of one name are joined by commas.
fn headers(settings: &ExtAuth, headers: &HeaderMap) -> HashMap<String, String> {
    let mut map: HashMap<String, String> = HashMap::new();
    for (name, value) in headers {
        if settings.headers.as_ref().is_some_and(|named| !named.contains(name)) {
            continue;
        }
        let value = lossy(value.as_bytes());
        map.entry(name.as_str().to_owned())
            .and_modify(|before| {
                before.push(',');
                before.push_str(&value);
            })
            .or_insert(value);
    }
    map
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

pub(super) async fn verdict(answer: Response<UpstreamBody>) -> Result<ExtAuthVerdict, Unanswered> {
    let (parts, body) = answer.into_parts();
    if parts.status != StatusCode::OK {
        return Err(Unanswered::Status(parts.status));
    }
    let (body, trailers) = read(body, MAX_ANSWER).await.map_err(|unread| match unread {
        Unread::TooLarge => Unanswered::TooLarge,
        Unread::Failed(failure) => failure.into(),
    })?;
    // An answer without a message has its status among its headers.
    let status = trailers.get(GRPC_STATUS).or_else(|| parts.headers.get(GRPC_STATUS));
    let status = status.and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    match status {
        Some(0) => decode(&body).map(decide),
        Some(status) => Err(Unanswered::Grpc(status)),
        None => Err(Unanswered::Garbage("it has no status")),
    }
}

/// The one message of an answer.
fn decode(body: &[u8]) -> Result<CheckResponse, Unanswered> {
    let (prefix, message) =
        body.split_first_chunk::<PREFIX>().ok_or(Unanswered::Garbage("it has no message"))?;
    let [flag, length @ ..] = *prefix;
    if flag != 0 {
        return Err(Unanswered::Garbage("it is compressed, unasked"));
    }
    if usize::try_from(u32::from_be_bytes(length)) != Ok(message.len()) {
        return Err(Unanswered::Garbage("its length is another"));
    }
    CheckResponse::decode(message).map_err(|_| Unanswered::Garbage("it cannot be read"))
}

fn decide(response: CheckResponse) -> ExtAuthVerdict {
    let CheckResponse { status, denied, ok, metadata } = response;
    let metadata = metadata.map(json::object).unwrap_or_default();
    // Without a status it is yes: the code's default is OK.
    if status.is_none_or(|status| status.code == 0) {
        ExtAuthVerdict::Allowed(allowed(ok.unwrap_or_default(), metadata))
    } else {
        ExtAuthVerdict::Denied(refused(denied.unwrap_or_default(), metadata))
    }
}

fn allowed(ok: OkResponse, metadata: Map<String, Value>) -> Vetted {
    let OkResponse { headers, headers_to_remove, response_headers_to_add: reply } = ok;
    let removed = headers_to_remove.into_iter().filter_map(|name| name.parse::<HeaderName>().ok());
    let mut vetted = Vetted { metadata, ..Vetted::default() };
    vetted.request.extend(removed.filter(is_free).map(|name| (name, HeaderChange::Remove)));
    vetted.request.extend(headers.into_iter().filter_map(|option| change(option, Unsaid::Replace)));
    vetted.reply.extend(reply.into_iter().filter_map(|option| change(option, Unsaid::Append)));
    vetted
}

fn refused(denied: DeniedResponse, metadata: Map<String, Value>) -> ExtAuthDenial {
    let DeniedResponse { status, headers, body } = denied;
    let status = status.and_then(|status| StatusCode::from_u16(u16::try_from(status.code).ok()?).ok());
    let mut vetted = Vetted::default();
    // The same name may come more than once, as `set-cookie` does.
    vetted.reply.extend(headers.into_iter().filter_map(|option| change(option, Unsaid::Append)));
    let mut headers = HeaderMap::new();
    vetted.apply_to_reply(&mut headers);
    ExtAuthDenial {
        status: status.filter(|status| !status.is_informational()).unwrap_or(StatusCode::FORBIDDEN),
        headers,
        body: body.into(),
        metadata,
    }
}

/// `None` for what no header can be, or what is not the service's to change.
fn change(option: HeaderOption, unsaid: Unsaid) -> Option<(HeaderName, HeaderChange)> {
    let HeaderOption { header, append, append_action } = option;
    let Header { key, value, raw_value } = header?;
    let name: HeaderName = key.parse().ok().filter(is_free)?;
    let value = if raw_value.is_empty() { value.into_bytes() } else { raw_value };
    let value = HeaderValue::from_bytes(&value).ok()?;
    let change = match (append.map(|append| append.value), append_action) {
        (Some(true), _) => HeaderChange::Append(value),
        (None, 1) => HeaderChange::Add(value),
        (None, 3) => HeaderChange::Overwrite(value),
        (None, 0) if unsaid == Unsaid::Append => HeaderChange::Append(value),
        _ => HeaderChange::Set(value),
    };
    Some((name, change))
}
