use http::{
    Request, Uri, Version,
    header::HOST,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{Failure, Origin, Payload, failure::cause};

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
