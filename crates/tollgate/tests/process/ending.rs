//! What EnvoyProxy and GatewayConfig say of the whole process: how it ends, and what it reports.
use std::io::Read as _;

use serde_json::{Value, json};
use tollgate_simulate::{Behaviour, Simulator};

use crate::{
    gateway::{Gateway, chat, read, resources, send},
    upstream::Upstream,
};

/// [`resources`] with an EnvoyProxy for its GatewayClass.
fn ending(simulator: &Simulator, shutdown: &Value) -> String {
    let own = "{controllerName: gateway.envoyproxy.io/gatewayclass-controller}";
    let class = json!({
        "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
        "parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "proxy"},
    });
    let proxy = json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy", "metadata": {"name": "proxy"},
        "spec": {"shutdown": shutdown},
    });
    format!("{}---\n{proxy}\n", resources(simulator, 0).replace(own, &class.to_string()))
}

#[test]
fn lines_go_to_the_collector_that_an_envoy_proxy_names() {
    let simulator = Simulator::start().unwrap();
    let collector = Upstream::grpc(b"");
    let own = "{controllerName: gateway.envoyproxy.io/gatewayclass-controller}";
    let class = json!({
        "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
        "parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "proxy"},
    });
    let sink = json!({"type": "OpenTelemetry", "openTelemetry": {
        "backendRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "otel"}],
        "headers": [{"name": "x-tenant", "value": "a"}],
    }});
    let proxy = json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy", "metadata": {"name": "proxy"},
        "spec": {"telemetry": {"accessLog": {"settings": [{"sinks": [sink]}]}}},
    });
    let backend = json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "Backend", "metadata": {"name": "otel"},
        "spec": {"endpoints": [{"ip": {"address": "127.0.0.1", "port": collector.address.port()}}]},
    });
    let text = resources(&simulator, 0).replace(own, &class.to_string());
    let gateway = Gateway::start(&format!("{text}---\n{proxy}\n---\n{backend}\n"), &[]);
    assert_eq!(gateway.chat("m").status, 200);
    let asked = collector.asked();
    assert_eq!(asked.uri.path(), "/opentelemetry.proto.collector.logs.v1.LogsService/Export");
    assert_eq!(asked.headers["x-tenant"], "a");
}

#[test]
fn spans_go_to_the_collector_that_an_envoy_proxy_names() {
    let simulator = Simulator::start().unwrap();
    let collector = Upstream::grpc(b"");
    let own = "{controllerName: gateway.envoyproxy.io/gatewayclass-controller}";
    let class = json!({
        "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
        "parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "proxy"},
    });
    let provider = json!({"type": "OpenTelemetry", "host": "127.0.0.1", "port": collector.address.port()});
    let proxy = json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy", "metadata": {"name": "proxy"},
        "spec": {"telemetry": {"tracing": {"samplingRate": 100, "provider": provider}}},
    });
    let text = resources(&simulator, 0).replace(own, &class.to_string());
    let soon = [("OTEL_BSP_SCHEDULE_DELAY", "1")];
    let gateway = Gateway::start_with(&format!("{text}---\n{proxy}\n"), &["--access-log", "off"], &soon);
    assert_eq!(gateway.chat("m").status, 200);
    assert_eq!(collector.asked().uri.path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
}

/// [`resources`] with an EnvoyProxy of this spec for its GatewayClass.
fn proxied(simulator: &Simulator, spec: &Value) -> String {
    let own = "{controllerName: gateway.envoyproxy.io/gatewayclass-controller}";
    let class = json!({
        "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
        "parametersRef": {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "proxy"},
    });
    let proxy = json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyProxy", "metadata": {"name": "proxy"},
        "spec": spec,
    });
    format!("{}---\n{proxy}\n", resources(simulator, 0).replace(own, &class.to_string()))
}

#[test]
fn counts_go_to_the_sink_that_an_envoy_proxy_names_and_are_not_shown_where_it_says_so() {
    let simulator = Simulator::start().unwrap();
    let collector = Upstream::grpc(b"");
    let sink = json!({"type": "OpenTelemetry", "openTelemetry": {
        "host": "127.0.0.1", "port": collector.address.port(), "headers": [{"name": "x-tenant", "value": "a"}],
    }});
    let metrics = json!({"prometheus": {"disable": true}, "sinks": [sink]});
    let text = proxied(&simulator, &json!({"telemetry": {"metrics": metrics}}));
    let gateway = Gateway::start(&text, &["--access-log", "off"]);
    assert_eq!(gateway.chat("m").status, 200);
    let hidden = gateway.admin("/metrics");
    assert_eq!((hidden.status, hidden.text.contains("prometheus.disable")), (404, true), "{}", hidden.text);
    // The last counts are sent at the end.
    gateway.terminate();
    let asked = collector.asked();
    assert_eq!(asked.uri.path(), "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
    assert_eq!(asked.headers["x-tenant"], "a");
}

#[test]
fn an_envoy_proxy_says_what_is_logged_until_it_says_something_else() {
    let simulator = Simulator::start().unwrap();
    let text = |level: &str| proxied(&simulator, &json!({"logging": {"level": {"default": level}}}));
    let unsaid = [("RUST_LOG", "")];
    let gateway = Gateway::start_with(&text("error"), &["--access-log", "off"], &unsaid);
    gateway.rewrite(&text("info"));
    gateway.wait_for("resources changed and serve");
    // The command line wins.
    let gateway = Gateway::start(&text("debug"), &["--access-log", "off", "--log-level", "error"]);
    gateway.rewrite(&format!("{}---\n", text("trace")));
    gateway.terminate();
    let rest = gateway.rest();
    assert!(rest.iter().all(|line| !line.contains("INFO") && !line.contains("DEBUG")), "{rest:?}");
}

fn long() -> Behaviour {
    Behaviour { rate: Some(100.0), tokens: Some(6000), ..Behaviour::default() }
}

#[test]
fn an_envoy_proxy_says_how_long_requests_may_take_at_the_end() {
    let simulator = Simulator::start().unwrap();
    let text = ending(&simulator, &json!({"drainTimeout": "200ms"}));
    let mut gateway = Gateway::start(&text, &["--access-log", "off"]);
    simulator.next(1, long());
    let mut stream = send(gateway.port, "POST /v1/chat/completions", &chat("m", true));
    stream.read_exact(&mut [0; 64]).unwrap();
    gateway.terminate();
    gateway.wait_for("cut after the drain timeout");
    assert!(gateway.ended().success());
    assert!(!read(stream).text.contains("[DONE]"));
}

#[test]
fn new_connections_are_taken_until_others_have_heard_of_the_end() {
    let simulator = Simulator::start().unwrap();
    // Longer than anybody waits: the second signal ends it.
    let text = ending(&simulator, &json!({"minDrainDuration": "10m", "drainTimeout": "20m"}));
    let mut gateway = Gateway::start(&text, &["--access-log", "off"]);
    assert_eq!(gateway.admin("/readyz").status, 200);
    gateway.terminate();
    gateway.wait_for("draining");
    assert_eq!(gateway.chat("m").status, 200);
    assert_eq!(gateway.admin("/readyz").status, 503);
    gateway.terminate();
    assert_eq!(gateway.ended().code(), Some(130));
}

#[test]
fn variables_of_a_gateway_config_say_what_is_reported_and_win_over_the_processs_own() {
    let simulator = Simulator::start().unwrap();
    let annotated = "metadata: {name: tollgate, annotations: {aigateway.envoyproxy.io/gateway-config: reports}}\nspec: {gatewayClassName";
    let config = json!({
        "apiVersion": "aigateway.envoyproxy.io/v1beta1", "kind": "GatewayConfig", "metadata": {"name": "reports"},
        "spec": {"extProc": {"kubernetes": {"env": [
            {"name": "OTEL_TRACES_EXPORTER", "value": "console"},
            {"name": "OTEL_BSP_SCHEDULE_DELAY", "value": "1"},
        ]}}},
    });
    let text =
        resources(&simulator, 0).replace("metadata: {name: tollgate}\nspec: {gatewayClassName", annotated);
    let text = format!("{text}---\n{config}\n");
    let off = [("OTEL_TRACES_EXPORTER", "none")];
    let gateway = Gateway::start_with(&text, &["--access-log", "off"], &off);
    assert_eq!(gateway.chat("m").status, 200);
    gateway.wait_for("\"trace_id\"");
}
