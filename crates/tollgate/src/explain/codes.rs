//! What each code of a diagnostic means: `docs/checks/*.md`, as they are.

use std::sync::LazyLock;

/// The pages, in the order of the list.
const PAGES: [(&str, &str); 11] = [
    ("files", include_str!("../../../../docs/checks/files.md")),
    ("fields", include_str!("../../../../docs/checks/fields.md")),
    ("references", include_str!("../../../../docs/checks/references.md")),
    ("gateways", include_str!("../../../../docs/checks/gateways.md")),
    ("routes", include_str!("../../../../docs/checks/routes.md")),
    ("backends", include_str!("../../../../docs/checks/backends.md")),
    ("security", include_str!("../../../../docs/checks/security.md")),
    ("traffic", include_str!("../../../../docs/checks/traffic.md")),
    ("installation", include_str!("../../../../docs/checks/installation.md")),
    ("versions", include_str!("../../../../docs/checks/versions.md")),
    ("envoy", include_str!("../../../../docs/checks/envoy.md")),
];

/// One code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// `unreachable-rule`
    pub(crate) name: &'static str,
    /// The page that explains it, without its ending.
    pub(crate) page: &'static str,
    /// What it says.
    pub(crate) meaning: String,
    /// What comes of it.
    pub(crate) why: String,
    /// A faulty form and a right one, as lines of a diff; nothing where no manifest shows it.
    pub(crate) example: Option<Example>,
    /// What to do.
    pub(crate) fix: String,
    /// The section as it is written, without its heading.
    pub(crate) markdown: &'static str,
}

/// Lines that begin with a blank stand in both forms, with `-` in the faulty one, with `+` in the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    /// `for=…` behind the fence: the version without which the faulty form is right.
    pub(crate) target: Option<&'static str>,
    /// The lines.
    pub(crate) diff: &'static str,
}

/// All codes, in the order of the pages.
pub(crate) fn all() -> &'static [Code] {
    static ALL: LazyLock<Vec<Code>> = LazyLock::new(read);
    &ALL
}

/// The code of this name.
pub(crate) fn find(name: &str) -> Option<&'static Code> {
    all().iter().find(|code| code.name == name)
}

/// The code that was most likely meant.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let near = |code: &&Code| {
        let parts: Vec<_> = name.split('-').filter(|part| part.len() > 2).collect();
        !parts.is_empty() && parts.iter().all(|part| code.name.contains(part))
    };
    let by_letters = all().iter().map(|code| (strsim::damerau_levenshtein(name, code.name), code.name)).min();
    let close = by_letters.filter(|(distance, _)| *distance <= name.len() / 4).map(|(_, name)| name);
    close.or_else(|| all().iter().find(near).map(|code| code.name))
}

fn read() -> Vec<Code> {
    let sections = PAGES
        .into_iter()
        .flat_map(|(page, text)| text.split("\n## ").skip(1).map(move |section| (page, section)));
    sections.filter_map(|(page, section)| code(page, section)).collect()
}

fn code(page: &'static str, section: &'static str) -> Option<Code> {
    let (name, markdown) = section.split_once('\n')?;
    let markdown = markdown.trim();
    let (text, example) = take_example(markdown);
    let mut paragraphs = text.split("\n\n").map(joined).filter(|text| !text.is_empty());
    let meaning = paragraphs.next()?;
    let (mut why, mut fix) = (String::new(), String::new());
    for paragraph in paragraphs {
        if let Some(text) = paragraph.strip_prefix("**Why it matters.** ") {
            why = text.to_owned();
        } else if let Some(text) = paragraph.strip_prefix("**Fix.** ") {
            fix = text.to_owned();
        }
    }
    Some(Code { name, page, meaning, why, example, fix, markdown })
}

/// Takes the fenced block out.
fn take_example(markdown: &'static str) -> (String, Option<Example>) {
    let parts = markdown.split_once("```diff").and_then(|(before, rest)| {
        let (info, rest) = rest.split_once('\n')?;
        let (diff, after) = rest.split_once("```")?;
        Some((before, info.trim().strip_prefix("for="), diff, after))
    });
    match parts {
        None => (markdown.to_owned(), None),
        Some((before, target, diff, after)) => (format!("{before}{after}"), Some(Example { target, diff })),
    }
}

/// A paragraph on one line.
fn joined(paragraph: &str) -> String {
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

// === impl Example ===

impl Example {
    /// The form that has the fault.
    #[cfg(test)]
    pub(crate) fn faulty(&self) -> String {
        self.form('-')
    }

    /// The form that has not.
    #[cfg(test)]
    pub(crate) fn right(&self) -> String {
        self.form('+')
    }

    #[cfg(test)]
    fn form(&self, mark: char) -> String {
        let lines = self.diff.lines().filter_map(|line| {
            line.strip_prefix(mark).or_else(|| line.strip_prefix(' ')).or(line.is_empty().then_some(""))
        });
        lines.map(|line| format!("{line}\n")).collect()
    }
}

#[cfg(test)]
mod tests;
