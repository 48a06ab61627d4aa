//! Whatever is written, translating ends, and what it makes can be read: cases are mutilated line by line.
#![expect(clippy::unwrap_used, reason = "a test may fail")]
use std::{fs, path::Path};

use proptest::prelude::*;
use tollgate_generate::{Processor, Reader, Written, complete, documents, generate, proxies};
use tollgate_resources::{Manifest, Source, load, manifests};
use tollgate_testkit::folders;

fn cases() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    folders(&root).iter().map(|folder| fs::read_to_string(folder.join("in.yaml")).unwrap()).collect()
}

/// What may take the place of a value.
const VALUES: [&str; 12] =
    ["", "0", "-1", "true", "null", "\"\"", "x", "\"*\"", "[]", "{}", "[{name: a}]", "99999999h"];

#[derive(Clone, Debug)]
enum Edit {
    Delete(usize),
    Value(usize, usize),
    Swap(usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<usize>().prop_map(Edit::Delete),
        (any::<usize>(), 0..VALUES.len()).prop_map(|(line, value)| Edit::Value(line, value)),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ]
}

fn apply(lines: &mut Vec<String>, edit: &Edit) {
    let n = lines.len().max(1);
    match *edit {
        Edit::Delete(line) if !lines.is_empty() => drop(lines.remove(line % n)),
        Edit::Value(line, value) if !lines.is_empty() => {
            let line = &mut lines[line % n];
            if let Some(colon) = line.find(": ") {
                line.truncate(colon + 2);
                line.push_str(VALUES[value]);
            }
        }
        Edit::Swap(a, b) if !lines.is_empty() => lines.swap(a % n, b % n),
        _ => {}
    }
}

fn translate(text: &str) -> (Vec<Manifest>, usize) {
    let env = |_: &str| None;
    let source = [Source { name: "in.yaml", text }];
    let (loaded, manifests) = (load(&source, &env), manifests(&source, &env));
    let generated = generate(&loaded.set);
    let written = Written { set: &loaded.set, manifests: &manifests, refused: &loaded.refused };
    let made = proxies(written, &Processor { image: "a", resources: "b" }).objects.len();
    (complete(written, &generated, Reader::Files).objects, made)
}

proptest! {
    #[test]
    fn it_always_ends_and_what_it_makes_can_be_read(
        case in any::<prop::sample::Index>(),
        edits in prop::collection::vec(edit(), 1..4),
    ) {
        let cases = cases();
        let mut lines: Vec<_> = case.get(&cases).lines().map(str::to_owned).collect();
        edits.iter().for_each(|edit| apply(&mut lines, edit));
        let (objects, _) = translate(&lines.join("\n"));
        let text = documents(&objects);
        let again = manifests(&[Source { name: "out.yaml", text: &text }], &|_| None);
        prop_assert_eq!(again, objects, "{}", text);
    }
}
