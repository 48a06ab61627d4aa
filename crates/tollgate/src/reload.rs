//! Resources over time: what is read again, and what keeps its last good state.
use std::{
    collections::HashMap,
    io::{self, Read},
    path::{Path, PathBuf},
};

use tollgate_compile::{Compiled, Options, compile};
use tollgate_resources::{ResourceSet, load};
use tollgate_types::{Diagnostic, Diagnostics, ObjectRef, Severity};

use crate::{
    build::Env,
    files::{File, Files},
};

/// Where resources come from, and the last state of them that was good.
pub(crate) struct Resources {
    paths: Vec<PathBuf>,
    /// What came in on standard input, which is read once.
    stdin: String,
    /// In place of paths: what the environment says.
    fixed: Option<File>,
    options: Options,
    /// As they were read last, good or not.
    seen: Option<Files>,
    /// By name, as they were when they could last be read.
    good: HashMap<String, String>,
    set: ResourceSet,
}

/// What the resources come to now.
pub(crate) struct State {
    /// The texts that were used.
    pub(crate) texts: Vec<File>,
    /// What they compile to.
    pub(crate) compiled: Compiled,
    /// Everything there is to say.
    pub(crate) notes: Diagnostics,
    /// Objects that keep an older version than the one in the files.
    pub(crate) kept: Vec<ObjectRef>,
    /// True where something could not be read or broke its schema.
    pub(crate) refused: bool,
}

// === impl Resources ===

impl Resources {
    /// Resources in files and folders; `-` is standard input, which is read here.
    ///
    /// # Errors
    /// Where standard input cannot be read.
    pub(crate) fn at(paths: Vec<PathBuf>, options: Options, stdin: &mut dyn Read) -> io::Result<Self> {
        let mut text = String::new();
        if paths.iter().any(|path| path.as_os_str() == "-") {
            stdin.read_to_string(&mut text)?;
        }
        Ok(Self { stdin: text, ..Self::new(paths, None, options) })
    }

    /// Resources that never change.
    pub(crate) fn fixed(file: File, options: Options) -> Self {
        Self::new(Vec::new(), Some(file), options)
    }

    fn new(paths: Vec<PathBuf>, fixed: Option<File>, options: Options) -> Self {
        Self {
            paths,
            stdin: String::new(),
            fixed,
            options,
            seen: None,
            good: HashMap::new(),
            set: ResourceSet::default(),
        }
    }

    /// The paths that can change.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.paths.iter().filter(|path| path.as_os_str() != "-").cloned().collect()
    }

    /// Reads everything again; `None` where nothing has changed since the last time.
    pub(crate) fn read(&mut self, env: Env<'_>) -> Option<State> {
        let files = match &self.fixed {
            Some(file) => Files { texts: vec![file.clone()], notes: Diagnostics::default() },
            None => Files::read(&self.paths, &mut self.stdin.as_bytes()),
        };
        if self.seen.as_ref().is_some_and(|seen| seen.texts == files.texts && seen.notes == files.notes) {
            return None;
        }
        let mut used = Files { texts: files.texts.clone(), notes: files.notes.clone() };
        self.restore_unread(&mut used);
        let mut loaded = load(&used.sources(), env);
        // A text that is no YAML keeps its last good version as a whole: nobody knows which objects are in it.
        let broken: Vec<Diagnostic> = loaded.notes.iter().filter(|note| is_broken(note)).cloned().collect();
        if self.restore_broken(&mut used, &broken) {
            loaded = load(&used.sources(), env);
            loaded.notes.0.extend(broken.iter().cloned());
        }
        let refused_before = loaded.refused.clone();
        let kept = loaded.set.keep_last_good(&self.set, &loaded.refused);
        loaded.refused.retain(|object| !kept.contains(object));
        let options = Options { refused: loaded.refused, ..self.options.clone() };
        let mut compiled = compile(&loaded.set, &options);
        let mut notes = used.notes;
        notes.0.append(&mut loaded.notes.0);
        notes.0.append(&mut compiled.notes.0);
        let unread = files.notes.has_errors();
        for File { name, text } in &used.texts {
            if !broken.iter().any(|note| stands_in(note, name)) || self.good.contains_key(name) {
                self.good.insert(name.clone(), text.clone());
            }
        }
        self.good.retain(|name, _| used.texts.iter().any(|file| file.name == *name));
        self.set = loaded.set;
        self.seen = Some(files);
        let refused = unread || !broken.is_empty() || !refused_before.is_empty();
        Some(State { texts: used.texts, compiled, notes, kept, refused })
    }

    /// Files, and folders with all that was in them, that cannot be read keep their last text.
    fn restore_unread(&self, files: &mut Files) {
        let Files { texts, notes } = files;
        let unread = notes.iter().filter(|note| note.severity == Severity::Error);
        for span in unread.filter_map(|note| note.span.as_ref()) {
            let within = |(name, _): &(&String, &String)| Path::new(name).starts_with(&*span.file);
            let mut known: Vec<_> = self.good.iter().filter(within).collect();
            known.sort();
            for (name, text) in known {
                if !texts.iter().any(|file| file.name == *name) {
                    texts.push(File { name: name.clone(), text: text.clone() });
                }
            }
        }
    }

    /// True where at least one text was put back.
    fn restore_broken(&self, files: &mut Files, broken: &[Diagnostic]) -> bool {
        let mut restored = false;
        for file in &mut files.texts {
            if broken.iter().any(|note| stands_in(note, &file.name))
                && let Some(text) = self.good.get(&file.name)
            {
                file.text.clone_from(text);
                restored = true;
            }
        }
        restored
    }
}

/// True for what keeps a whole text from being understood: an error that is about no object.
fn is_broken(note: &Diagnostic) -> bool {
    note.severity == Severity::Error && note.object.is_none()
}

fn stands_in(note: &Diagnostic, name: &str) -> bool {
    note.span.as_ref().is_some_and(|span| *span.file == *name)
}

// === impl State ===

impl State {
    /// One line for each thing that is not as its author meant it.
    pub(crate) fn problems(&self) -> Vec<String> {
        let errors = self.notes.iter().filter(|note| note.severity == Severity::Error).map(line);
        let kept = self.kept.iter().map(|object| format!("{object} keeps its last good version"));
        errors.chain(kept).collect()
    }
}

/// `file:line:column: Kind ns/name field: message`
pub(crate) fn line(note: &Diagnostic) -> String {
    let mut line = String::new();
    if let Some(span) = &note.span {
        line.push_str(&format!("{span}: "));
    }
    if let Some(object) = &note.object {
        line.push_str(&format!("{object}: "));
    }
    if !note.field.is_empty() {
        line.push_str(&format!("{}: ", note.field));
    }
    line.push_str(&note.message);
    line
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GOOD: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {apiKey: one}\n";

    fn resources(folder: &tempfile::TempDir) -> Resources {
        let options = Options::default();
        Resources::at(vec![folder.path().to_owned()], options, &mut io::empty()).unwrap()
    }

    fn key(resources: &Resources) -> Option<&[u8]> {
        resources.set.secrets.first().map(|secret| secret.spec.data["apiKey"].expose())
    }

    #[test]
    fn what_has_not_changed_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yaml"), GOOD).unwrap();
        let mut resources = resources(&folder);
        assert!(resources.read(&|_| None).is_some());
        assert!(resources.read(&|_| None).is_none());
        fs::write(folder.path().join("a.yaml"), GOOD.replace("one", "two")).unwrap();
        assert!(resources.read(&|_| None).is_some());
        assert_eq!(key(&resources), Some(&b"two"[..]));
    }

    #[test]
    fn a_text_that_is_no_yaml_keeps_its_last_good_version() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, GOOD).unwrap();
        let mut resources = resources(&folder);
        resources.read(&|_| None).unwrap();
        fs::write(&file, "{{{{ not: yaml").unwrap();
        let state = resources.read(&|_| None).unwrap();
        assert!(state.refused && !state.problems().is_empty());
        assert_eq!(key(&resources), Some(&b"one"[..]));
        fs::write(&file, GOOD.replace("one", "two")).unwrap();
        assert!(!resources.read(&|_| None).unwrap().refused);
        assert_eq!(key(&resources), Some(&b"two"[..]));
        fs::remove_file(&file).unwrap();
        resources.read(&|_| None).unwrap();
        assert_eq!(key(&resources), None);
    }

    #[test]
    fn a_folder_that_is_gone_keeps_what_was_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("resources");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.yaml"), GOOD).unwrap();
        let mut resources =
            Resources::at(vec![folder.clone()], Options::default(), &mut io::empty()).unwrap();
        resources.read(&|_| None).unwrap();
        fs::rename(&folder, parent.path().join("away")).unwrap();
        assert!(resources.read(&|_| None).unwrap().refused);
        assert_eq!(key(&resources), Some(&b"one"[..]));
    }
}
