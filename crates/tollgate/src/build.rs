//! From paths to a snapshot, with everything there is to say about them: what `check`, `explain` and `run` share.
use std::{io::Read, path::PathBuf, sync::Arc};

use tollgate_compile::{Compiled, Options, compile};
use tollgate_resources::{ResourceSet, load};
use tollgate_types::Diagnostics;

use crate::{
    diagnostics,
    files::{File, Files},
};

/// The looked-up environment.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What some texts come to.
#[derive(Debug)]
pub(crate) struct Built {
    /// The texts.
    pub(crate) texts: Vec<File>,
    /// The objects in them that can be used.
    pub(crate) set: ResourceSet,
    /// What they compile to.
    pub(crate) compiled: Compiled,
    /// Everything that was found: reading, loading, compiling.
    pub(crate) notes: Diagnostics,
}

/// The zone in which this gateway runs, as far as the environment says it.
pub(crate) fn zone(env: Env<'_>) -> Option<Arc<str>> {
    env("TOLLGATE_ZONE").filter(|zone| !zone.is_empty()).map(Arc::from)
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
        let options = Options { refused: loaded.refused, zone: zone(env), ..Options::default() };
        let mut compiled = compile(&loaded.set, &options);
        notes.0.extend(loaded.notes.0);
        notes.0.append(&mut compiled.notes.0);
        diagnostics::sort(&mut notes, &texts);
        Self { texts, set: loaded.set, compiled, notes }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io, path::Path};

    use super::*;
    use crate::autoconfig;

    fn messages(built: &Built) -> Vec<String> {
        built.notes.iter().map(|note| format!("{}: {}", note.severity, note.message)).collect()
    }

    #[test]
    fn every_example_is_clean() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let mut examples = 0;
        for folder in
            fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
        {
            let built = Built::from_paths(std::slice::from_ref(&folder), &mut io::empty(), &|_| None);
            assert_eq!(messages(&built), Vec::<String>::new(), "{}", folder.display());
            assert!(folder.join("README.md").is_file(), "{} has no README", folder.display());
            assert!(!built.compiled.snapshot.rules.is_empty(), "{}", folder.display());
            examples += 1;
        }
        assert!(examples >= 9, "there are only {examples} examples");
    }

    #[test]
    fn what_the_environment_gives_is_clean() {
        let every = [
            ("OPENAI_API_KEY", "sk-1"),
            ("OPENAI_BASE_URL", "http://127.0.0.1:9101/v1"),
            ("OPENAI_ORG_ID", "org: {x}"),
            ("AZURE_OPENAI_API_KEY", "azure-1"),
            ("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com/"),
            ("OPENAI_API_VERSION", "2025-01-01-preview"),
            ("ANTHROPIC_API_KEY", "sk-ant-1"),
        ];
        // Every subset; those that lack something are refused with words, not with a broken snapshot.
        for chosen in 0..1_u32 << every.len() {
            let env = |name: &str| {
                let at = every.iter().position(|(known, _)| *known == name)?;
                (chosen & (1 << at) != 0).then(|| every[at].1.to_owned())
            };
            let Ok(file) = autoconfig::from_environment(&env) else { continue };
            let built = Built::from_files(Files { texts: vec![file], ..Files::default() }, &env);
            assert_eq!(messages(&built), Vec::<String>::new(), "{chosen:b}");
            let backends = &built.compiled.snapshot.backends;
            assert!(!backends.is_empty() && backends.iter().all(|backend| backend.credential.is_some()));
            assert_eq!(built.compiled.snapshot.ports[0].number, 1975);
        }
    }
}
