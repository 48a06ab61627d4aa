//! Resources over time: what is read again, and what keeps its last good state.
use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use tollgate_compile::{Compiled, Options, compile};
use tollgate_resources::{Loaded, ResourceSet, load};
use tollgate_types::{Diagnostic, Diagnostics, ObjectRef, Severity};

use crate::{
    build::Env,
    files::{File, Files, sources},
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
    good: HashMap<String, Arc<str>>,
    /// By name, those that keep their last good version; not tried again before they change.
    broken: BTreeMap<String, Broken>,
    set: ResourceSet,
    reading: Reading,
}

/// A text that nobody can read.
struct Broken {
    text: Arc<str>,
    notes: Vec<Diagnostic>,
}

/// What the texts in use came to, beside the set.
#[derive(Default)]
struct Reading {
    texts: Vec<File>,
    notes: Diagnostics,
    /// Objects that break their schema.
    refused: Vec<ObjectRef>,
    /// Those of them that keep their last good version.
    kept: Vec<ObjectRef>,
}

/// What the resources come to now.
pub(crate) struct State {
    /// The names of the texts that were used.
    pub(crate) files: Vec<String>,
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
            broken: BTreeMap::new(),
            set: ResourceSet::default(),
            reading: Reading::default(),
        }
    }

    /// The paths that can change.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.paths.iter().filter(|path| path.as_os_str() != "-").cloned().collect()
    }

    /// What was read last, with the last good version of what is broken.
    pub(crate) fn set(&self) -> &ResourceSet {
        &self.set
    }

    /// The texts in use.
    pub(crate) fn texts(&self) -> &[File] {
        &self.reading.texts
    }

    /// Objects that break their schema, whether or not they keep a good version.
    pub(crate) fn refused(&self) -> &[ObjectRef] {
        &self.reading.refused
    }

    /// Reads everything again; `None` where nothing has changed since the last time.
    pub(crate) fn read(&mut self, env: Env<'_>) -> Option<State> {
        let files = match &self.fixed {
            Some(file) => Files { texts: vec![file.clone()], notes: Diagnostics::default() },
            None => Files::read(&self.paths, &mut self.stdin.as_bytes()),
        };
        if self.seen.as_ref() == Some(&files) {
            return None;
        }
        let mut texts = files.texts.clone();
        self.restore_unread(&mut texts, &files.notes);
        self.broken.retain(|name, broken| {
            texts.iter().any(|File { name: now, text }| now == name && *text == broken.text)
        });
        self.load(texts, env);
        let Reading { texts, notes: said, refused, kept } = &self.reading;
        let left = refused.iter().filter(|object| !kept.contains(object)).cloned().collect();
        let mut compiled = compile(&self.set, &Options { refused: left, ..self.options.clone() });
        let mut notes = files.notes.clone();
        notes.0.extend(said.0.iter().chain(self.broken.values().flat_map(|broken| &broken.notes)).cloned());
        notes.0.append(&mut compiled.notes.0);
        let wrong = said.iter().any(is_broken) || !self.broken.is_empty() || !refused.is_empty();
        let refused = files.notes.has_errors() || wrong;
        let names = texts.iter().map(|file| file.name.clone()).collect();
        let kept = kept.clone();
        self.seen = Some(files);
        Some(State { files: names, compiled, notes, kept, refused })
    }

    /// Reads texts into objects. One that is no YAML keeps its last good version as a whole: nobody knows which
    /// objects are in it. Where that leaves the texts that are in use already, nothing is read twice.
    fn load(&mut self, mut texts: Vec<File>, env: Env<'_>) {
        self.restore_broken(&mut texts);
        if self.reading.texts == texts {
            return;
        }
        let mut loaded = load(&sources(&texts), env);
        if self.find_broken(&texts, &loaded.notes) {
            self.restore_broken(&mut texts);
            if self.reading.texts == texts {
                return;
            }
            loaded = load(&sources(&texts), env);
        }
        let Loaded { mut set, notes, refused } = loaded;
        let kept = set.keep_last_good(&self.set, &refused);
        self.set = set;
        for File { name, text } in &texts {
            if !notes.iter().any(|note| is_broken(note) && stands_in(note, name)) {
                self.good.insert(name.clone(), Arc::clone(text));
            }
        }
        self.good.retain(|name, _| texts.iter().any(|file| file.name == *name));
        self.reading = Reading { texts, notes, refused, kept };
    }

    /// Files, and folders with all that was in them, that cannot be read keep their last text.
    fn restore_unread(&self, texts: &mut Vec<File>, notes: &Diagnostics) {
        let unread = notes.iter().filter(|note| note.severity == Severity::Error);
        for span in unread.filter_map(|note| note.span.as_ref()) {
            let within = |(name, _): &(&String, &Arc<str>)| Path::new(name).starts_with(&*span.file);
            let mut known: Vec<_> = self.good.iter().filter(within).collect();
            known.sort();
            for (name, text) in known {
                if !texts.iter().any(|file| file.name == *name) {
                    texts.push(File { name: name.clone(), text: Arc::clone(text) });
                }
            }
        }
    }

    /// Remembers texts that are broken now and have a good version; false where there is none.
    fn find_broken(&mut self, texts: &[File], notes: &Diagnostics) -> bool {
        let before = self.broken.len();
        for File { name, text } in texts.iter().filter(|file| self.good.contains_key(&file.name)) {
            let wrong = notes.iter().filter(|note| is_broken(note) && stands_in(note, name));
            let notes: Vec<_> = wrong.cloned().collect();
            if !notes.is_empty() {
                self.broken.insert(name.clone(), Broken { text: Arc::clone(text), notes });
            }
        }
        self.broken.len() > before
    }

    fn restore_broken(&self, texts: &mut [File]) {
        for file in texts.iter_mut().filter(|file| self.broken.contains_key(&file.name)) {
            if let Some(text) = self.good.get(&file.name) {
                file.text = Arc::clone(text);
            }
        }
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
    fn good_texts_are_not_read_again_while_another_one_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
        // Every reading of the good text asks for its variable.
        fs::write(&a, GOOD.replace("one", "${KEY}")).unwrap();
        fs::write(&b, GOOD.replace("name: a", "name: b")).unwrap();
        let asked = std::cell::Cell::new(0);
        let env = |_: &str| {
            asked.set(asked.get() + 1);
            Some("one".to_owned())
        };
        let mut resources = resources(&folder);
        let mut read = || {
            let before = asked.get();
            let state = resources.read(&env).unwrap();
            (asked.get() - before, state.refused, state.problems().len())
        };
        assert_eq!(read(), (1, false, 0));
        // It is found to be broken; what is used instead is in use already.
        fs::write(&b, "{{{{ not: yaml").unwrap();
        assert_eq!(read(), (1, true, 1));
        // Known to be broken: only the other one is read, once, and the problem is still told.
        fs::write(&a, GOOD.replace("one", "${KEY}-two")).unwrap();
        assert_eq!(read(), (1, true, 1));
        fs::write(&b, GOOD.replace("name: a", "name: c")).unwrap();
        assert_eq!(read(), (1, false, 0));
        assert_eq!(key(&resources), Some(&b"one-two"[..]));
    }

    #[test]
    fn texts_are_remembered_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yaml"), GOOD).unwrap();
        let mut resources = resources(&folder);
        resources.read(&|_| None).unwrap();
        let seen = &resources.seen.as_ref().unwrap().texts[0].text;
        assert!(Arc::ptr_eq(seen, &resources.reading.texts[0].text));
        assert!(resources.good.values().all(|good| Arc::ptr_eq(good, seen)));
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
