//! Every `golden/<case>/in.yaml` is translated; objects and notes are held against the wants beside it.
//! `UPDATE_EXPECT=1` writes them.
use std::{fs, path::Path};

use tollgate_generate::{Complete, Processor, Reader, Written, complete, documents, generate, proxies};
use tollgate_resources::{Source, load, manifests, prune};
use tollgate_testkit::{folders, notes};

/// What a text is translated to, and the notes.
fn translate(text: &str) -> (String, String) {
    let env = |_: &str| None;
    let source = [Source { name: "in.yaml", text }];
    let (loaded, mut manifests) = (load(&source, &env), manifests(&source, &env));
    prune(&mut manifests, &loaded.notes);
    let generated = generate(&loaded.set);
    let written = Written { set: &loaded.set, manifests: &manifests, refused: &loaded.refused };
    let Complete { objects, diagnostics } = complete(written, &generated, Reader::Files);
    let notes = [&loaded.notes, &generated.diagnostics, &diagnostics].map(notes).concat();
    (documents(&objects), notes)
}

/// The EnvoyProxies with the processor in them, and the notes.
fn with_processor(text: &str) -> String {
    let env = |_: &str| None;
    let source = [Source { name: "in.yaml", text }];
    let (loaded, manifests) = (load(&source, &env), manifests(&source, &env));
    let written = Written { set: &loaded.set, manifests: &manifests, refused: &loaded.refused };
    let processor = Processor { image: "tollgate:1", resources: "tollgate-resources" };
    let proxies = proxies(written, &processor);
    let notes = notes(&proxies.diagnostics);
    documents(&proxies.objects) + &notes.lines().map(|line| format!("# {line}\n")).collect::<String>()
}

#[test]
fn golden_cases_become_what_stands_beside_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let cases = folders(&root);
    assert!(cases.len() >= 8, "there are only {} cases", cases.len());
    for case in cases {
        let text = fs::read_to_string(case.join("in.yaml")).unwrap();
        let (objects, notes) = translate(&text);
        expect_test::expect_file![case.join("want.yaml")].assert_eq(&objects);
        expect_test::expect_file![case.join("want.notes.txt")].assert_eq(&notes);
        if case.join("want.proxies.yaml").is_file() {
            expect_test::expect_file![case.join("want.proxies.yaml")].assert_eq(&with_processor(&text));
        }
        // What comes out goes in again: nothing is generated twice, nothing taken for a user's.
        let (again, _) =
            translate(&format!("{}---\n{objects}", fs::read_to_string(case.join("in.yaml")).unwrap()));
        assert_eq!(again, objects, "{}", case.display());
    }
}

#[test]
fn golden_examples_are_translated_without_a_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for folder in folders(&root) {
        let (objects, notes) = translate(&fs::read_to_string(folder.join("gateway.yaml")).unwrap());
        let mut said = notes.lines().filter(|line| !line.starts_with("  "));
        // One of them has a cost that is a number, which the file provider cannot read.
        assert!(said.all(|line| line.contains("[left-out-for-files]")), "{}: {notes}", folder.display());
        assert!(objects.contains("kind: HTTPRoute\n"), "{}", folder.display());
    }
}

#[test]
fn the_same_resources_give_the_same_bytes_in_whatever_order_they_come() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/fallback/gateway.yaml");
    let text = fs::read_to_string(root).unwrap();
    let mut parts: Vec<_> = text.split("---\n").collect();
    let (forwards, _) = translate(&text);
    parts.reverse();
    assert_eq!(translate(&parts.join("\n---\n")).0, forwards);
}

#[test]
fn what_only_the_hooks_know_changes_the_route_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/every-field/in.yaml");
    let text = fs::read_to_string(root).unwrap();
    let (before, _) = translate(&text);
    for (old, new) in [
        ("streamIdleTimeout: 10s", "streamIdleTimeout: 11s"),
        ("backendRequest: 45s500ms", "backendRequest: 46s"),
        ("limit: 1000", "limit: 1001"),
    ] {
        let edited = text.replace(old, new);
        assert_ne!(edited, text, "{old}");
        assert_ne!(translate(&edited).0, before, "{new}");
    }
}
