//! The admin server: probes, metrics, configuration, decisions, and a page for people.

mod cross_site;
mod own_host;
mod serve;
mod state;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};
use http_body_util::Full;
use serde::Serialize;

pub use self::serve::serve;
use self::state::State;
use crate::{
    Phase, Telemetry,
    decisions::{Trail, Wanted},
    metric::Exposition,
    status::Reloads,
};

/// What the admin server tells of.
pub struct Admin {
    /// What was counted.
    pub telemetry: Arc<Telemetry>,
    /// The compiled configuration, credentials left out.
    pub config: Box<dyn Fn(ConfigFormat) -> String + Send + Sync>,
    /// Names that it is called by, besides `localhost` and addresses; under any other one it tells nothing private.
    pub names: Vec<String>,
}

/// How `/config` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigFormat {
    /// For people
    Text,
    /// For programs: where the client accepts JSON, or with `?format=json`
    Json,
}

type Reply = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const FOREIGN_NAME: &str = "this page is served under localhost, an IP address or the machine's own name only, \
                            which keeps other sites from reading it by DNS rebinding\n";
const HIDDEN_METRICS: &str = "metrics are not shown: the EnvoyProxy of every Gateway here says \
                              telemetry.metrics.prometheus.disable: true\n";
/// Nothing but our own files, and nobody may frame them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Serialize)]
struct Ready<'a> {
    ready: bool,
    phase: Phase,
    reloads_ok: u64,
    reloads_failed: u64,
    /// Why the last change was not taken over as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reload_failed: Option<FailedReload<'a>>,
    /// Tokens for providers that cannot be had. Others may still be asked, so it is no reason to be not ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    credentials_failed: Vec<String>,
}

#[derive(Serialize)]
struct FailedReload<'a> {
    unix_ms: u64,
    problems: &'a [String],
}

#[derive(Serialize)]
struct Listed {
    awaited: u32,
    decisions: Vec<Trail>,
}

// === impl Admin ===

impl Admin {
    /// Answers one request; its body is not looked at.
    #[must_use]
    pub fn answer(&self, request: &Parts) -> Reply {
        let path = request.uri.path();
        let read = request.method == Method::GET || request.method == Method::HEAD;
        // Probes and scrapers may call us by any name; what browsers read must not be read by other sites' pages.
        let public = matches!(path, "/healthz" | "/health" | "/readyz" | "/metrics");
        if !public && !own_host::is_meant(request, &self.names) {
            return reply(StatusCode::FORBIDDEN, TEXT, FOREIGN_NAME);
        }
        match path {
            "/decisions" if request.method == Method::POST => self.arm(request),
            "/decisions" if !read => not_allowed("GET, HEAD, POST"),
            _ if !read => not_allowed("GET, HEAD"),
            "/healthz" => reply(StatusCode::OK, TEXT, "OK\n"),
            // Of whom nothing can be had yet nobody should say that all is well.
            "/health" => match self.telemetry.status.phase() {
                Phase::Starting => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "no configuration yet\n"),
                Phase::Serving | Phase::Draining => reply(StatusCode::OK, TEXT, "OK\n"),
            },
            "/readyz" => self.ready(),
            "/metrics" if self.telemetry.hides_metrics() => {
                reply(StatusCode::NOT_FOUND, TEXT, HIDDEN_METRICS)
            }
            "/metrics" => reply(StatusCode::OK, Exposition::CONTENT_TYPE, self.telemetry.metrics()),
            "/config" => self.config(request),
            "/decisions" => {
                let (awaited, decisions) = self.telemetry.decisions.list();
                json(StatusCode::OK, &Listed { awaited, decisions })
            }
            "/state.json" => json(StatusCode::OK, &State::of(&self.telemetry)),
            "/" => page("text/html; charset=utf-8", include_str!("../assets/console.html")),
            "/console.css" => page("text/css; charset=utf-8", include_str!("../assets/console.css")),
            "/console.js" => page("text/javascript; charset=utf-8", include_str!("../assets/console.js")),
            _ => reply(StatusCode::NOT_FOUND, TEXT, "not found\n"),
        }
    }

    fn ready(&self) -> Reply {
        let phase = self.telemetry.status.phase();
        let Reloads { ok, failed, last, .. } = self.telemetry.status.reloads();
        let last_reload_failed = last
            .as_ref()
            .filter(|last| !last.problems.is_empty())
            .map(|last| FailedReload { unix_ms: last.unix_ms, problems: &last.problems });
        let ready = phase == Phase::Serving;
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let credentials_failed = self.telemetry.credentials.problems();
        let (reloads_ok, reloads_failed) = (ok, failed);
        let shown =
            Ready { ready, phase, reloads_ok, reloads_failed, last_reload_failed, credentials_failed };
        json(status, &shown)
    }

    fn config(&self, request: &Parts) -> Reply {
        let accepts = request.headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let asked = parameter(request, "format").as_deref() == Some("json");
        match asked || accepts.is_some_and(|accept| accept.contains("json")) {
            true => reply(StatusCode::OK, JSON, (self.config)(ConfigFormat::Json)),
            false => reply(StatusCode::OK, TEXT, (self.config)(ConfigFormat::Text)),
        }
    }

    fn arm(&self, request: &Parts) -> Reply {
        if cross_site::is_foreign(&request.headers) {
            return reply(StatusCode::FORBIDDEN, TEXT, "requests of other sites are refused\n");
        }
        let count = match parameter(request, "count").as_deref().unwrap_or("1").parse() {
            Ok(count) => count,
            Err(_) => return reply(StatusCode::BAD_REQUEST, TEXT, "count is no whole number\n"),
        };
        let wanted = Wanted { model: parameter(request, "model"), path: parameter(request, "path") };
        let awaited = self.telemetry.decisions.arm(count, wanted);
        json(StatusCode::ACCEPTED, &Listed { awaited, decisions: Vec::new() })
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("telemetry", &self.telemetry).finish_non_exhaustive()
    }
}

/// A parameter of the query, decoded; `None` where it is absent or empty.
fn parameter(request: &Parts, name: &str) -> Option<String> {
    let value =
        request.uri.query()?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}

fn not_allowed(allow: &'static str) -> Reply {
    let mut reply = reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "method not allowed\n");
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    match serde_json::to_vec(body) {
        Ok(body) => reply(status, JSON, body),
        Err(_) => reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "not writable as JSON\n"),
    }
}

fn page(content_type: &'static str, body: &'static str) -> Reply {
    reply(StatusCode::OK, content_type, body)
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    reply
}

#[cfg(test)]
mod tests;
