use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Grant, Issuer, Rejected};
use crate::{reply::Reply, request::Request};

/// Seconds for which a key set may be held.
const KEYS_LAST: &str = "max-age=60";

/// The issuer's reply, where the path is one of its own. `now` is in seconds since 1970.
pub(crate) fn answer(request: &Request<'_>, issuer: &Issuer, now: u64) -> Option<Reply> {
    match (request.method, request.path) {
        ("GET", "/.well-known/jwks.json") => {
            let mut reply = json_reply(200, &issuer.jwks());
            reply.headers.push(("cache-control", KEYS_LAST.into()));
            Some(reply)
        }
        ("POST", "/token") => Some(token(request, issuer, now)),
        ("POST", "/rotate") => Some(rotate(request, issuer)),
        (_, "/token" | "/rotate") => Some(problem(405, "invalid_request", "ask with POST")),
        (_, path) if path == "/authz" || path.starts_with("/authz/") => Some(check(request, issuer, now)),
        _ => None,
    }
}

fn token(request: &Request<'_>, issuer: &Issuer, now: u64) -> Reply {
    let defaults = Grant::default();
    let Some(tenant) = parameter(request, "tenant").filter(|tenant| !tenant.is_empty()) else {
        return problem(400, "invalid_request", "tenant is missing");
    };
    let expires_in = match parameter(request, "expires_in").map(|text| text.parse()) {
        None => defaults.expires_in,
        Some(Ok(seconds)) => seconds,
        Some(Err(_)) => return problem(400, "invalid_request", "expires_in is no number of seconds"),
    };
    let grant = Grant {
        subject: parameter(request, "sub").unwrap_or_else(|| format!("user@{tenant}")),
        scope: parameter(request, "scope").unwrap_or(defaults.scope),
        audience: parameter(request, "aud"),
        tenant,
        expires_in,
    };
    match issuer.token(&grant, now) {
        Ok(token) => {
            let scope = grant.scope;
            let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": expires_in, "scope": scope});
            let mut reply = json_reply(200, &body);
            reply.headers.push(("cache-control", "no-store".into()));
            reply
        }
        Err(error) => problem(500, "server_error", &error.to_string()),
    }
}

fn rotate(request: &Request<'_>, issuer: &Issuer) -> Reply {
    let keep = match parameter(request, "keep").map(|text| text.parse()) {
        None => 1,
        Some(Ok(count)) => count,
        Some(Err(_)) => return problem(400, "invalid_request", "keep is no number of keys"),
    };
    match issuer.rotate(keep) {
        Ok(kid) => json_reply(200, &json!({"kid": kid})),
        Err(error) => problem(500, "server_error", &error.to_string()),
    }
}

/// External authorization over HTTP: 200 lets the request in.
fn check(request: &Request<'_>, issuer: &Issuer, now: u64) -> Reply {
    match bearer(request).and_then(|token| issuer.check(token, now)) {
        Ok(claims) => {
            let mut reply = json_reply(200, &json!({"allowed": true}));
            // Only what the issuer itself has signed is in there, and a header holds no control characters.
            let tenant = claims["tenant"].as_str().unwrap_or_default();
            if tenant.bytes().all(|byte| byte.is_ascii_graphic()) {
                reply.headers.push(("x-tenant", tenant.to_owned()));
            }
            reply
        }
        Err(rejected) => {
            let status = if rejected == Rejected::Tenant { 403 } else { 401 };
            let mut reply = problem(status, "access_denied", &rejected.to_string());
            if status == 401 {
                // A 401 names the way to log in (RFC 9110 section 15.5.2), and goes to the client as it is.
                reply.headers.push(("www-authenticate", "Bearer".into()));
            }
            reply
        }
    }
}

fn bearer<'a>(request: &Request<'a>) -> Result<&'a str, Rejected> {
    let value = request.header("authorization").ok_or(Rejected::Missing)?;
    let (scheme, token) = value.split_once(' ').ok_or(Rejected::Missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(Rejected::Missing) }
}

/// The first parameter of this name in the query, decoded.
fn parameter(request: &Request<'_>, wanted: &str) -> Option<String> {
    let pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find_map(|(name, value)| (name == wanted).then_some(value))?;
    let value = value.replace('+', " ");
    Some(percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

fn problem(status: u16, error: &str, description: &str) -> Reply {
    json_reply(status, &json!({"error": error, "error_description": description}))
}

fn json_reply(status: u16, body: &Value) -> Reply {
    Reply::json(status, body.to_string())
}
