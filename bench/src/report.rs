use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use crate::{cases::MEASURED, policies, reloads};

/// Everything measured in one run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) columns: Vec<Column>,
}

/// One gateway, or the harness without one.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Why there are no figures at all.
    pub(crate) skipped: Option<String>,
    pub(crate) cells: BTreeMap<String, f64>,
    /// Why a figure is missing or to be doubted, by the same keys.
    pub(crate) notes: BTreeMap<String, String>,
}

/// One line of the table.
#[derive(Clone, Debug)]
struct Row {
    key: String,
    title: String,
    /// The better direction is down, and the ratio to the baselines says something.
    has_ratio: bool,
}

pub(crate) const HELD: [usize; 5] = [64, 128, 256, 512, 1000];
pub(crate) const BOUNDS: [u64; 3] = [1, 5, 10];

// === impl Column ===

impl Column {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    pub(crate) fn set(&mut self, key: impl Into<String>, value: f64) {
        self.cells.insert(key.into(), value);
    }

    pub(crate) fn note(&mut self, key: impl Into<String>, why: impl Into<String>) {
        self.notes.insert(key.into(), why.into());
    }
}

// === impl Report ===

impl Report {
    /// The table, the ratios in its last columns, and the notes below.
    pub(crate) fn markdown(&self) -> String {
        let shown: Vec<&Column> = self.columns.iter().filter(|column| column.skipped.is_none()).collect();
        let find = |name: &str| shown.iter().find(|column| column.name == name).copied();
        let (ours, naive, envoy) = (find("tollgate"), find("naive hyper"), find("Envoy"));
        let ratios = [(ours, naive), (ours, envoy), (find("Envoy + tollgate"), envoy)];
        let mut out = format!("{}\n\n|  |", self.machine);
        for column in &shown {
            let _ = write!(out, " {} |", column.name);
        }
        out += " tollgate ÷ naive | tollgate ÷ Envoy | Envoy + tollgate ÷ Envoy |\n|---|";
        out += &"--:|".repeat(shown.len() + 3);
        out.push('\n');
        for row in rows() {
            if !shown.iter().any(|column| column.cells.contains_key(&row.key)) {
                continue;
            }
            let _ = write!(out, "| {} |", row.title);
            for column in &shown {
                let cell = column.cells.get(&row.key).map_or_else(|| "–".into(), |value| number(*value));
                let mark = if column.notes.contains_key(&row.key) { "*" } else { "" };
                let _ = write!(out, " {cell}{mark} |");
            }
            for (one, other) in ratios {
                let ratio = one.zip(other).filter(|_| row.has_ratio).and_then(|(one, other)| {
                    Some(one.cells.get(&row.key)? / other.cells.get(&row.key).filter(|value| **value > 0.0)?)
                });
                let _ = write!(out, " {} |", ratio.map_or_else(|| "–".into(), |ratio| format!("{ratio:.2}")));
            }
            out.push('\n');
        }
        out.push('\n');
        for column in &self.columns {
            if let Some(why) = &column.skipped {
                let _ = writeln!(out, "- {}: skipped, {why}", column.name);
            }
            for (key, why) in &column.notes {
                let _ = writeln!(out, "- {}, {key}: {why}", column.name);
            }
        }
        out
    }
}

fn rows() -> Vec<Row> {
    let row = |key: String, title: String, has_ratio| Row { key, title, has_ratio };
    let mut rows = Vec::new();
    for case in MEASURED {
        rows.push(row(format!("cpu.{}", case.key()), format!("CPU µs/request: {}", case.name()), true));
        let title = "of these the processor's".to_owned();
        rows.push(row(format!("beside.cpu.{}", case.key()), title, false));
    }
    rows.push(row("cpu.stream-paced".into(), "CPU µs/event: streams at 20 ms".into(), true));
    for (key, title) in policies::ROWS {
        let title = format!("CPU µs/request: chat, 1 KiB prompt, {title}");
        rows.push(row(format!("policy.{key}"), title, false));
    }
    for case in MEASURED {
        rows.push(row(
            format!("rate.{}", case.key()),
            format!("requests/s, closed loop: {}", case.name()),
            false,
        ));
    }
    for bound in BOUNDS {
        rows.push(row(
            format!("rate.p99-{bound}ms"),
            format!("requests/s with p99 ≤ {bound} ms: chat, 1 KiB"),
            true,
        ));
    }
    for (key, cores) in [("added", "one connection"), ("one-core", "one connection, all on one core")] {
        for (quantile, has_ratio) in
            [("min", false), ("p50", true), ("p90", false), ("p99", true), ("p99.9", false)]
        {
            let title = format!("added µs, {cores}, {quantile} (direct: absolute)");
            rows.push(row(format!("{key}.{quantile}"), title, has_ratio));
        }
    }
    for streams in HELD {
        for (what, title) in [("first", "to first token"), ("frame", "per frame")] {
            for quantile in ["p50", "p99"] {
                rows.push(row(
                    format!("{what}.{streams}.{quantile}"),
                    format!("added µs {title}, {quantile}, {streams} streams (direct: absolute)"),
                    false,
                ));
            }
        }
    }
    for (key, title) in reloads::ROWS {
        rows.push(row(format!("reload.{key}"), title.to_owned(), false));
    }
    rows.push(row("held".into(), "streams held with p99 per frame ≤ 5 ms over direct".into(), false));
    rows.push(row("rss.idle".into(), "RSS MiB, idle".into(), true));
    rows.push(row("rss.loaded".into(), "RSS MiB, after the load above".into(), true));
    for (key, title) in [("few", "1,000"), ("many", "10,000")] {
        rows.push(row(format!("rss.{key}"), format!("RSS MiB, {title} open streams"), true));
        rows.push(row(format!("rss.{key}.each"), format!("KiB per open stream, of {title}"), true));
        rows.push(row(format!("rss.{key}.after"), format!("RSS MiB, after {title} streams closed"), true));
        let title = format!("of these the processor's KiB per open stream, of {title}");
        rows.push(row(format!("beside.{key}.each"), title, false));
    }
    rows.push(row("beside.idle".into(), "RSS MiB of the processor alone, idle".into(), false));
    rows
}

/// Three figures are all that this measures.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
