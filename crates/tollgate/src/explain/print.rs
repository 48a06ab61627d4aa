use std::io;

use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::codes::{self, Code};
use crate::{check::Terminal, diagnostics::Output};

/// Columns of running text.
const WIDTH: usize = 100;

/// Writes all codes as a list, or a few of them at length.
pub(super) fn codes(codes: &[&Code], output: Output, terminal: &mut Terminal<'_>) -> io::Result<()> {
    match output {
        Output::Json => {
            let all: Vec<_> = codes.iter().map(|code| record(code)).collect();
            serde_json::to_writer_pretty(&mut *terminal.stdout, &all)?;
            writeln!(terminal.stdout)
        }
        Output::Text if codes.len() == codes::all().len() => list(codes, terminal),
        Output::Text => {
            for (i, code) in codes.iter().enumerate() {
                if i > 0 {
                    writeln!(terminal.stdout)?;
                }
                one(code, terminal)?;
            }
            Ok(())
        }
    }
}

fn record(Code { name, page, meaning, why, example, fix, markdown: _ }: &Code) -> serde_json::Value {
    let example = example.as_ref().map(|example| example.diff);
    json!({"code": name, "page": page, "meaning": meaning, "why": why, "example": example, "fix": fix})
}

fn list(codes: &[&Code], terminal: &mut Terminal<'_>) -> io::Result<()> {
    let width = codes.iter().map(|code| code.name.len()).max().unwrap_or_default();
    let mut page = "";
    for code in codes {
        if code.page != page {
            let gap = if page.is_empty() { "" } else { "\n" };
            let title = terminal.colour.paint(Style::new().bold(), code.page);
            writeln!(terminal.stdout, "{gap}{title}")?;
            page = code.page;
        }
        let first = code.meaning.split(". ").next().unwrap_or_default().trim_end_matches('.');
        writeln!(terminal.stdout, "  {:width$}  {first}", code.name)?;
    }
    Ok(())
}

fn one(code: &Code, terminal: &mut Terminal<'_>) -> io::Result<()> {
    let bold = Style::new().bold();
    let colour = terminal.colour;
    writeln!(terminal.stdout, "{}", colour.paint(bold, code.name))?;
    writeln!(terminal.stdout, "{}\n", wrapped(&code.meaning))?;
    writeln!(terminal.stdout, "{}\n{}\n", colour.paint(bold, "Why it matters"), wrapped(&code.why))?;
    if let Some(example) = &code.example {
        let target = example.target.map(|target| format!(", with --for {target}")).unwrap_or_default();
        let title = format!("Example: faulty with the lines -, right with the lines +{target}");
        writeln!(terminal.stdout, "{}", colour.paint(bold, &title))?;
        for line in example.diff.lines() {
            let style = match line.as_bytes().first() {
                Some(b'-') => AnsiColor::Red.on_default(),
                Some(b'+') => AnsiColor::Green.on_default(),
                _ => Style::new(),
            };
            writeln!(terminal.stdout, "  {}", colour.paint(style, line).trim_end())?;
        }
        writeln!(terminal.stdout)?;
    }
    writeln!(terminal.stdout, "{}\n{}", colour.paint(bold, "Fix"), wrapped(&code.fix))
}

/// Running text in lines that a terminal holds.
fn wrapped(text: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}
