use http::{
    HeaderValue, Request, Uri, Version,
    header::HOST,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{Failure, Origin, Payload, failure::cause};

/// Origin form and a `Host` field, as RFC 9112 section 3.2 asks for.
pub(crate) fn for_http1(request: &mut Request<Payload>, origin: &Origin) -> Result<(), Failure> {
    *request.version_mut() = Version::HTTP_11;
    if !request.headers().contains_key(HOST) {
        let authority = request
            .uri()
            .authority()
            .map_or_else(|| origin.authority(), |authority| authority.as_str().to_owned());
        let host = HeaderValue::try_from(authority).map_err(|_| unusable())?;
        request.headers_mut().insert(HOST, host);
    }
    if request.uri().authority().is_some() {
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
    }
    Ok(())
}

/// Scheme and authority in the target and no `Host` field, as RFC 9113 section 8.3.1 asks for.
pub(crate) fn for_http2(request: &mut Request<Payload>, origin: &Origin) -> Result<(), Failure> {
    *request.version_mut() = Version::HTTP_2;
    let host = request.headers_mut().remove(HOST);
    let authority = match (host, request.uri().authority()) {
        (Some(host), _) => Authority::try_from(host.as_bytes()).map_err(|_| unusable())?,
        (None, Some(authority)) => authority.clone(),
        (None, None) => Authority::try_from(origin.authority()).map_err(|_| unusable())?,
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(if origin.tls().is_some() { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority);
    parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| unusable())?;
    Ok(())
}

fn unusable() -> Failure {
    Failure::Request(cause("the host of the request is not valid"))
}
