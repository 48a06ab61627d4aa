//! Every `golden/<topic>/<case>/in.yaml` is compiled; the snapshot and the notes are held against the wants beside
//! it. `UPDATE_EXPECT=1` writes them.
use std::{fs, path::Path};

use tollgate_compile::{Options, compile, describe};
use tollgate_resources::{Source, load};
use tollgate_testkit::{folders, notes};

#[test]
fn every_case_compiles_to_what_stands_beside_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let cases: Vec<_> = folders(&root).iter().flat_map(|topic| folders(topic)).collect();
    assert!(cases.len() >= 30, "there are only {} cases", cases.len());
    for case in cases {
        let text = fs::read_to_string(case.join("in.yaml")).unwrap();
        let env = |name: &str| (name == "KEY").then(|| "sk-from-the-environment".to_owned());
        let loaded = load(&[Source { name: "in.yaml", text: &text }], &env);
        let options = Options { refused: loaded.refused.clone(), ..Options::default() };
        let compiled = compile(&loaded.set, &options);
        let notes = [&loaded.notes, &compiled.notes].map(notes).concat();
        let snapshot = describe(&compiled.snapshot);
        for secret in ["sk-", "PRIVATE KEY"] {
            assert!(!snapshot.contains(secret) && !notes.contains(secret), "{}: {secret}", case.display());
        }
        expect_test::expect_file![case.join("want.snapshot.txt")].assert_eq(&snapshot);
        expect_test::expect_file![case.join("want.notes.txt")].assert_eq(&notes);
    }
}
