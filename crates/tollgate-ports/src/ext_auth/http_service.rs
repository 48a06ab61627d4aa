use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode, Uri,
    header::{AUTHORIZATION, HOST},
};
use serde_json::Map;
use tollgate_auth::{HeaderChange, HttpPath, Vetted};
use tollgate_net::UpstreamBody;

use super::{
    ExtAuthDenial, ExtAuthRequest, ExtAuthVerdict, MAX_ANSWER, PARTIAL, Unanswered,
    edits::{is_free, relayed},
};
use crate::answer::{Unread, read};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The client's method and path, its `authorization`, and the headers that the settings name. The host that the client
/// asked for is in `x-forwarded-host`, as `host` is the service's own.
pub(super) fn question(request: &ExtAuthRequest<'_>, path: &HttpPath) -> Result<Request<Bytes>, Unanswered> {
    let caller = &request.caller;
    let target = match (path, caller.query) {
        (HttpPath::Fixed(path), _) => path.to_string(),
        (HttpPath::Prefix(prefix), None) => format!("{prefix}{}", caller.path),
        (HttpPath::Prefix(prefix), Some(query)) => format!("{prefix}{}?{query}", caller.path),
    };
    let mut question = Request::new(request.body.clone().unwrap_or_default());
    question.method_mut().clone_from(caller.method);
    *question.uri_mut() =
        target.parse::<Uri>().ok().filter(|uri| uri.authority().is_none()).ok_or(Unanswered::Unaskable)?;
    let headers = question.headers_mut();
    let named = request.settings.headers.iter().flatten().filter(|name| **name != AUTHORIZATION);
    for name in named.chain([&AUTHORIZATION]).filter(|name| is_free(name)) {
        for value in caller.headers.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    headers.insert(HOST, request.target.authority.clone());
    if let Ok(host) = HeaderValue::from_str(caller.host) {
        headers.insert(X_FORWARDED_HOST, host);
    }
    if request.body.is_some() {
        headers.insert(PARTIAL, HeaderValue::from_static("false"));
    }
    Ok(question)
}

/// 200 is yes; a server error is no answer, as in Envoy; anything else is what the client gets.
pub(super) async fn verdict(
    answer: Response<UpstreamBody>,
    to_backend: &[HeaderName],
) -> Result<ExtAuthVerdict, Unanswered> {
    let (parts, body) = answer.into_parts();
    if parts.status.is_server_error() || parts.status.is_informational() {
        return Err(Unanswered::Status(parts.status));
    }
    if parts.status == StatusCode::OK {
        let mut vetted = Vetted::default();
        for name in to_backend.iter().filter(|name| is_free(name)) {
            // What the service does not say, the client cannot say in its place.
            vetted.request.push((name.clone(), HeaderChange::Remove));
            let values = parts.headers.get_all(name).iter();
            vetted.request.extend(values.map(|value| (name.clone(), HeaderChange::Append(value.clone()))));
        }
        return Ok(ExtAuthVerdict::Allowed(vetted));
    }
    match read(body, MAX_ANSWER).await {
        Ok((body, _)) => {
            let headers = relayed(parts.headers);
            Ok(ExtAuthVerdict::Denied(ExtAuthDenial {
                status: parts.status,
                headers,
                body,
                metadata: Map::new(),
            }))
        }
        Err(Unread::TooLarge) => Err(Unanswered::TooLarge),
        Err(Unread::Failed(failure)) => Err(failure.into()),
    }
}
