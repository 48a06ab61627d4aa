//! Two backends at one address are two backends: each has its turn, its model and its credential.
use tollgate_simulate::{Behaviour, Simulator};
use tollgate_testkit::{process::free_port, resources};

use crate::{
    installed,
    setting::{Setting, chat},
};

fn backend(name: &str, port: u16) -> String {
    format!(
        "{}apiVersion: v1
kind: Secret
metadata: {{name: {name}}}
stringData: {{apiKey: key-of-{name}}}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {{name: {name}}}
spec:
  targetRefs: [{{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: {name}}}]
  type: APIKey
  apiKey: {{secretRef: {{name: {name}}}}}
---
",
        resources::openai(port).replace("openai", name)
    )
}

fn resources(simulator: &Simulator, port: u16) -> String {
    let at = simulator.address().port();
    let gateway = resources::GATEWAY.replace("1975", &port.to_string());
    format!(
        "{gateway}{}{}apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: models}}
spec:
  parentRefs: [{{name: tollgate}}]
  rules:
    - matches: [{{headers: [{{name: x-ai-eg-model, value: m}}]}}]
      backendRefs: [{{name: large, modelNameOverride: large}}, {{name: small, modelNameOverride: small, priority: 1}}]
    - matches: [{{headers: [{{name: x-ai-eg-model, value: both}}]}}]
      backendRefs: [{{name: large, modelNameOverride: large}}, {{name: small, modelNameOverride: small}}]
",
        backend("large", at),
        backend("small", at),
    )
}

/// How a Backend says where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Address,
    Name,
}

fn are_two(version: &str, by: By) {
    let envoy = installed!(version);
    let simulator = Simulator::start().unwrap();
    let port = free_port().unwrap();
    let mut resources = resources(&simulator, port);
    if by == By::Name {
        resources = resources.replace("ip: {address: 127.0.0.1,", "fqdn: {hostname: localhost,");
    }
    let mut setting = Setting::start(&envoy, &resources, "", None);
    setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
    // The simulator shows the last letters of a key.
    let large = (r#""large""#.to_owned(), "arge".to_owned());
    let small = (r#""small""#.to_owned(), "mall".to_owned());
    let asked = || -> Vec<(String, String)> {
        let said = simulator.last().into_iter().map(|one| {
            let body: serde_json::Value = serde_json::from_str(&one.body).unwrap();
            let mut keys = one.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
            (body["model"].to_string(), keys.next().map(|(_, key)| key.clone()).unwrap_or_default())
        });
        said.collect()
    };
    simulator.next(1, Behaviour { status: Some(503), ..Behaviour::default() });
    let reply = Setting::ask(port, &chat("m", &[]));
    assert_eq!(reply.status, 200, "{}\n{}", reply.text(), setting.stack.said());
    assert!(asked().ends_with(&[large.clone(), small.clone()]), "{:?}", asked());
    // At one priority each has its share.
    for _ in 0..16 {
        assert_eq!(Setting::ask(port, &chat("both", &[])).status, 200);
    }
    let last: Vec<_> = asked().into_iter().rev().take(16).collect();
    assert!(last.contains(&large) && last.contains(&small), "{last:?}");
}

#[test]
fn backends_at_one_address_fall_back_to_each_other() {
    are_two("1.40", By::Address);
}

#[test]
fn backends_at_one_address_fall_back_to_each_other_in_the_oldest_envoy() {
    are_two("1.36", By::Address);
}

#[test]
fn backends_of_one_name_fall_back_to_each_other() {
    are_two("1.40", By::Name);
}
