use std::{collections::BTreeSet, fs, path::Path};

use super::*;
use crate::check::tests::notes_of;

const WORLD: &str = include_str!("world.yaml");

/// Codes whose fault no manifest of a few lines shows, or that need something beside manifests.
const WITHOUT_EXAMPLE: [&str; 17] = [
    "empty-folder",
    "insecure-clients",
    "invalid-hash",
    "invalid-header",
    "invalid-merge",
    "invalid-reference",
    "invalid-status",
    "missing-key",
    "mixed-backends",
    "no-health-check",
    "object-not-found",
    "passthrough",
    "shadowed",
    "too-deep",
    "too-many-aliases",
    "too-many-for-version",
    "unreadable-file",
];

/// The codes of what there is to say about an example, which comes first, so that it replaces what has its name.
fn codes_of(example: &str, target: Option<&str>) -> BTreeSet<&'static str> {
    notes_of(&format!("{example}\n---\n{WORLD}"), target).iter().map(|note| note.code).collect()
}

#[test]
fn each_faulty_example_has_its_code_and_each_right_one_has_not() {
    let mut wrong = Vec::new();
    for code in all() {
        let Some(example) = &code.example else {
            // Those are not what check finds.
            if code.page != "envoy" && !WITHOUT_EXAMPLE.contains(&code.name) {
                wrong.push(format!("{} has no example", code.name));
            }
            continue;
        };
        let (faulty, right) = (example.faulty(), example.right());
        let found = codes_of(&faulty, example.target);
        if !found.contains(code.name) {
            wrong.push(format!("{} is not found in its faulty form, but {found:?}:\n{faulty}", code.name));
        }
        if codes_of(&right, example.target).contains(code.name) {
            wrong.push(format!("{} is found in its right form:\n{right}", code.name));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn each_code_says_what_it_means_why_it_matters_and_what_to_do_and_stands_once() {
    let mut seen = BTreeSet::new();
    for Code { name, meaning, why, fix, .. } in all() {
        assert!(!meaning.is_empty() && !why.is_empty() && !fix.is_empty(), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
        assert!(seen.insert(name), "{name} stands twice");
    }
    assert!(seen.len() > 200, "there are only {}", seen.len());
}

/// The codes that the sources of a crate give to diagnostics.
fn used_in(folder: &Path, all: &mut BTreeSet<String>) {
    // What stands right before a code where one is given.
    const BEFORE: [&str; 15] = [
        "code: ",
        "Fault::new(",
        ".broken(",
        ".warn(",
        "refuse(",
        "stray(place,",
        ".form(",
        "rules.unique(",
        "parsed(deserializer,",
        "note(Severity::Warning,",
        "Note::error(",
        "Note::warning(",
        "Note::info(",
        "proxies.note(",
        "self.note(",
    ];
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            used_in(&entry, all);
            continue;
        }
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".rs") || name == "tests.rs" {
            continue;
        }
        let text = fs::read_to_string(&entry).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for before in BEFORE {
            for rest in joined.split(before).skip(1) {
                let rest = rest.trim_start().trim_start_matches('(').trim_start();
                let code = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')).map(|(code, _)| code);
                all.extend(code.filter(|code| code.contains('-')).map(str::to_owned));
            }
        }
    }
}

#[test]
fn each_code_that_the_sources_give_is_explained() {
    let mut used = BTreeSet::new();
    for package in
        ["tollgate-resources", "tollgate-compile", "tollgate-generate", "tollgate-envoy", "tollgate"]
    {
        used_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(package).join("src"), &mut used);
    }
    assert!(used.len() > 150, "found only {used:?}");
    let missing: Vec<_> = used.iter().filter(|code| find(code).is_none()).collect();
    assert!(missing.is_empty(), "add these to docs/checks: {missing:?}");
}

#[test]
fn the_list_of_codes_is_that_of_the_pages() {
    let mut list = String::from(
        "# Codes of `tollgate check`\n\nEvery diagnostic has a code that stays the same. `tollgate explain CODE` prints what \
         stands here. The examples stand beside a\nGateway `edge`, a Service `web`, an AIServiceBackend `openai` and routes to \
         them.\n",
    );
    let mut page = "";
    for code in all() {
        if code.page != page {
            let text = PAGES.iter().find(|(name, _)| *name == code.page).map_or("", |(_, text)| text);
            let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
            list.push_str(&format!(
                "\n## [{title}](checks/{}.md)\n\n| code | says |\n|---|---|\n",
                code.page
            ));
            page = code.page;
        }
        let meaning = code.meaning.replace('|', "\\|");
        list.push_str(&format!("| [`{0}`](checks/{1}.md#{0}) | {meaning} |\n", code.name, code.page));
    }
    expect_test::expect_file!["../../../../../docs/checks.md"].assert_eq(&list);
}

#[test]
fn a_misspelt_code_is_recognised() {
    assert_eq!(nearest("unreachble-rule"), Some("unreachable-rule"));
    assert_eq!(nearest("secret-key"), Some("secret-key-not-found"));
    assert_eq!(nearest("xyz"), None);
}
