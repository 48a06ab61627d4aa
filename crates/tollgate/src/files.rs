//! From paths to texts: the only place that reads what users wrote.
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use tollgate_resources::Source;
use tollgate_types::{Diagnostic, Diagnostics, Severity, Span};

/// What was found at some paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// Texts in the order of the arguments; inside a folder sorted by path.
    pub(crate) texts: Vec<File>,
    /// What could not be read.
    pub(crate) notes: Diagnostics,
}

/// One text with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// The path as the user named it; `-` is standard input.
    pub(crate) name: String,
    /// What stands in it; shared, since it is remembered for as long as it is good.
    pub(crate) text: Arc<str>,
}

/// The name that stands for standard input.
const STDIN: &str = "-";

/// Larger files are refused; etcd itself stops at 1.5 MiB an object.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// How deep folders may lie in each other, so that a link to a parent ends.
const MAX_DEPTH: usize = 16;

/// True where the file's name is one that is read in a folder.
pub(crate) fn is_resource_file(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json")
}

/// Texts as the loader takes them.
pub(crate) fn sources(texts: &[File]) -> Vec<Source<'_>> {
    texts.iter().map(|File { name, text }| Source { name, text }).collect()
}

// === impl Files ===

impl Files {
    /// Reads files, folders (`*.yaml`, `*.yml`, `*.json`, recursively) and `-`, which is read at most once.
    pub(crate) fn read(paths: &[PathBuf], stdin: &mut dyn Read) -> Self {
        let mut this = Self::default();
        let mut seen = BTreeSet::new();
        for path in paths {
            if path.as_os_str() == STDIN {
                if seen.insert(path.clone()) {
                    this.take(STDIN, stdin);
                }
                continue;
            }
            let mut found = Vec::new();
            this.find(path, 0, &mut found);
            if found.is_empty() && path.is_dir() {
                let message = format!("no *.yaml, *.yml or *.json in {}", path.display());
                this.note(Severity::Warning, "empty-folder", path, message);
            }
            for file in found {
                if seen.insert(file.clone()) {
                    this.open(&file);
                }
            }
        }
        this
    }

    /// The texts as the loader takes them.
    pub(crate) fn sources(&self) -> Vec<Source<'_>> {
        sources(&self.texts)
    }

    /// Paths as they are named, folders opened, sorted inside each folder.
    fn find(&mut self, path: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        if !path.is_dir() {
            found.push(path.to_owned());
            return;
        }
        let entries = match fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(path, &error),
        };
        let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            // Kubernetes mounts a ConfigMap as links into `..data`; hidden entries would show everything twice.
            if hidden || (depth >= MAX_DEPTH && path.is_dir()) {
                continue;
            }
            if is_resource_file(&path) || path.is_dir() {
                self.find(&path, depth + 1, found);
            }
        }
    }

    fn open(&mut self, path: &Path) {
        match fs::File::open(path) {
            Ok(mut file) => self.take(&path.to_string_lossy(), &mut file),
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn take(&mut self, name: &str, reader: &mut dyn Read) {
        let mut bytes = Vec::new();
        if let Err(error) = reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes) {
            return self.unreadable(Path::new(name), &error);
        }
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let message = format!("{name} is larger than {MAX_FILE_BYTES} bytes");
            return self.note(Severity::Error, "unreadable-file", Path::new(name), message);
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.texts.push(File { name: name.to_owned(), text: text.into() }),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let message = format!("{name} is not UTF-8 at byte {at}");
                self.note(Severity::Error, "unreadable-file", Path::new(name), message);
            }
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let message = format!("cannot read {}: {error}", path.display());
        self.note(Severity::Error, "unreadable-file", path, message);
    }

    fn note(&mut self, severity: Severity, code: &'static str, path: &Path, message: String) {
        self.notes.push(Diagnostic {
            severity,
            code,
            message,
            help: None,
            span: Some(Span { file: path.to_string_lossy().into(), line: 1, column: 1 }),
            object: None,
            field: String::new(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &Files) -> Vec<String> {
        files.texts.iter().map(|file| file.name.clone()).collect()
    }

    #[test]
    fn folders_are_read_recursively_in_sorted_order_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("b")).unwrap();
        for name in ["z.yaml", "a.json", "b/c.yml", "notes.txt", ".hidden.yaml"] {
            fs::write(at(name), "{}").unwrap();
        }
        let files = Files::read(&[folder.path().to_owned(), at("a.json")], &mut io::empty());
        let want: Vec<_> =
            ["a.json", "b/c.yml", "z.yaml"].iter().map(|name| at(name).display().to_string()).collect();
        assert_eq!(names(&files), want);
        assert_eq!(files.notes, Diagnostics::default());
    }

    #[test]
    fn standard_input_is_a_source_named_by_a_dash() {
        let files = Files::read(&["-".into(), "-".into()], &mut "kind: X".as_bytes());
        assert_eq!(names(&files), ["-"]);
        assert_eq!(&*files.texts[0].text, "kind: X");
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.yaml");
        let bad = folder.path().join("bad.yaml");
        fs::write(&good, "a: 1").unwrap();
        fs::write(&bad, [0xff, 0xfe]).unwrap();
        let files = Files::read(&["/no/such/file.yaml".into(), bad, good], &mut io::empty());
        assert_eq!(files.texts.len(), 1);
        let messages: Vec<_> = files.notes.iter().map(|note| note.message.clone()).collect();
        assert!(messages[0].starts_with("cannot read /no/such/file.yaml: "), "{messages:?}");
        assert!(messages[1].ends_with("bad.yaml is not UTF-8 at byte 0"), "{messages:?}");
    }
}
