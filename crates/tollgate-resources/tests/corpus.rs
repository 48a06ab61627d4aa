//! The hand-written corpus: every valid file loads without a word of complaint, every invalid one breaks the rule
//! that its first line names.

use std::{collections::BTreeSet, fs, path::Path};

use tollgate_resources::{Loaded, Source, load};
use tollgate_types::Severity;

fn corpus(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the corpus is part of the crate")
        .map(|entry| {
            let path = entry.expect("the folder can be listed").path();
            let name = path.file_name().expect("files have names").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("the corpus is UTF-8"))
        })
        .collect();
    files.sort();
    files
}

fn read(name: &str, text: &str) -> Loaded {
    load(&[Source { name, text }], &|_| None)
}

#[test]
fn a_valid_object_is_taken_without_a_complaint() {
    for (name, text) in corpus("valid") {
        let loaded = read(&name, &text);
        let complaints: Vec<_> = loaded.notes.iter().filter(|note| note.severity != Severity::Info).collect();
        assert!(complaints.is_empty(), "{name}: {complaints:#?}");
        assert!(!loaded.set.is_empty() && loaded.refused.is_empty(), "{name}");
    }
}

#[test]
fn an_invalid_object_breaks_the_rule_it_names_and_is_left_out() {
    for (name, text) in corpus("invalid") {
        let code = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# code: "))
            .expect("the first line names a code");
        let loaded = read(&name, &text);
        let errors: Vec<_> = loaded.notes.iter().filter(|note| note.severity == Severity::Error).collect();
        assert!(errors.iter().any(|note| note.code == code), "{name}: wanted {code}, found {errors:#?}");
        let codes: BTreeSet<_> = errors.iter().map(|note| note.code).collect();
        assert_eq!(codes.len(), 1, "{name}: one broken rule, one code: {errors:#?}");
        for note in errors {
            assert!(note.span.is_some(), "{name}: {note:?}");
            assert!(!note.message.ends_with('.') && !note.message.is_empty(), "{name}: {note:?}");
        }
        if code != "duplicate-object" {
            assert!(loaded.set.is_empty(), "{name}: an invalid object was taken");
        }
    }
}
