//! How Envoy Gateway takes the settings of its extension manager.
use std::{fs, process::Command};

use tollgate_testkit::{
    envoy::{HOOKS, Setup, envoy_gateway},
    process::{Running, free_port},
};

use crate::installed;

/// Starts Envoy Gateway with these settings, and gives what it says until one of these words comes up.
fn said(change: impl Fn(String) -> String, words: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let resources = folder.path().join("resources");
    fs::create_dir(&resources).unwrap();
    let extension = free_port().unwrap();
    let setup = Setup {
        folder: folder.path(),
        resources: &resources,
        extension: Some(extension),
        hooks: &HOOKS,
        envoy: folder.path(),
    };
    let config = folder.path().join("envoy-gateway.yaml");
    fs::write(&config, change(setup.config())).unwrap();
    let mut command = Command::new(envoy_gateway().unwrap());
    command.arg("server").arg("--config-path").arg(config);
    let mut gateway = Running::start("envoy-gateway", &mut command).unwrap();
    gateway.wait_for(words).unwrap()
}

#[test]
fn an_extension_without_hooks_ends_envoy_gateway_with_words_that_our_documents_explain() {
    let _ = installed!("1.40");
    // What leaves `backendResources` alone: as whoever follows an add-on's values without the values below them.
    let without = |config: String| {
        let (before, rest) = config.split_once("  hooks:\n").unwrap();
        let (_, resources) = rest.split_once("  backendResources:\n").unwrap();
        format!("{before}  backendResources:\n{resources}")
    };
    let line = said(without, "registered extension has no hooks specified");
    let words = "registered extension has no hooks specified";
    assert!(line.contains(words), "{line}");
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/envoy.md");
    match fs::read_to_string(guide) {
        Ok(guide) => assert!(guide.contains(words), "docs/envoy.md does not say what to do about {words:?}"),
        Err(_) => println!("skipped: docs/envoy.md is not there yet"),
    }
}
