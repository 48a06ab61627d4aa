use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use opentelemetry_proto::tonic::metrics::v1::Metric;

use super::{
    family::{Buckets, Family, Kind, Spec},
    otlp::Otlp,
    process::Process,
    shard::{Labels, Shard},
    text::{Text, label_name},
};
use crate::{attributes::HeaderAttribute, telemetry::Build};

/// All shards added up.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    series: BTreeMap<(Family, Labels), Vec<u64>>,
}

/// Counts on their way out.
#[derive(Debug)]
pub(crate) enum Exposition {
    /// To Prometheus
    Text(Text),
    /// To a collector
    Otlp(Otlp),
}

/// What a sample says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Whole(u64),
    Real(f64),
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
        let extra: Vec<String> = attributes.iter().map(|attribute| out.label(&attribute.name)).collect();
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

    /// For Prometheus.
    pub(crate) fn text() -> Self {
        Self::Text(Text::default())
    }

    /// For a collector. The times are when counting began and now, in unix nanoseconds.
    pub(crate) fn otlp(began: u64, now: u64) -> Self {
        Self::Otlp(Otlp::new(began, now))
    }

    /// What Prometheus reads; nothing where it is for a collector.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Text(text) => text.finish(),
            Self::Otlp(_) => String::new(),
        }
    }

    /// What collectors read; nothing where it is for Prometheus.
    pub(crate) fn into_metrics(self) -> Vec<Metric> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::Otlp(otlp) => otlp.finish(),
        }
    }

    /// What an attribute of OpenTelemetry is called.
    fn label(&self, attribute: &str) -> String {
        match self {
            Self::Text(_) => label_name(attribute),
            Self::Otlp(_) => attribute.to_owned(),
        }
    }

    pub(crate) fn family(&mut self, name: &str, help: &str, kind: &str) {
        match self {
            Self::Text(text) => text.family(name, help, kind),
            Self::Otlp(otlp) => otlp.family(name, help, kind),
        }
    }

    /// A family of one series without labels.
    pub(crate) fn single(&mut self, name: &str, help: &str, kind: &str, value: impl Into<Number>) {
        self.family(name, help, kind);
        self.sample(name, &[], value);
    }

    /// One value of the last family.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Into<Number>) {
        match self {
            Self::Text(text) => text.sample(name, labels, value.into()),
            Self::Otlp(otlp) => otlp.sample(labels, value.into()),
        }
    }

    /// Who we are, and what the kernel says of us.
    pub(crate) fn about(&mut self, build: &Build) {
        let name = "tollgate_build_info";
        self.family(name, "Always 1; its labels say what runs.", "gauge");
        self.sample(name, &[("version", build.version), ("commit", build.commit)], 1_u64);
        if let Some(process) = Process::read() {
            process.write(self);
        }
    }

    fn series(&mut self, spec: &Spec, labels: &[(&str, &str)], cells: &[u64]) {
        let first = cells.first().copied().unwrap_or_default();
        match spec.kind {
            Kind::Counter => self.sample(spec.name, labels, first),
            // A request whose beginning was not told must not show as less than nothing.
            Kind::Gauge => self.sample(spec.name, labels, first.cast_signed().max(0).cast_unsigned()),
            Kind::Histogram(buckets) => self.histogram((spec.name, buckets), labels, cells),
        }
    }

    fn histogram(&mut self, (name, buckets): (&str, Buckets), labels: &[(&str, &str)], cells: &[u64]) {
        match self {
            Self::Text(text) => text.histogram((name, buckets), labels, cells),
            Self::Otlp(otlp) => otlp.histogram(buckets, labels, cells),
        }
    }
}

// === impl Number ===

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u8> for Number {
    fn from(number: u8) -> Self {
        Self::Whole(number.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

// === impl Buckets ===

impl Buckets {
    /// Upper bounds as they are shown.
    #[expect(clippy::cast_precision_loss, reason = "bounds are shown, not counted with")]
    pub(super) fn shown(self) -> impl Iterator<Item = f64> {
        self.bounds.iter().map(move |bound| *bound as f64 / self.per_base)
    }

    /// The sum that stands behind the counts, as it is shown.
    #[expect(clippy::cast_precision_loss, reason = "sums are shown, not counted with")]
    pub(super) fn sum(self, cells: &[u64]) -> f64 {
        cells.get(self.bounds.len() + 1).copied().unwrap_or_default() as f64 / self.per_base
    }
}
