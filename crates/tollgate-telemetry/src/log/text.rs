use std::{io::Write as _, time::Duration};

use tollgate_core::{Record, Settled};

use super::{Clock, escape::plain, mask::masked};
use crate::end;

/// Escape sequences, or nothing.
#[derive(Debug)]
pub(crate) struct Palette {
    good: &'static str,
    warn: &'static str,
    bad: &'static str,
    dim: &'static str,
    bold: &'static str,
    reset: &'static str,
}

pub(crate) const PLAIN: Palette = Palette { good: "", warn: "", bad: "", dim: "", bold: "", reset: "" };
pub(crate) const COLOURS: Palette = Palette {
    good: "\x1b[32m",
    warn: "\x1b[33m",
    bad: "\x1b[31m",
    dim: "\x1b[2m",
    bold: "\x1b[1m",
    reset: "\x1b[0m",
};

/// `time status method path duration route → backend  model  tokens  what went wrong`
pub(crate) fn line(settled: &Settled, palette: &Palette, clock: &mut Clock, out: &mut Vec<u8>) {
    let record = &settled.record;
    let Palette { good, warn, bad, dim, bold, reset } = palette;
    let code = record.status.map_or(0, |status| status.as_u16());
    let colour = match code {
        200..=399 => good,
        400..=499 => warn,
        _ => bad,
    };
    out.extend_from_slice(dim.as_bytes());
    clock.write(record.began.unix_ms, out);
    // Writing to a vector cannot fail, here and below.
    let _ = write!(out, "{reset} {colour}{code:03}{reset} {bold}{}{reset} ", record.head.method);
    let path = record.head.uri.path_and_query().map_or("/", |path| path.as_str());
    plain(masked(path).as_bytes(), out);
    out.push(b' ');
    time(settled.ended.saturating_duration_since(record.began.instant), out);
    if let Some(first) = record.first_byte.filter(|_| record.model_asked.is_some()) {
        out.extend_from_slice(b" (first token ");
        time(first.saturating_duration_since(record.began.instant), out);
        out.push(b')');
    }
    let _ = write!(out, " {dim}");
    way(record, out);
    out.extend_from_slice(reset.as_bytes());
    models(record, out);
    for (key, cost) in &settled.costs {
        out.push(b' ');
        plain(key.as_bytes(), out);
        let _ = write!(out, "={cost}");
    }
    trouble(settled, palette, out);
    let _ = write!(out, " {dim}");
    plain(record.request_id.as_bytes(), out);
    let _ = writeln!(out, "{reset}");
}

fn way(record: &Record, out: &mut Vec<u8>) {
    match (&record.rule, &record.listener) {
        (Some(rule), _) => plain(rule.id.as_str().as_bytes(), out),
        (None, Some(listener)) => plain(listener.id.as_str().as_bytes(), out),
        (None, None) => plain(record.host.as_bytes(), out),
    }
    for attempt in &record.attempts {
        out.extend_from_slice(" → ".as_bytes());
        plain(attempt.backend.id.as_str().as_bytes(), out);
        if let Some(address) = &attempt.address {
            out.push(b'@');
            plain(address.as_bytes(), out);
        }
        match (&attempt.failure, attempt.status) {
            (Some(failure), _) => drop(write!(out, " ({})", failure.word())),
            (None, Some(status)) if record.attempts.len() > 1 => drop(write!(out, " ({})", status.as_u16())),
            (None, _) => {}
        }
    }
}

fn models(record: &Record, out: &mut Vec<u8>) {
    let Some(asked) = &record.model_asked else { return };
    out.push(b' ');
    plain(asked.as_str().as_bytes(), out);
    let mut last = asked.as_str();
    let names = [record.model_sent.as_ref().map(|model| model.as_str()), record.model_served.as_deref()];
    for name in names.into_iter().flatten() {
        if name != last {
            out.extend_from_slice(" → ".as_bytes());
            plain(name.as_bytes(), out);
            last = name;
        }
    }
    let usage = &record.usage;
    if usage.is_empty() {
        return;
    }
    if record.usage_estimated {
        out.extend_from_slice(b" about");
    }
    let _ = write!(out, " {} in", usage.input.unwrap_or_default());
    if let Some(cached) = usage.cached_input.filter(|cached| cached.0 > 0) {
        let _ = write!(out, " ({cached} cached)");
    }
    let _ = write!(out, " {} out", usage.output.unwrap_or_default());
    if let Some(reasoning) = usage.reasoning.filter(|reasoning| reasoning.0 > 0) {
        let _ = write!(out, " ({reasoning} reasoning)");
    }
}

fn trouble(settled: &Settled, palette: &Palette, out: &mut Vec<u8>) {
    let Some(detail) = end::detail(settled) else { return };
    let Palette { bad, reset, .. } = palette;
    let _ = write!(out, " {bad}{}: ", end::word(&settled.end));
    plain(detail.as_bytes(), out);
    let _ = write!(out, "{reset} [{}]", end::flags(settled));
}

/// Three digits or so, in the unit that a person would choose.
fn time(duration: Duration, out: &mut Vec<u8>) {
    let micros = duration.as_micros();
    let _ = match micros {
        0..1000 => write!(out, "{micros}µs"),
        1000..100_000 => write!(out, "{}.{}ms", micros / 1000, micros % 1000 / 100),
        100_000..1_000_000 => write!(out, "{}ms", micros / 1000),
        _ => write!(out, "{}.{:02}s", micros / 1_000_000, micros % 1_000_000 / 10_000),
    };
}
