//! examples/token-limited-azure, with a real Redis.
use std::{fs, process::Command, time::Instant};

use tollgate_simulate::{Behaviour, Recorded, Simulator};
use tollgate_testkit::redis::Redis;

use crate::gateway::{self, Answer, Ask, Gateway, PATIENCE};

const HOSTS: [&str; 2] = ["primary.openai.azure.com", "secondary.openai.azure.com"];
const ALICE: &str = "alice-example-key";
const BOB: &str = "bob-example-key";

/// Both deployments at one simulator, behind TLS with their names on the certificate.
struct Azure {
    simulator: Simulator,
    tls: Gateway,
    folder: tempfile::TempDir,
}

// === impl Azure ===

impl Azure {
    fn start() -> Self {
        let simulator = Simulator::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(HOSTS.map(String::from)).unwrap();
        fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let path = folder.path().join("front.yaml");
        let indented = |pem: String| pem.replace('\n', "\n    ");
        let (chain, key) = (indented(made.cert.pem()), indented(made.signing_key.serialize_pem()));
        let port = simulator.address().port();
        let front = format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: front}}
spec:
  gatewayClassName: front
  listeners: [{{name: https, protocol: HTTPS, port: 443, tls: {{certificateRefs: [{{name: front}}]}}}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: front}}
stringData:
  tls.crt: |
    {chain}
  tls.key: |
    {key}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: front}}
spec:
  parentRefs: [{{name: front}}]
  rules: [{{backendRefs: [{{group: gateway.envoyproxy.io, kind: Backend, name: front}}]}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: front}}
spec: {{endpoints: [{{ip: {{address: 127.0.0.1, port: {port}}}}}]}}
"
        );
        fs::write(&path, front).unwrap();
        let tls = Gateway::start(&path, |_| ());
        Self { simulator, tls, folder }
    }

    fn serve(&self, change: impl FnOnce(&mut Command)) -> Gateway {
        Gateway::start(&gateway::folder("examples/token-limited-azure"), |command| {
            for host in HOSTS {
                command.args(["--resolve", &format!("{host}:443=127.0.0.1:{}", self.tls.port(443))]);
            }
            command.env("SSL_CERT_FILE", self.folder.path().join("ca.pem")).env_remove("SSL_CERT_DIR");
            change(command);
        })
    }

    fn last(&self) -> Recorded {
        self.simulator.last().pop().unwrap()
    }
}

fn chat(gateway: &Gateway, model: &str, headers: &[(&str, &str)]) -> Answer {
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hello"}}]}}"#);
    let mut ask = Ask::post("localhost", "/v1/chat/completions", body);
    for (name, value) in headers {
        ask = ask.with(name, *value);
    }
    ask.send(gateway.port(1975)).read()
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

/// Answers 200 before the first 429.
fn passed(mut status: impl FnMut() -> u16) -> usize {
    for count in 0..100 {
        match status() {
            200 => {}
            429 => return count,
            other => panic!("{other} after {count}"),
        }
    }
    panic!("nothing was refused");
}

#[test]
fn each_model_is_asked_of_its_deployment_with_its_key() {
    let azure = Azure::start();
    let gateway = azure.serve(|command| {
        command.env("AZURE_PRIMARY_API_KEY", "first-1111").env("AZURE_SECONDARY_API_KEY", "second-2222");
    });
    for (model, host, key) in
        [("gpt-4", HOSTS[0], "1111"), ("gpt-4o", HOSTS[0], "1111"), ("gpt-35-turbo", HOSTS[1], "2222")]
    {
        let answer = chat(&gateway, model, &[("authorization", &bearer(ALICE))]);
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = azure.last();
        assert_eq!(seen.path, format!("/openai/deployments/{model}/chat/completions"));
        assert_eq!((seen.header("host"), seen.header("api-key")), (Some(host), Some(key)), "{seen:?}");
        assert_eq!(seen.header("authorization"), None, "{seen:?}");
    }
    assert_eq!(chat(&gateway, "gpt-9", &[("authorization", &bearer(ALICE))]).status, 404);
}

#[test]
fn nobody_calls_without_a_key_or_as_somebody_else() {
    let azure = Azure::start();
    let gateway = azure.serve(|_| ());
    for headers in [&[][..], &[("authorization", "Bearer guessed")], &[("x-user-id", "alice")]] {
        assert_eq!(chat(&gateway, "gpt-4o", headers).status, 401, "{headers:?}");
    }
    let answer = chat(&gateway, "gpt-4o", &[("authorization", &bearer(ALICE)), ("x-user-id", "bob")]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = azure.last();
    assert!(seen.headers.iter().all(|(name, value)| name != "x-user-id" || value == "alice"), "{seen:?}");
}

#[test]
fn a_user_has_a_hundred_thousand_tokens_an_hour_over_all_models_and_gateways() {
    let Some(redis) = Redis::start_or_skip() else { return };
    let azure = Azure::start();
    let serve = || {
        azure.serve(|command| {
            command.args(["--redis-url", &redis.url()]);
        })
    };
    let gateways = [serve(), serve()];
    azure.simulator.next(0, Behaviour { tokens: Some(20_000), ..Behaviour::default() });
    let (alice, bob) = (bearer(ALICE), bearer(BOB));
    let models = ["gpt-4o", "gpt-35-turbo", "gpt-4"];
    let mut turn = 0;
    let passed = passed(|| {
        turn += 1;
        // Another name is no other budget.
        let headers =
            [("authorization", &*alice), ("x-user-id", if turn % 2 == 0 { "bob" } else { "carol" })];
        chat(&gateways[turn % 2], models[turn % 3], &headers).status
    });
    // Five make 100,000 and their prompts a little more. What the gateways have not told each other yet may let one more
    // through at each of them, and an hour may end in between.
    assert!((5..=14).contains(&passed), "{passed}");
    let began = Instant::now();
    while gateways.iter().any(|gateway| chat(gateway, "gpt-4o", &[("authorization", &alice)]).status != 429) {
        assert!(began.elapsed() < PATIENCE, "the gateways do not agree");
    }
    let refused = chat(&gateways[0], "gpt-4o", &[("authorization", &alice)]);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{refused:?}");
    assert_eq!(chat(&gateways[1], "gpt-4o", &[("authorization", &bob)]).status, 200);
    assert!(!redis.lines("KEYS *rule*").unwrap().is_empty());
    // A gateway that comes later finds what was spent.
    let later = serve();
    assert_eq!(chat(&later, "gpt-4o", &[("authorization", &alice)]).status, 429);
}

#[test]
fn the_limit_is_a_setting() {
    let azure = Azure::start();
    let gateway = azure.serve(|command| {
        command.env("TOKENS_PER_HOUR", "1000");
    });
    azure.simulator.next(0, Behaviour { tokens: Some(600), ..Behaviour::default() });
    let alice = bearer(ALICE);
    let passed = passed(|| chat(&gateway, "gpt-4o", &[("authorization", &alice)]).status);
    assert!((2..=4).contains(&passed), "{passed}");
}
