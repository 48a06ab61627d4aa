use std::{
    collections::BTreeMap,
    fmt::{Display, Write as _},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{
    family::{Buckets, Family, Kind, Spec},
    process::Process,
    shard::{Labels, Shard},
};
use crate::{attributes::HeaderAttribute, telemetry::Build};

/// All shards added up.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    series: BTreeMap<(Family, Labels), Vec<u64>>,
}

/// Prometheus' text format, version 0.0.4.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    out: String,
}

// === impl Totals ===

impl Totals {
    pub(crate) fn of(shards: &[Arc<Shard>]) -> Self {
        let mut this = Self::default();
        for series in shards.iter().flat_map(|shard| shard.series()) {
            let sum = this
                .series
                .entry((series.family, series.labels))
                .or_insert_with(|| vec![0; series.cells.len()]);
            for (total, cell) in sum.iter_mut().zip(series.cells.iter()) {
                *total = total.wrapping_add(cell.load(Relaxed));
            }
        }
        this
    }

    /// The first cell of every series of a family, with its labels.
    pub(crate) fn of_family(&self, family: Family) -> impl Iterator<Item = (&Labels, u64)> {
        self.series
            .iter()
            .filter(move |((of, _), _)| *of == family)
            .map(|((_, labels), cells)| (labels, cells.first().copied().unwrap_or_default()))
    }

    pub(crate) fn write(&self, out: &mut Exposition, attributes: &[HeaderAttribute]) {
        let extra: Vec<String> = attributes.iter().map(|attribute| label_name(&attribute.name)).collect();
        let mut current = None;
        for ((family, labels), cells) in &self.series {
            let spec = family.spec();
            if current != Some(*family) {
                current = Some(*family);
                out.family(spec.name, spec.help, spec.kind.word());
            }
            let extra: &[String] = if family.takes_attributes() { &extra } else { &[] };
            let names = spec.labels.iter().copied().chain(extra.iter().map(String::as_str));
            let labels: Vec<(&str, &str)> = names
                .zip(labels.iter())
                .map(|(name, value)| (name, &**value))
                .filter(|(_, value)| !value.is_empty())
                .collect();
            out.series(&spec, &labels, cells);
        }
    }
}

/// OpenTelemetry's names in Prometheus' alphabet.
fn label_name(attribute: &str) -> String {
    let mut name: String =
        attribute.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

// === impl Kind ===

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

// === impl Exposition ===

impl Exposition {
    pub(crate) const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    pub(crate) fn finish(self) -> String {
        self.out
    }

    pub(crate) fn family(&mut self, name: &str, help: &str, kind: &str) {
        self.out.push_str("# HELP ");
        self.out.push_str(name);
        self.out.push(' ');
        escape(help, &mut self.out);
        self.out.push_str("\n# TYPE ");
        self.out.push_str(name);
        self.out.push(' ');
        self.out.push_str(kind);
        self.out.push('\n');
    }

    /// A family of one series without labels.
    pub(crate) fn single(&mut self, name: &str, help: &str, kind: &str, value: impl Display) {
        self.family(name, help, kind);
        self.sample(name, &[], value);
    }

    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.line(name, "", labels, None, value);
    }

    /// Who we are, and what the kernel says of us.
    pub(crate) fn about(&mut self, build: &Build) {
        let name = "tollgate_build_info";
        self.family(name, "Always 1; its labels say what runs.", "gauge");
        self.sample(name, &[("version", build.version), ("commit", build.commit)], 1);
        if let Some(process) = Process::read() {
            process.write(self);
        }
    }

    fn series(&mut self, spec: &Spec, labels: &[(&str, &str)], cells: &[u64]) {
        let first = cells.first().copied().unwrap_or_default();
        match spec.kind {
            Kind::Counter => self.sample(spec.name, labels, first),
            // A request whose beginning was not told must not show as less than nothing.
            Kind::Gauge => self.sample(spec.name, labels, first.cast_signed().max(0)),
            Kind::Histogram(buckets) => self.histogram((spec.name, buckets), labels, cells),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "sums are shown, not counted with")]
    fn histogram(&mut self, (name, buckets): (&str, Buckets), labels: &[(&str, &str)], cells: &[u64]) {
        let Buckets { bounds, per_base } = buckets;
        let mut count = 0_u64;
        for (bound, cell) in bounds.iter().zip(cells) {
            count = count.wrapping_add(*cell);
            let bound = (*bound as f64 / per_base).to_string();
            self.line(name, "_bucket", labels, Some(&bound), count);
        }
        count = count.wrapping_add(cells.get(bounds.len()).copied().unwrap_or_default());
        let sum = cells.get(bounds.len() + 1).copied().unwrap_or_default() as f64 / per_base;
        self.line(name, "_bucket", labels, Some("+Inf"), count);
        self.line(name, "_sum", labels, None, sum);
        self.line(name, "_count", labels, None, count);
    }

    #[expect(clippy::too_many_arguments, reason = "the five parts of a line, in their order")]
    fn line(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &[(&str, &str)],
        bound: Option<&str>,
        value: impl Display,
    ) {
        self.out.push_str(name);
        self.out.push_str(suffix);
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut open = false;
        for (label, text) in labels {
            self.out.push(if open { ',' } else { '{' });
            open = true;
            self.out.push_str(label);
            self.out.push_str("=\"");
            escape(text, &mut self.out);
            self.out.push('"');
        }
        if open {
            self.out.push('}');
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, " {value}");
    }
}

/// In values and in help texts alike, though help texts need no escaped quotes.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}
