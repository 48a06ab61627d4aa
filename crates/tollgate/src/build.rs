//! From paths to a snapshot, with everything there is to say about them: what `check`, `explain` and `run` share.
use std::{io::Read, path::PathBuf};

use tollgate_compile::{Compiled, Options, compile};
use tollgate_resources::{ResourceSet, load};
use tollgate_types::{Diagnostics, ObjectRef};

use crate::files::{File, Files};

/// The looked-up environment.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What some texts come to.
#[derive(Debug)]
pub(crate) struct Built {
    /// The texts.
    pub(crate) texts: Vec<File>,
    /// The objects in them.
    pub(crate) set: ResourceSet,
    /// Objects that break their schema.
    pub(crate) refused: Vec<ObjectRef>,
    /// What they compile to.
    pub(crate) compiled: Compiled,
    /// Everything that was found: reading, loading, compiling.
    pub(crate) notes: Diagnostics,
}

// === impl Built ===

impl Built {
    /// Reads, loads and compiles paths.
    pub(crate) fn from_paths(paths: &[PathBuf], stdin: &mut dyn Read, env: Env<'_>) -> Self {
        Self::from_files(Files::read(paths, stdin), env)
    }

    /// Loads and compiles texts.
    pub(crate) fn from_files(files: Files, env: Env<'_>) -> Self {
        let loaded = load(&files.sources(), env);
        let Files { texts, mut notes } = files;
        let options = Options { refused: loaded.refused.clone(), ..Options::default() };
        let mut compiled = compile(&loaded.set, &options);
        notes.0.extend(loaded.notes.0);
        notes.0.append(&mut compiled.notes.0);
        // In the order of the files, for readers; what has no place comes first.
        notes.0.sort_by_key(|note| {
            let span = note.span.as_ref();
            let file = span.and_then(|span| texts.iter().position(|file| *file.name == *span.file));
            (file, span.map(|span| (span.line, span.column)))
        });
        Self { texts, set: loaded.set, refused: loaded.refused, compiled, notes }
    }
}
