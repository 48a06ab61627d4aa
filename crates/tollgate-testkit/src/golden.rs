use std::{
    fs,
    path::{Path, PathBuf},
};

use tollgate_types::{Diagnostic, Diagnostics};

/// A folder of sources and wants that sit together: everything one behaviour needs.
///
/// A case is a folder with an `about.md`. Its other files are sources, written by hand, and `want.*`, written by
/// the test where `UPDATE_EXPECT` is set. A want is checked where its file exists: an empty file asks for it.
#[derive(Clone, Debug)]
pub struct Case {
    folder: PathBuf,
    /// Path below the root, for failure texts.
    pub name: String,
    /// Names of its files, sorted.
    pub files: Vec<String>,
}

/// All cases below a folder, in the order of their paths.
///
/// # Panics
/// Where a folder or file cannot be read: a test has nothing better to do.
#[must_use]
pub fn cases(root: &Path) -> Vec<Case> {
    let mut found = Vec::new();
    collect(root, root, &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The folders right inside one, sorted.
///
/// # Panics
/// Where it cannot be read.
#[must_use]
pub fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).expect("golden folders are part of the repository");
    let mut folders: Vec<_> =
        entries.map(|entry| entry.expect("golden folders can be listed").path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

/// Notes as wants have them: one line each with place, object and field, and what is said below it.
#[must_use]
pub fn notes(notes: &Diagnostics) -> String {
    let mut out = String::new();
    for Diagnostic { severity, code, message, help, span, object, field } in notes {
        let place = span.as_ref().map(|span| format!("{}:{}", span.line, span.column)).unwrap_or_default();
        let object = object.as_ref().map(ToString::to_string).unwrap_or_default();
        out += &format!("{severity}[{code}] {place} {object} {field}\n  {message}\n");
        if let Some(help) = help {
            out += &format!("  help: {help}\n");
        }
    }
    out
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Case>) {
    let entries = fs::read_dir(folder).expect("golden folders are part of the repository");
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.expect("golden folders can be listed");
        if entry.path().is_dir() {
            collect(root, &entry.path(), found);
        } else {
            files.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    if files.iter().any(|file| file == "about.md") {
        files.sort();
        let name = folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().into_owned();
        found.push(Case { folder: folder.to_owned(), name, files });
    }
}

// === impl Case ===

impl Case {
    /// True where the case has this file.
    #[must_use]
    pub fn has(&self, file: &str) -> bool {
        self.files.iter().any(|one| one == file)
    }

    /// The bytes of one of its files.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.folder.join(file)).expect("files of a golden case can be read")
    }

    /// Its files of the form `<prefix><middle><suffix>`, with their middles.
    pub fn sources<'a>(
        &'a self,
        prefix: &'a str,
        suffix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter_map(move |file| Some((file.as_str(), file.strip_prefix(prefix)?.strip_suffix(suffix)?)))
    }

    /// Compares with a want, or writes it where `UPDATE_EXPECT` is set. Does nothing where the file does not exist.
    ///
    /// # Panics
    /// Where they differ.
    pub fn expect(&self, want: &str, actual: &str) {
        if self.has(want) {
            expect_test::expect_file![self.folder.join(want)].assert_eq(actual);
        }
    }
}
