//! Workflow commands of GitHub Actions, which become comments on the lines of a change.

use std::io::{self, Write};

use tollgate_types::{Diagnostic, Diagnostics, Severity};

/// Writes one command a problem.
pub(super) fn write(notes: &Diagnostics, out: &mut dyn Write) -> io::Result<()> {
    notes.iter().try_for_each(|note| write_one(note, out))
}

fn write_one(note: &Diagnostic, out: &mut dyn Write) -> io::Result<()> {
    let Diagnostic { severity, code, message, help, span, object, field } = note;
    let command = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    write!(out, "::{command} ")?;
    if let Some(span) = span {
        write!(out, "file={},line={},col={},", property(&span.file), span.line, span.column)?;
    }
    let mut text = message.clone();
    if let Some(object) = object {
        let at = if field.is_empty() { String::new() } else { format!(" at {field}") };
        text.push_str(&format!("\n{object}{at}"));
    }
    if let Some(help) = help {
        text.push_str(&format!("\nhelp: {help}"));
    }
    writeln!(out, "title={}::{}", property(code), data(&text))
}

/// What stands behind `::` may have no line end.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What stands before it may have no separator either.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use tollgate_types::{ObjectRef, Span};

    use super::*;

    #[test]
    fn separators_in_names_and_line_ends_in_messages_are_escaped() {
        let note = Diagnostic {
            severity: Severity::Info,
            code: "idle-listener",
            message: "100% of\r\n::error title=x::it".to_owned(),
            help: Some("none".to_owned()),
            span: Some(Span { file: "a,b:c.yaml".into(), line: 3, column: 7 }),
            object: Some(ObjectRef::new("Gateway", "default", "edge")),
            field: "spec".to_owned(),
        };
        let mut out = Vec::new();
        write(
            &Diagnostics(vec![note.clone(), Diagnostic { span: None, object: None, help: None, ..note }]),
            &mut out,
        )
        .unwrap();
        expect_test::expect![[r"
            ::notice file=a%2Cb%3Ac.yaml,line=3,col=7,title=idle-listener::100%25 of%0D%0A::error title=x::it%0AGateway default/edge at spec%0Ahelp: none
            ::notice title=idle-listener::100%25 of%0D%0A::error title=x::it
        "]]
        .assert_eq(&String::from_utf8(out).unwrap());
    }
}
