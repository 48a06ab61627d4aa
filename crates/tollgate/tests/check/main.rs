//! `tollgate check` as people and pipelines run it: the faults of real deployments, whole deployments as they were
//! written, and exit statuses.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const FAULTS: &str = include_str!("faults.md");
const WORLD: &str = include_str!("../../src/explain/codes/world.yaml");

/// Faults that no manifest shows, each with the reason.
const NOT_IN_MANIFESTS: [(u32, &str); 13] = [
    (7, "a script makes namespaces of folders"),
    (9, "an option of another tool"),
    (11, "values of a chart that its values file lacks"),
    (19, "an address that nobody pins: there is nothing to see"),
    (20, "a command of a page"),
    (23, "a port in a page"),
    (25, "a drawing that differs from its files"),
    (30, "the program of a container"),
    (38, "the prefix of tools is a name, and any name is right"),
    (40, "a schema of values that is too narrow"),
    (41, "a value that its schema lacks"),
    (44, "a date in a page"),
    (48, "no fault has this number: first-listener-only is what hung"),
];

/// Runs the command in a folder, with a text on standard input.
fn check(folder: &Path, arguments: &[&str], text: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .arg("check")
        .args(arguments)
        .current_dir(folder)
        .env_remove("TOLLGATE_ZONE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

/// The codes that are found beside the usual objects; the text comes first, so that it replaces what has its name.
fn codes(text: &str, target: Option<&str>) -> BTreeSet<String> {
    let target = target.map(|target| format!("--for={target}"));
    let arguments: Vec<_> = ["-", "--output=json"].into_iter().chain(target.as_deref()).collect();
    let output = check(&here(), &arguments, &format!("{text}\n---\n{WORLD}"));
    let notes: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    notes.iter().map(|note| note["code"].as_str().unwrap().to_owned()).collect()
}

/// One form of a diff: lines with this mark, and those that both forms have.
fn form(diff: &str, mark: char) -> String {
    let lines = diff.lines().filter_map(|line| line.strip_prefix(mark).or_else(|| line.strip_prefix(' ')));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn each_fault_is_found_in_its_faulty_form_and_not_in_the_right_one() {
    let (mut numbers, mut wrong) = (BTreeSet::new(), Vec::new());
    for section in FAULTS.split("\n## ").skip(1) {
        let (title, rest) = section.split_once('\n').unwrap();
        let (id, code) = title.split_once(' ').unwrap();
        let (_, rest) = rest.split_once("```diff").unwrap();
        let (info, rest) = rest.split_once('\n').unwrap();
        let (diff, _) = rest.split_once("```").unwrap();
        let target = info.trim().strip_prefix("for=");
        let found = codes(&form(diff, '-'), target);
        if !found.contains(code) {
            wrong.push(format!("{title}: not found, but {found:?}"));
        }
        if codes(&form(diff, '+'), target).contains(code) {
            wrong.push(format!("{title}: found in the right form"));
        }
        numbers.insert(id.trim_end_matches(char::is_alphabetic).parse::<u32>().unwrap());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let elsewhere: BTreeSet<_> = NOT_IN_MANIFESTS.iter().map(|(number, _)| *number).collect();
    let missing: Vec<_> = (1..=47).filter(|n| !numbers.contains(n) && !elsewhere.contains(n)).collect();
    assert!(missing.is_empty(), "no form of {missing:?}");
}

/// Deployments as their authors wrote them down, and what is said of them. `options` has the command line.
#[test]
fn what_is_said_of_whole_deployments_stands_beside_them() {
    let root = here().join("as-written");
    let mut folders: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    assert_eq!(folders.len(), 5);
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let options = fs::read_to_string(folder.join("options")).unwrap_or_default();
        let arguments: Vec<_> = [name.as_str()].into_iter().chain(options.split_whitespace()).collect();
        let output = check(&root, &arguments, "");
        assert_eq!(output.status.code(), Some(1), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        expect_test::expect_file![folder.join("want.txt")]
            .assert_eq(&String::from_utf8(output.stdout).unwrap());
    }
}

/// A repository of Flux as it stands, with namespaces, values and patches that come with its build.
#[test]
fn what_a_repository_leaves_to_its_build_is_no_error() {
    let output = check(&here(), &["unbuilt"], "");
    let said = String::from_utf8_lossy(&output.stdout);
    for code in ["no-extension-manager", "backend-not-enabled"] {
        assert!(said.contains(&format!("info[{code}]: unless a patch says more")), "{code}: {said}");
    }
    for never in ["dependency-not-found", "not-an-object", "error[no-", "error[backend-not-enabled"] {
        assert!(!said.contains(never), "{never}: {said}");
    }
}

/// What we recommend ourselves has nothing to be said of.
#[test]
fn examples_and_deployments_have_no_warning() {
    let root = here().join("../../../..");
    let examples = fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = examples.filter(|path| path.is_dir()).collect();
    folders.push(root.join("deploy/multi-tenant"));
    for folder in folders {
        let output = check(&root, &[&folder.to_string_lossy(), "--deny=warnings"], "");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", folder.display());
    }
}

#[test]
fn exit_statuses_tell_errors_from_wrong_command_lines() {
    let status = |arguments: &[&str], text: &str| check(&here(), arguments, text).status.code();
    assert_eq!(status(&["-"], WORLD), Some(0));
    assert_eq!(status(&["-"], "kind: Gateway\n"), Some(1));
    assert_eq!(status(&["no-such-file.yaml"], ""), Some(1));
    assert_eq!(status(&[], ""), Some(2));
    assert_eq!(status(&["-", "--for=envoy-gateway=0.1"], WORLD), Some(2));
    assert_eq!(status(&["-", "--deny=no-such-code"], WORLD), Some(2));
}
