//! Diagnostics for people, as compilers print them, and for programs.
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use tollgate_types::{Diagnostic, Diagnostics, Severity, Span};

use crate::files::File;

/// Who reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// People
    #[default]
    Text,
    /// Programs
    Json,
}

/// Whether the reader's terminal shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Always,
    Never,
}

/// A diagnostic as programs read it.
#[derive(Debug, Serialize)]
struct Record<'a> {
    severity: String,
    code: &'a str,
    message: &'a str,
    help: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    object: Option<RecordObject<'a>>,
    field: &'a str,
}

#[derive(Debug, Serialize)]
struct RecordObject<'a> {
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
}

/// Writes diagnostics for people: what, where, the line itself, what to do.
pub(crate) struct Text<'a> {
    files: &'a [File],
    colour: Colour,
}

/// The diagnostics as JSON values, in their order.
///
/// # Errors
/// None that a `Diagnostic` can cause; the serialiser's own.
pub(crate) fn json(notes: &Diagnostics) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(notes.iter().map(Record::new).collect::<Vec<_>>())
}

/// In the order of the files, for readers; what has no place comes first.
pub(crate) fn sort(notes: &mut Diagnostics, texts: &[File]) {
    notes.0.sort_by_key(|note| {
        let span = note.span.as_ref();
        let file = span.and_then(|span| texts.iter().position(|file| *file.name == *span.file));
        (file, span.map(|span| (span.line, span.column)))
    });
}

/// `2 errors, 1 warning`
pub(crate) fn count(notes: &Diagnostics) -> String {
    let of = |severity| notes.iter().filter(|note| note.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"))
}

/// `1 file`, `2 files`
pub(crate) fn plural(n: usize, noun: &str) -> String {
    if n == 1 { format!("{n} {noun}") } else { format!("{n} {noun}s") }
}

// === impl Colour ===

impl Colour {
    /// Colours on a terminal, unless `NO_COLOR` is set to anything (no-color.org).
    pub(crate) fn of(is_terminal: bool, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let refused = env("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_terminal && !refused { Self::Always } else { Self::Never }
    }

    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        match self {
            Self::Always => format!("{style}{text}{style:#}"),
            Self::Never => text.to_owned(),
        }
    }
}

// === impl Record ===

impl<'a> Record<'a> {
    fn new(note: &'a Diagnostic) -> Self {
        let Diagnostic { severity, code, message, help, span, object, field } = note;
        let span = span.as_ref();
        Self {
            severity: severity.to_string(),
            code,
            message,
            help: help.as_deref(),
            file: span.map(|span| &*span.file),
            line: span.map(|span| span.line),
            column: span.map(|span| span.column),
            object: object.as_ref().map(|object| RecordObject {
                kind: &object.kind,
                namespace: &object.namespace,
                name: &object.name,
            }),
            field,
        }
    }
}

// === impl Text ===

impl<'a> Text<'a> {
    /// Lines are quoted from the files.
    pub(crate) fn new(files: &'a [File], colour: Colour) -> Self {
        Self { files, colour }
    }

    /// Writes all of them, an empty line after each.
    pub(crate) fn write(&self, notes: &Diagnostics, out: &mut dyn Write) -> io::Result<()> {
        notes.iter().try_for_each(|note| self.write_one(note, out))
    }

    fn write_one(&self, note: &Diagnostic, out: &mut dyn Write) -> io::Result<()> {
        let Diagnostic { severity, code, message, help, span, object, field } = note;
        let bold = Style::new().bold();
        let dim = AnsiColor::Blue.on_default();
        let head = self.colour.paint(style(*severity), &format!("{severity}[{code}]"));
        writeln!(out, "{head}{}", self.colour.paint(bold, &format!(": {message}")))?;
        let paint = |text: &str| self.colour.paint(dim, text);
        if let Some(span) = span {
            let width = span.line.to_string().len();
            writeln!(out, "{:width$}{} {span}", "", paint("-->"))?;
            if let Some(line) = self.line(span) {
                let line = if self.is_secret(note) { masked(line) } else { line.to_owned() };
                writeln!(out, "{:width$} {}", "", paint("|"))?;
                writeln!(out, "{} {line}", paint(&format!("{} |", span.line)))?;
                let caret = self.colour.paint(style(*severity), &caret(&line, span.column));
                writeln!(out, "{:width$} {} {caret}", "", paint("|"))?;
            }
        }
        match object {
            Some(object) if field.is_empty() => writeln!(out, "  {} {object}", paint("="))?,
            Some(object) => writeln!(out, "  {} {object} at {field}", paint("="))?,
            None if field.is_empty() => {}
            None => writeln!(out, "  {} at {field}", paint("="))?,
        }
        if let Some(help) = help {
            writeln!(out, "  {} {} {help}", paint("="), self.colour.paint(bold, "help:"))?;
        }
        writeln!(out)
    }

    fn file(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }

    fn line(&self, span: &Span) -> Option<&str> {
        let line = self.file(&span.file)?.text.lines().nth(span.line.checked_sub(1)? as usize)?;
        (!line.trim().is_empty()).then_some(line)
    }

    /// A quoted line must not carry a credential into a CI log: not that of a Secret, and where the object is not
    /// known, not one of a file that has a Secret in it.
    fn is_secret(&self, note: &Diagnostic) -> bool {
        if note.code == "credential-in-plain-text" {
            return true;
        }
        match (&note.object, &note.span) {
            (Some(object), _) => &*object.kind == "Secret",
            (None, Some(span)) => self.file(&span.file).is_some_and(|file| file.text.contains("Secret")),
            (None, None) => false,
        }
    }
}

/// The line up to its first colon; what follows may be secret.
fn masked(line: &str) -> String {
    match line.split_once(':') {
        Some((key, value)) if !value.trim().is_empty() => format!("{key}: ..."),
        Some(_) => line.to_owned(),
        None => "...".to_owned(),
    }
}

/// `    ^^^^^` under the word at this column.
fn caret(line: &str, column: u32) -> String {
    let before = (column as usize).saturating_sub(1);
    let pad: String = line.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let word = line.chars().skip(before).take_while(|c| !c.is_whitespace() && !matches!(c, ',' | ']' | '}'));
    pad + &"^".repeat(word.count().max(1))
}

fn style(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Cyan,
    };
    colour.on_default().bold()
}

#[cfg(test)]
mod tests {
    use tollgate_types::ObjectRef;

    use super::*;

    fn note(kind: &str, line: u32, column: u32) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "backend-not-found",
            message: "AIServiceBackend default/opnai does not exist".to_owned(),
            help: Some("did you mean openai?".to_owned()),
            span: Some(Span { file: "a.yaml".into(), line, column }),
            object: Some(ObjectRef::new(kind, "default", "chat")),
            field: "spec.rules[0].backendRefs[0].name".to_owned(),
        }
    }

    fn print(note: Diagnostic, text: &str) -> String {
        let files = [File { name: "a.yaml".to_owned(), text: text.into() }];
        let mut out = Vec::new();
        Text::new(&files, Colour::Never).write(&Diagnostics(vec![note]), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_diagnostic_shows_the_line_and_points_at_the_word() {
        expect_test::expect![[r#"
            error[backend-not-found]: AIServiceBackend default/opnai does not exist
             --> a.yaml:2:11
              |
            2 |   - name: opnai
              |           ^^^^^
              = AIGatewayRoute default/chat at spec.rules[0].backendRefs[0].name
              = help: did you mean openai?

        "#]]
        .assert_eq(&print(note("AIGatewayRoute", 2, 11), "x:\n  - name: opnai\n"));
    }

    #[test]
    fn the_value_in_a_line_of_a_secret_is_not_quoted() {
        let text = print(note("Secret", 1, 3), "  apiKey: sk-live\n");
        assert!(text.contains("apiKey: ...") && !text.contains("sk-live"), "{text}");
        let unknown = Diagnostic { object: None, ..note("Secret", 2, 1) };
        assert!(!print(unknown, "kind: Secret\nkey: sk-live\n").contains("sk-live"));
    }

    #[test]
    fn a_place_outside_of_the_text_is_named_without_a_quote() {
        assert!(print(note("Gateway", 9, 1), "a: 1\n").contains("--> a.yaml:9:1"));
    }

    #[test]
    fn programs_get_every_field() {
        let value = json(&Diagnostics(vec![note("Gateway", 2, 11)])).unwrap();
        expect_test::expect![[
            r#"[{"severity":"error","code":"backend-not-found","message":"AIServiceBackend default/opnai does not exist","help":"did you mean openai?","file":"a.yaml","line":2,"column":11,"object":{"kind":"Gateway","namespace":"default","name":"chat"},"field":"spec.rules[0].backendRefs[0].name"}]"#
        ]]
        .assert_eq(&value.to_string());
    }

    #[test]
    fn colours_are_for_terminals_whose_owner_wants_them() {
        let none = |_: &str| None;
        assert_eq!(Colour::of(true, &none), Colour::Always);
        assert_eq!(Colour::of(false, &none), Colour::Never);
        assert_eq!(Colour::of(true, &|_| Some("1".to_owned())), Colour::Never);
    }
}
