//! Lines in a format that somebody wrote, with Envoy's command operators.

mod attributes;
mod metadata;
mod value;

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, any_value},
    logs::v1::LogRecord,
};
use tollgate_core::Settled;
use tollgate_snapshot::{AccessLogRule, Field, Format, LogScope, Piece, Shape};

use self::{
    attributes::Credentials,
    value::{Value, value},
};
use super::{Clock, escape::json_string};
use crate::{attributes::HeaderAttribute, trace};

/// A request that is to be written, and what is needed for it.
pub(crate) struct Lines<'a> {
    pub(crate) settled: &'a Settled,
    /// Request headers that are attributes of the log.
    pub(crate) attributes: &'a [HeaderAttribute],
    pub(crate) clock: &'a mut Clock,
}

/// What becomes of bytes that could end a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    /// They are written as `\xNN`
    Here,
    /// Whoever takes the text takes care of them
    Later,
}

// === impl Lines ===

impl Lines<'_> {
    /// Whether this log is about the request.
    pub(crate) fn wanted_by(&self, rule: &AccessLogRule) -> bool {
        let routed = self.settled.record.rule.is_some();
        let in_scope = match rule.scope {
            LogScope::All => true,
            LogScope::Routed => routed,
            LogScope::Unrouted => !routed,
        };
        let matches = |filter: &tollgate_auth::Expression| {
            // What fails is not true.
            filter.holds(|root| self.attribute(root, Credentials::Seen)).unwrap_or(false)
        };
        in_scope && (rule.filters.is_empty() || rule.filters.iter().any(matches))
    }

    /// An attribute of the request.
    fn attribute(&self, root: tollgate_auth::Root, credentials: Credentials) -> cel::Value {
        attributes::of(root, (self.settled, self.attributes), credentials)
    }

    /// Appends the line, with its line feed.
    pub(crate) fn write(&mut self, format: &Format, out: &mut Vec<u8>) {
        match format.shape() {
            Shape::Text(pieces) => self.text(pieces, Escape::Here, out),
            Shape::Json(members) => {
                out.push(b'{');
                for (position, (key, pieces)) in members.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    json_string(key.as_bytes(), out);
                    out.push(b':');
                    self.member(pieces, out);
                }
                out.push(b'}');
            }
        }
        out.push(b'\n');
    }

    /// The line for a collector: a text is its body, the members of a JSON line are texts that are its attributes.
    pub(crate) fn record(&mut self, format: &Format) -> LogRecord {
        let said = |lines: &mut Self, pieces: &[Piece]| {
            let mut text = Vec::new();
            lines.text(pieces, Escape::Later, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        };
        let (mut body, mut attributes) = (None, Vec::new());
        match format.shape() {
            Shape::Text(pieces) => {
                body = Some(AnyValue { value: Some(any_value::Value::StringValue(said(self, pieces))) });
            }
            Shape::Json(members) => {
                attributes.extend(members.iter().map(|(key, pieces)| trace::text(key, &said(self, pieces))));
            }
        }
        let record = &self.settled.record;
        let began = record.began.unix_ms.saturating_mul(1_000_000);
        let took = self.settled.ended.saturating_duration_since(record.began.instant).as_nanos();
        LogRecord {
            time_unix_nano: began,
            observed_time_unix_nano: began.saturating_add(u64::try_from(took).unwrap_or(u64::MAX)),
            body,
            attributes,
            trace_id: record.trace.trace_id.to_vec(),
            span_id: record.trace.span_id.to_vec(),
            flags: u32::from(record.trace.sampled),
            ..LogRecord::default()
        }
    }

    fn text(&mut self, pieces: &[Piece], escape: Escape, out: &mut Vec<u8>) {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Field(field) => self.value(field).text(field.most, escape, out),
            }
        }
    }

    fn member(&mut self, pieces: &[Piece], out: &mut Vec<u8>) {
        match pieces {
            [Piece::Field(field)] => self.value(field).json(field.most, out),
            [Piece::Literal(text)] => json_string(text.as_bytes(), out),
            pieces => {
                let mut text = Vec::new();
                self.text(pieces, Escape::Later, &mut text);
                json_string(&text, out);
            }
        }
    }

    fn value<'v>(&'v mut self, field: &'v Field) -> Value<'v> {
        value(&field.operator, self)
    }
}

#[cfg(test)]
mod tests;
