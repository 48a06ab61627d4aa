//! Prints what is large, for a reader to judge. Never fails.

use std::fs;

use crate::shell::{self, Outcome};

const FILE_LINES: usize = 300;
const FUNCTION_LINES: usize = 60;

pub(crate) fn run() -> Outcome {
    let mut crates = Vec::new();
    let mut large_files = Vec::new();
    let mut long_functions = Vec::new();
    for folder in fs::read_dir(shell::root().join("crates")).map_err(|error| error.to_string())?.flatten() {
        let mut lines = 0;
        for path in shell::files(&folder.path().join("src"), ".rs") {
            let name = path.strip_prefix(shell::root()).unwrap_or(&path).display().to_string();
            let text = fs::read_to_string(&path).unwrap_or_default();
            if name.ends_with("tests.rs") || name.contains("/tests/") {
                continue;
            }
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let count = code.lines().count();
            lines += count;
            if count > FILE_LINES {
                large_files.push((count, name.clone()));
            }
            long_functions
                .extend(functions(code).map(|(count, function)| (count, format!("{name} {function}"))));
        }
        crates.push((lines, folder.file_name().to_string_lossy().into_owned()));
    }
    print("crates, lines without tests", crates);
    print(&format!("files over {FILE_LINES} lines"), large_files);
    print(&format!("functions over {FUNCTION_LINES} lines"), long_functions);
    Ok(())
}

/// Functions that are too long, by their indentation, which rustfmt keeps honest.
fn functions(code: &str) -> impl Iterator<Item = (usize, String)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some((_, name)) = line.split_once("fn ").filter(|(before, _)| {
            before
                .split_whitespace()
                .all(|word| ["pub", "pub(crate)", "pub(super)", "async", "const"].contains(&word))
        }) else {
            continue;
        };
        let end = lines[start..].iter().position(|line| {
            line.trim_end() == format!("{}}}", " ".repeat(indent)) || line.trim_end().ends_with("{}")
        });
        if let Some(length) = end.filter(|length| *length > FUNCTION_LINES) {
            let name = name.split(['(', '<']).next().unwrap_or_default();
            found.push((length + 1, name.to_owned()));
        }
    }
    found.into_iter()
}

fn print(title: &str, mut rows: Vec<(usize, String)>) {
    rows.sort_by(|a, b| b.cmp(a));
    println!("\n{title}");
    for (count, name) in rows.iter().take(25) {
        println!("{count:>7}  {name}");
    }
}
