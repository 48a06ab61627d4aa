use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use tollgate_auth::{Expression, Root};

use crate::Upstream;

mod error;
mod format;
mod header;
mod operator;
mod piece;
mod time;

pub use self::{
    error::FormatError,
    format::{Format, Shape},
    header::{LoggedHeader, LoggedHeaders, is_credential},
    operator::{AddressPart, CelType, CertificatePart, MetadataPath, Namespace, Operator, Remote},
    piece::{Field, Piece},
    time::TimeFormat,
};

/// What is logged of the requests to one Gateway: `EnvoyProxy.spec.telemetry.accessLog`. The default logs nothing,
/// as `disable: true` does.
#[derive(Debug, Default)]
pub struct AccessLogSettings {
    logs: Vec<AccessLogRule>,
    reply_headers: Vec<HeaderName>,
}

/// One of `settings[]`.
#[derive(Debug)]
pub struct AccessLogRule {
    /// `type`
    pub scope: LogScope,
    /// `matches[]`: a request is logged where one of them is true; without any, every one is.
    pub filters: Vec<Expression>,
    /// `format`
    pub format: Format,
    /// `sinks[].file.path`; `/dev/stdout` and `/dev/stderr` are our own.
    pub files: Vec<Arc<str>>,
    /// `sinks[].openTelemetry`
    pub collectors: Vec<Arc<OtlpCollector>>,
}

/// Who takes lines or counts over OTLP (gRPC). Equal ones share a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpCollector {
    /// Where it is.
    pub upstream: Upstream,
    /// Attributes of the resource that they are about.
    pub resource: Vec<(Box<str>, Box<str>)>,
    /// Sent with every batch; marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Which requests a log is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogScope {
    /// All of them (no `type`)
    #[default]
    All,
    /// Those that a route took (`Route`)
    Routed,
    /// Those that no route took (`Listener`)
    Unrouted,
}

// === impl AccessLogSettings ===

impl AccessLogSettings {
    /// Logs that are written beside each other.
    #[must_use]
    pub fn new(logs: Vec<AccessLogRule>) -> Self {
        let mut reply_headers: Vec<_> =
            logs.iter().flat_map(|log| log.format.reply_headers()).cloned().collect();
        // Whatever text an expression over replies has in it may be the name of a header.
        let expressions = logs.iter().flat_map(|log| log.filters.iter().chain(log.format.expressions()));
        let texts = expressions.flat_map(|expression| expression.texts(Root::Response));
        reply_headers.extend(texts.filter_map(|text| text.parse::<HeaderName>().ok()));
        reply_headers.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        reply_headers.dedup();
        Self { logs, reply_headers }
    }

    /// The logs, in the order of the resource.
    #[must_use]
    pub fn logs(&self) -> &[AccessLogRule] {
        &self.logs
    }

    /// Headers of replies that any of them shows: they have to be kept until the request is settled.
    #[must_use]
    pub fn reply_headers(&self) -> &[HeaderName] {
        &self.reply_headers
    }
}

#[cfg(test)]
mod tests;
