//! What probes, scrapers and people may ask of the extension server.
use std::{fmt::Write as _, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use tokio::net::TcpListener;
use tollgate_net::serve_few;
use tollgate_types::Diagnostic;

use super::server::{Called, Extension};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

type Reply = Response<Full<Bytes>>;

// === impl Extension ===

impl Extension {
    /// Serves `/healthz`, `/health`, `/readyz`, `/metrics` and `/config` on a socket until it is dropped.
    pub async fn admin(self: Arc<Self>, listener: TcpListener) {
        serve_few(listener, move |head| self.answer(&head.method, head.uri.path())).await;
    }

    /// Answers one request.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str) -> Reply {
        if method != Method::GET && method != Method::HEAD {
            return reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned());
        }
        match path {
            "/healthz" => reply(StatusCode::OK, TEXT, "OK\n".to_owned()),
            "/health" | "/readyz" if self.is_ready() => reply(StatusCode::OK, TEXT, "OK\n".to_owned()),
            "/health" | "/readyz" => {
                reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "no configuration is loaded\n".to_owned())
            }
            "/metrics" => reply(StatusCode::OK, METRICS, self.metrics()),
            "/config" => reply(StatusCode::OK, JSON, self.config()),
            _ => reply(StatusCode::NOT_FOUND, TEXT, "not found\n".to_owned()),
        }
    }

    fn metrics(&self) -> String {
        let Called { route, cluster, endpoints, translate, failed } = self.called();
        let mut text = String::new();
        let name = "tollgate_extension_calls_total";
        text.push_str(&format!("# HELP {name} Calls of Envoy Gateway's hooks.\n# TYPE {name} counter\n"));
        for (hook, count) in
            [("route", route), ("cluster", cluster), ("endpoints", endpoints), ("translation", translate)]
        {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{name}{{hook=\"{hook}\"}} {count}");
        }
        let findings = self.notes().0.len();
        let ready = u8::from(self.is_ready());
        let _ = write!(
            text,
            "# HELP tollgate_extension_failed_total Calls that could not be answered.\n\
             # TYPE tollgate_extension_failed_total counter\n\
             tollgate_extension_failed_total {failed}\n\
             # HELP tollgate_extension_findings What is wrong with what went to Envoy last.\n\
             # TYPE tollgate_extension_findings gauge\n\
             tollgate_extension_findings {findings}\n\
             # HELP tollgate_extension_ready Whether a configuration is loaded.\n\
             # TYPE tollgate_extension_ready gauge\n\
             tollgate_extension_ready {ready}\n"
        );
        text
    }

    fn config(&self) -> String {
        let Called { route, cluster, endpoints, translate, failed } = self.called();
        let notes = self.notes();
        let findings: Vec<_> = notes.iter().map(finding).collect();
        let shown = serde_json::json!({
            "ready": self.is_ready(),
            "hooks": {
                "route": route,
                "cluster": cluster,
                "endpoints": endpoints,
                "translation": translate,
                "failed": failed,
            },
            "findings": findings,
            "problems": *self.problems(),
        });
        shown.to_string()
    }
}

fn finding(note: &Diagnostic) -> serde_json::Value {
    serde_json::json!({ "code": note.code, "message": note.message, "help": note.help })
}

fn reply(status: StatusCode, kind: HeaderValue, text: String) -> Reply {
    let mut reply = Response::new(Full::from(text));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::extension::{Plan, Settings};

    fn get(own: &Extension, path: &str) -> (u16, String) {
        let (head, body) = own.answer(&Method::GET, path).into_parts();
        let body = futures_util::FutureExt::now_or_never(body.collect()).unwrap().unwrap();
        (head.status.as_u16(), String::from_utf8(body.to_bytes().to_vec()).unwrap())
    }

    #[test]
    fn it_is_ready_once_something_is_loaded() {
        let own = Extension::new(Settings::default());
        assert_eq!(
            (get(&own, "/healthz").0, get(&own, "/readyz").0, get(&own, "/health").0),
            (200, 503, 503)
        );
        own.publish(Plan::default(), vec!["a.yaml:1:1: odd".to_owned()]);
        assert_eq!((get(&own, "/readyz").0, get(&own, "/health").0), (200, 200));
        assert!(get(&own, "/config").1.contains("a.yaml:1:1: odd"));
        assert!(get(&own, "/metrics").1.contains("\ntollgate_extension_ready 1\n"));
        assert!(get(&own, "/metrics").1.contains("tollgate_extension_calls_total{hook=\"translation\"} 0\n"));
        assert_eq!(get(&own, "/else").0, 404);
        assert_eq!(own.answer(&Method::POST, "/config").status(), 405);
    }
}
