//! The hand-written corpus: every valid file loads without a word of complaint, every invalid one breaks the rule
//! that its first line names.

use std::{collections::BTreeSet, fs, path::Path};

use tollgate_resources::{Loaded, Product, Source, Target, load, suits, surroundings};
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

/// Every release of every product.
fn targets() -> Vec<Target> {
    let products = [Product::EnvoyGateway, Product::AiGateway, Product::GatewayApi];
    let all = products
        .into_iter()
        .flat_map(|product| product.releases().into_iter().map(move |release| Target { product, release }));
    all.collect()
}

#[test]
fn checks_of_surroundings_and_versions_take_whatever_stands_in_a_file() {
    let texts: Vec<_> = corpus("valid").into_iter().chain(corpus("invalid")).collect();
    let sources: Vec<_> = texts.iter().map(|(name, text)| Source { name, text }).collect();
    let pointed = |notes: tollgate_types::Diagnostics| notes.iter().all(|note| note.span.is_some());
    assert!(pointed(surroundings(&sources, &|_| None)), "a finding in a file has a place there");
    for target in targets() {
        assert!(pointed(suits(&sources, &|_| None, &[target])), "{target}");
    }
}

#[test]
fn the_newest_releases_take_every_valid_object() {
    let texts = corpus("valid");
    let sources: Vec<_> = texts.iter().map(|(name, text)| Source { name, text }).collect();
    for product in [Product::EnvoyGateway, Product::AiGateway] {
        let release = product.releases().into_iter().max().expect("there are releases");
        let notes = suits(&sources, &|_| None, &[Target { product, release }]);
        // This mode is ours alone, and docs/limits.md says so.
        let unknown: Vec<_> =
            notes.iter().filter(|note| !note.message.contains("does not know Exclusive")).collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
    }
}
