//! Whatever is written, compiling ends with a snapshot: cases are mutilated line by line, loaded and compiled.
use std::{fs, path::Path};

use proptest::prelude::*;
use tollgate_compile::{Options, compile, describe};
use tollgate_resources::{Source, load};

fn cases() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files = Vec::new();
    for topic in fs::read_dir(root).unwrap() {
        for case in fs::read_dir(topic.unwrap().path()).unwrap() {
            files.push(case.unwrap().path().join("in.yaml"));
        }
    }
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// What may take the place of a value.
const VALUES: [&str; 16] = [
    "",
    "0",
    "-1",
    "65535",
    "true",
    "null",
    "\"\"",
    "x",
    "\"*\"",
    "\"*.example\"",
    "[]",
    "{}",
    "\"(\"",
    "/",
    "99999h",
    "Service",
];

#[derive(Clone, Debug)]
enum Edit {
    Delete(usize),
    Value(usize, usize),
    Word(usize, usize),
    Swap(usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<usize>().prop_map(Edit::Delete),
        (any::<usize>(), 0..VALUES.len()).prop_map(|(line, value)| Edit::Value(line, value)),
        (any::<usize>(), 0..VALUES.len()).prop_map(|(line, value)| Edit::Word(line, value)),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Edit::Swap(a, b)),
    ]
}

fn apply(lines: &mut Vec<String>, edit: &Edit) {
    if lines.is_empty() {
        return;
    }
    let n = lines.len();
    match *edit {
        Edit::Delete(line) => drop(lines.remove(line % n)),
        // The last value of the line.
        Edit::Value(line, value) => {
            let line = &mut lines[line % n];
            if let Some(at) = line.rfind(": ") {
                let tail: String = line[at + 2..].chars().filter(|c| matches!(c, '}' | ']')).collect();
                *line = format!("{}: {}{tail}", &line[..at], VALUES[value]);
            }
        }
        // The first value of the line, where braces go on after it.
        Edit::Word(line, value) => {
            let line = &mut lines[line % n];
            let end = line.find(": ").and_then(|at| line[at..].find(',').map(|comma| (at, at + comma)));
            if let Some((at, comma)) = end {
                *line = format!("{}: {}{}", &line[..at], VALUES[value], &line[comma..]);
            }
        }
        Edit::Swap(a, b) => lines.swap(a % n, b % n),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiling_never_panics_and_repeats_itself(
        case in any::<prop::sample::Index>(),
        edits in prop::collection::vec(edit(), 0..6),
    ) {
        let cases = cases();
        let mut lines: Vec<_> = case.get(&cases).lines().map(str::to_owned).collect();
        for edit in &edits {
            apply(&mut lines, edit);
        }
        let text = lines.join("\n");
        let loaded = load(&[Source { name: "in.yaml", text: &text }], &|_| None);
        let options = Options { refused: loaded.refused.clone(), ..Options::default() };
        let (first, second) = (compile(&loaded.set, &options), compile(&loaded.set, &options));
        prop_assert_eq!(describe(&first.snapshot), describe(&second.snapshot));
        prop_assert_eq!(first.notes, second.notes);
    }
}
