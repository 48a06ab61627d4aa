//! What clients see of a processor that breaks: an error at once, and never the route's own timeout.
use std::time::{Duration, Instant};

use tollgate_simulate::Simulator;
use tollgate_testkit::{
    process::free_port,
    processor::{Fault, Manner, Place, Point, Processor, Serve},
    resources,
};

use crate::{
    installed,
    setting::{Setting, chat},
};

/// When Envoy gives up on a stream on which nothing happens.
const IDLE: &str = "4s";
/// `message_timeout` of our filters or twice the timeout of idle streams, and a little.
const ANSWERED: Duration = Duration::from_secs(13);

/// A model `m` of the simulator; with a timeout for idle streams where one is given.
pub(crate) fn resources(simulator: &Simulator, port: u16, idle: Option<&str>) -> String {
    let gateway = resources::GATEWAY.replace("1975", &port.to_string());
    let idle = idle.map_or_else(String::new, |idle| {
        format!(
            "---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {{name: idle}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: tollgate}}]
  timeout: {{http: {{streamIdleTimeout: {idle}}}}}
"
        )
    });
    format!(
        "{gateway}{}apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: models}}
spec:
  parentRefs: [{{name: tollgate}}]
  rules:
    - matches: [{{headers: [{{name: x-ai-eg-model, value: m}}]}}]
      backendRefs: [{{name: openai}}]
{idle}",
        resources::openai(simulator.address().port())
    )
}

#[test]
fn whatever_a_processor_does_the_client_has_an_answer_soon() {
    let envoy = installed!("1.40");
    let simulator = Simulator::start().unwrap();
    let port = free_port().unwrap();
    let mut setting = Setting::start(&envoy, &resources(&simulator, port, Some(IDLE)), "", None);
    setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
    let stand_in = replaced(&mut setting);
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

/// The status that each fault comes to at each point. A stream that ends well without an answer is none: Envoy takes
/// it for leave to go on without the filter, which is why our processor never ends one so.
const MATRIX: [(Point, [u16; 5]); 6] = [
    (Point::Head, [504, 500, 404, 503, 500]),
    // The body is lost, and the provider refuses what is left.
    (Point::Body, [504, 500, 400, 503, 500]),
    (Point::AttemptHead, [504, 500, 200, 503, 500]),
    (Point::AttemptBody, [504, 500, 200, 503, 500]),
    (Point::ReplyHead, [504, 500, 200, 503, 500]),
    (Point::ReplyBody, [504, 500, 200, 503, 500]),
];

const FAULTS: [Fault; 5] = [Fault::Hang, Fault::Fail(13), Fault::Close, Fault::Refuse(503), Fault::Crash];

/// A stand-in where our processor was.
fn replaced(setting: &mut Setting) -> Processor {
    setting.stack.processor.kill().unwrap();
    let socket = setting.folder.path().join("processor.sock");
    Processor::start(&Place::Socket(socket), Manner::Pass).unwrap()
}

fn serve(fault: Option<(Point, Fault)>) -> Manner {
    Manner::Serve(Serve { model: "m".to_owned(), fault, tied: false })
}

fn every_fault_at_every_point(version: &str) {
    let envoy = installed!(version);
    let simulator = Simulator::start().unwrap();
    let port = free_port().unwrap();
    let mut setting = Setting::start(&envoy, &resources(&simulator, port, Some(IDLE)), "", None);
    setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
    let stand_in = replaced(&mut setting);
    let mut unlike = Vec::new();
    for (point, wants) in MATRIX {
        for (fault, want) in FAULTS.into_iter().zip(wants) {
            stand_in.set(serve(None));
            setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
            stand_in.set(serve(Some((point, fault))));
            let began = Instant::now();
            let reply = Setting::ask(port, &chat("m", &[]));
            let took = began.elapsed();
            let status = reply.status;
            eprintln!("{version} {point:?} {fault:?}: {status} {} bytes after {took:?}", reply.body.len());
            if status != want || took > ANSWERED {
                unlike.push(format!("{point:?} {fault:?}: {status} and not {want}, after {took:?}"));
            }
        }
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

#[test]
fn every_fault_at_every_point_is_an_answer_soon() {
    every_fault_at_every_point("1.40");
}

#[test]
fn every_fault_at_every_point_is_an_answer_soon_in_the_oldest_envoy() {
    every_fault_at_every_point("1.36");
}

/// At the upstream level messages have a timeout, whatever the one for idle streams is.
#[test]
fn an_attempt_is_not_held_by_a_silent_processor() {
    let envoy = installed!("1.40");
    let simulator = Simulator::start().unwrap();
    let port = free_port().unwrap();
    let mut setting = Setting::start(&envoy, &resources(&simulator, port, None), "", None);
    setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
    let stand_in = replaced(&mut setting);
    for point in [Point::AttemptHead, Point::AttemptBody] {
        stand_in.set(serve(None));
        setting.wait_until(|_| Setting::ask(port, &chat("m", &[])));
        stand_in.set(serve(Some((point, Fault::Hang))));
        let began = Instant::now();
        let reply = Setting::ask(port, &chat("m", &[]));
        eprintln!("{point:?}: {} after {:?}", reply.status, began.elapsed());
        assert_eq!(reply.status, 504, "{point:?}: {}", reply.text());
        assert!(began.elapsed() < ANSWERED, "{point:?}: {:?}", began.elapsed());
    }
}
