//! What clients see of a processor that breaks: an error at once, and never the route's own timeout.
use std::time::{Duration, Instant};

use tollgate_simulate::Simulator;
use tollgate_testkit::{
    process::free_ports,
    processor::{Manner, Place, Processor},
    resources,
};

use crate::{
    installed,
    setting::{Setting, chat},
};

/// `message_timeout` of our filters or twice the timeout of idle streams, and a little.
const ANSWERED: Duration = Duration::from_secs(13);

fn resources(simulator: &Simulator, port: u16) -> String {
    let gateway = resources::GATEWAY.replace("1975", &port.to_string());
    format!(
        "{gateway}{}apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: models}}
spec:
  parentRefs: [{{name: tollgate}}]
  rules:
    - matches: [{{headers: [{{name: x-ai-eg-model, value: m}}]}}]
      backendRefs: [{{name: openai}}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {{name: idle}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: tollgate}}]
  timeout: {{http: {{streamIdleTimeout: 4s}}}}
",
        resources::openai(simulator.address().port())
    )
}

#[test]
fn whatever_a_processor_does_the_client_has_an_answer_soon() {
    let envoy = installed!("1.40");
    let simulator = Simulator::start().unwrap();
    let port = free_ports(1).unwrap()[0];
    let mut setting = Setting::start(&envoy, &resources(&simulator, port), "", None);
    setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
    setting.stack.processor.kill().unwrap();
    let socket = setting.folder.path().join("processor.sock");
    let stand_in = Processor::start(&Place::Socket(socket), Manner::Pass).unwrap();
    for (manner, statuses) in [
        (Manner::Fail(13), 500..=599),
        (Manner::Refuse(503), 503..=503),
        // Nothing reads the model, so no route takes the request, or Envoy finds its body missing.
        (Manner::Close, 404..=504),
        // Where bodies are streamed both ways Envoy has no timeout for messages, only that for idle streams.
        (Manner::Hang, 504..=504),
    ] {
        stand_in.set(manner.clone());
        let began = Instant::now();
        let reply = Setting::ask(port, &chat("m", &[]));
        assert!(statuses.contains(&reply.status), "{manner:?}: {} {}", reply.status, reply.text());
        assert!(began.elapsed() < ANSWERED, "{manner:?}: {:?}", began.elapsed());
    }
    let asked = simulator.stats().requests;
    drop(stand_in);
    let reply = Setting::ask(port, &chat("m", &[]));
    assert!((500..600).contains(&reply.status), "{}", reply.status);
    assert_eq!(simulator.stats().requests, asked, "a provider was asked without a processor");
    setting.stack.restart_processor().unwrap();
    setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
}
