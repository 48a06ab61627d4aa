//! `responseOverride` of a BackendTrafficPolicy: what clients get in place of some replies.

use std::ops::RangeInclusive;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use tollgate_resources::{
    OverrideRedirect, OverrideResponse, RateLimitHeaderMatch, RateLimitMatchType, ResponseOverride,
    ResponseSource, StatusCodeMatch,
};
use tollgate_snapshot::{
    Format, FormatError, HeaderEdit, OverrideWith, PathRewrite, Piece, Redirect, ReplyHeader, ReplyOverride,
    ReplySource, Shape, TextMatch,
};

use crate::{Fault, bodies, making::Making, matches, mutations, notes::At};

/// One `responseOverride[]`, at its place.
pub(crate) fn reply_override(
    spec: &ResponseOverride,
    at: &At<'_>,
    making: &mut Making<'_, '_, '_>,
) -> Result<ReplyOverride, Fault> {
    let ResponseOverride { matches, source, response, redirect } = spec;
    let headers = matches.response_headers.iter().map(header).collect::<Result<_, _>>()?;
    let with = match (response, redirect) {
        (Some(response), _) => self::response(response, &at.to(".response"), making)?,
        (None, Some(redirect)) => OverrideWith::Redirect(self::redirect(redirect)),
        (None, None) => return Err(Fault::new("missing-field", "the override says nothing to answer with")),
    };
    Ok(ReplyOverride {
        statuses: matches.status_codes.iter().filter_map(statuses).collect(),
        headers,
        source: match source {
            ResponseSource::All => ReplySource::All,
            ResponseSource::Local => ReplySource::Local,
            ResponseSource::Backend => ReplySource::Backend,
        },
        with,
    })
}

fn statuses(spec: &StatusCodeMatch) -> Option<RangeInclusive<u16>> {
    match (spec.value, spec.range) {
        (Some(value), _) => Some(value..=value),
        (None, Some(range)) => Some(range.start..=range.end),
        (None, None) => None,
    }
}

fn header(spec: &RateLimitHeaderMatch) -> Result<ReplyHeader, Fault> {
    let RateLimitHeaderMatch { match_type, name, value, invert } = spec;
    let text = value.as_deref().unwrap_or_default();
    let value = match match_type {
        RateLimitMatchType::Exact => Some(TextMatch::Exact(text.into())),
        RateLimitMatchType::RegularExpression => Some(TextMatch::Regex(matches::whole(text)?)),
        RateLimitMatchType::Distinct => None,
    };
    Ok(ReplyHeader { name: matches::header_name(name)?, value, invert: *invert })
}

fn response(
    spec: &OverrideResponse,
    at: &At<'_>,
    making: &mut Making<'_, '_, '_>,
) -> Result<OverrideWith, Fault> {
    let OverrideResponse { content_type, body, status_code, header } = spec;
    let status = status_code.map(StatusCode::from_u16).transpose();
    let status = status.map_err(|_| Fault::new("invalid-status", "statusCode is no HTTP status"))?;
    let mut headers = match header {
        Some(modifier) => mutations::edit(modifier, &at.to(".header"), making.notes),
        None => HeaderEdit::default(),
    };
    if let Some(content_type) = content_type {
        let value = HeaderValue::from_str(content_type).map_err(|_| {
            Fault::new("invalid-header-value", "contentType has characters that no header can carry")
        })?;
        headers.set.push((CONTENT_TYPE, value));
    }
    let body = match body {
        Some(body) => bodies::body(body, making.namespace, making.world)?,
        None => Bytes::new(),
    };
    if has_operators(&body) {
        let fault = Fault::not_served("a command operator in the body of a responseOverride");
        making.notes.warning(&at.to(".body"), fault.help("the body is sent as it is written"));
    }
    Ok(OverrideWith::Response { status, headers, body })
}

/// True where Envoy would put something in place of `%…%`.
fn has_operators(body: &Bytes) -> bool {
    match std::str::from_utf8(body).map(Format::parse) {
        Ok(Ok(format)) => match format.shape() {
            Shape::Text(pieces) => pieces.iter().any(|piece| matches!(piece, Piece::Field(_))),
            Shape::Json(_) => false,
        },
        Ok(Err(error)) => matches!(error, FormatError::NotServed(_)),
        Err(_) => false,
    }
}

fn redirect(spec: &OverrideRedirect) -> Redirect {
    let OverrideRedirect { scheme, hostname, path, port, status_code } = spec;
    let full = path.as_ref().and_then(|path| path.replace_full_path.as_deref());
    Redirect {
        scheme: scheme.as_deref().map(Into::into),
        hostname: hostname.as_deref().map(Into::into),
        path: full.map(|path| PathRewrite::Full(path.into())),
        port: *port,
        status: StatusCode::from_u16(status_code.unwrap_or(302)).unwrap_or(StatusCode::FOUND),
    }
}
