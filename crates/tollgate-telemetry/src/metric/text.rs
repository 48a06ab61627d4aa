use std::fmt::{Display, Write as _};

use super::{exposition::Number, family::Buckets};

/// Prometheus' text format, version 0.0.4.
#[derive(Debug, Default)]
pub(crate) struct Text {
    out: String,
}

// === impl Text ===

impl Text {
    pub(super) fn finish(self) -> String {
        self.out
    }

    pub(super) fn family(&mut self, name: &str, help: &str, kind: &str) {
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

    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: Number) {
        match value {
            Number::Whole(number) => self.line(name, "", labels, None, number),
            Number::Real(number) => self.line(name, "", labels, None, number),
        }
    }

    pub(super) fn histogram(
        &mut self,
        (name, buckets): (&str, Buckets),
        labels: &[(&str, &str)],
        cells: &[u64],
    ) {
        let mut count = 0_u64;
        for (bound, cell) in buckets.shown().zip(cells) {
            count = count.wrapping_add(*cell);
            self.line(name, "_bucket", labels, Some(&bound.to_string()), count);
        }
        count = count.wrapping_add(cells.get(buckets.bounds.len()).copied().unwrap_or_default());
        self.line(name, "_bucket", labels, Some("+Inf"), count);
        self.line(name, "_sum", labels, None, buckets.sum(cells));
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

/// OpenTelemetry's names in Prometheus' alphabet.
pub(super) fn label_name(attribute: &str) -> String {
    let mut name: String =
        attribute.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
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
