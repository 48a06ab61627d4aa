//! Manifests of real deployments, as they were written, through the controller into Envoy Gateway.
use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{installed, setting::Setting};

/// The name by which Envoy Gateway of the tests knows its classes.
const CONTROLLER: &str = "gateway.envoyproxy.io/gatewayclass-controller";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/as-written")
}

/// All manifests of a deployment, for this Envoy Gateway.
fn manifests(folder: &Path) -> String {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    paths.sort();
    let text: String =
        paths.iter().map(|path| format!("---\n{}\n", fs::read_to_string(path).unwrap())).collect();
    let text = text.replace("gateway.envoyproxy.io/ai-gatewayclass-controller", CONTROLLER);
    // The file provider of this Envoy Gateway ends with a panic where a number of this type stands; in a cluster it
    // does not.
    let free = "from: Number\n              number: 0\n";
    text.replace(free, "from: Metadata\n              metadata: {namespace: nobody, key: nothing}\n")
}

fn is_taken(deployment: &str) {
    let envoy = installed!("1.40");
    let folder = folder().join(deployment);
    if !folder.exists() {
        return eprintln!("skipped: {} is not there", folder.display());
    }
    let mut setting = Setting::start(&envoy, &manifests(&folder), "", None);
    let gateway = setting.stack.gateway.running();
    gateway.has_said("reload resources finished").unwrap();
    gateway.has_said("reconcile finished").unwrap();
    setting.stack.lives().unwrap();
    let config = setting.controller_config();
    assert_eq!(config["findings"], serde_json::json!([]), "{config:#}");
    assert_eq!(config["hooks"]["failed"], 0, "{config:#}");
}

#[test]
fn the_gateway_of_a_cluster_template_is_taken() {
    is_taken("cluster-template");
}

#[test]
fn a_gateway_of_tenants_is_taken() {
    is_taken("multi-tenant");
}

#[test]
fn a_gateway_before_an_inference_pool_is_taken() {
    is_taken("inference-pool");
}
