//! The real binary from its start to its end: reload, drain, limits, and what it must not say.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod backend_traffic;
mod client;
mod client_traffic;
mod credentials;
mod ending;
mod gateway;
mod protocols;
mod quota;
mod security;
mod tls;
mod upstream;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    process::{Command, Output},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use gateway::{Gateway, KEY, ask, chat, connect, read, resources, send};
use tollgate_simulate::{Behaviour, Encoding, Simulator};

/// A stream that would go on for a minute.
fn long() -> Behaviour {
    Behaviour { rate: Some(100.0), tokens: Some(6000), ..Behaviour::default() }
}

#[test]
fn a_drain_lets_requests_under_way_finish() {
    let simulator = Simulator::start().unwrap();
    let mut gateway = Gateway::start(&resources(&simulator, 0), &["--access-log", "off"]);
    simulator.next(1, Behaviour { rate: Some(100.0), tokens: Some(50), ..Behaviour::default() });
    let mut stream = send(gateway.port, "POST /v1/chat/completions", &chat("m", true));
    stream.read_exact(&mut [0; 64]).unwrap();
    gateway.terminate();
    gateway.wait_for("draining");
    let answer = read(stream);
    assert!(answer.text.contains("data: [DONE]"), "{}", answer.text);
    assert!(gateway.ended().success());
}

#[test]
fn a_second_signal_cuts_what_is_under_way() {
    let simulator = Simulator::start().unwrap();
    let mut gateway = Gateway::start(&resources(&simulator, 0), &["--access-log", "off"]);
    simulator.next(1, long());
    let mut stream = send(gateway.port, "POST /v1/chat/completions", &chat("m", true));
    stream.read_exact(&mut [0; 64]).unwrap();
    gateway.terminate();
    gateway.wait_for("draining");
    gateway.terminate();
    assert_eq!(gateway.ended().code(), Some(130));
    assert!(!read(stream).text.contains("[DONE]"));
}

/// The slowest of a hundred, in order.
fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

#[test]
fn reloads_of_a_thousand_routes_under_load_fail_no_request() {
    let simulator = Simulator::start().unwrap();
    let gateway = Gateway::start(&resources(&simulator, 1000), &["--access-log", "off"]);
    let port = gateway.port;
    let timed = || {
        let began = Instant::now();
        let answer = ask(port, "POST /v1/chat/completions", &chat("m", false));
        assert_eq!(answer.status, 200, "{}", answer.text);
        began.elapsed()
    };
    let mut before: Vec<_> = (0..200).map(|_| timed()).collect();
    let over = AtomicBool::new(false);
    let mut during = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut times = Vec::new();
            while !over.load(Relaxed) {
                times.push(timed());
            }
            times
        });
        for more in [1001, 1002, 1003] {
            let added = format!("other-{}", more - 1);
            assert_eq!(gateway.chat(&added).status, 404, "{added} is served before it is asked for");
            gateway.rewrite(&resources(&simulator, more));
            let began = Instant::now();
            gateway.wait_for("resources changed and serve");
            println!("{more} routes serve {:?} after the change", began.elapsed());
            // Whoever reads the line finds the new state in service, and nobody the old one.
            assert_eq!(gateway.chat(&added).status, 200);
        }
        gateway.rewrite(&resources(&simulator, 1000));
        gateway.wait_for("resources changed and serve");
        assert_eq!(gateway.chat("other-1002").status, 404, "it is served though it was taken away");
        over.store(true, Relaxed);
        load.join().unwrap()
    });
    let (before, count, during) = (p99(&mut before), during.len(), p99(&mut during));
    println!("p99 before {before:?}, during four reloads {during:?} ({count} requests)");
}

#[test]
fn a_broken_edit_keeps_what_serves_and_is_told() {
    let simulator = Simulator::start().unwrap();
    let gateway = Gateway::start(&resources(&simulator, 0), &["--access-log", "off"]);
    gateway.rewrite("{{{{ no: yaml");
    gateway.wait_for("keeps its last good state");
    assert_eq!(gateway.chat("m").status, 200);
    let config: String = gateway.admin("/config").text;
    assert!(config.contains("gateway.yaml"), "{config}");
}

#[test]
fn sixty_mebibytes_get_their_answer_though_they_are_too_much() {
    let simulator = Simulator::start().unwrap();
    let gateway = Gateway::start(&resources(&simulator, 0), &["--access-log", "off"]);
    let mut stream = connect(gateway.port);
    let length = 60 << 20;
    write!(stream, "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
        .unwrap();
    let mut upload = stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        let piece = vec![b'x'; 1 << 20];
        (0..60).try_for_each(|_| upload.write_all(&piece))
    });
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 413");
    drop(stream);
    // The gateway may hang up on the rest.
    let (Ok(()) | Err(_)) = sender.join().unwrap();
    assert_eq!(gateway.chat("m").status, 200);
}

#[test]
fn a_client_that_leaves_ends_the_providers_stream_and_is_logged_with_what_it_got() {
    let simulator = Simulator::start().unwrap();
    let gateway = Gateway::start(&resources(&simulator, 0), &["--access-log", "json"]);
    simulator.next(1, long());
    let mut stream = send(gateway.port, "POST /v1/chat/completions", &chat("m", true));
    stream.read_exact(&mut [0; 4096]).unwrap();
    drop(stream);
    let line = gateway.wait_for("\"DC\"");
    let logged: serde_json::Value = serde_json::from_str(&line).unwrap();
    // What was delivered is charged, by our own count: the provider had not told yet.
    assert_eq!(logged["usage_estimated"], true, "{line}");
    for tokens in ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"] {
        assert!(logged[tokens].as_u64().is_some_and(|tokens| (1..6000).contains(&tokens)), "{line}");
    }
    assert_eq!(logged["upstream_host"], simulator.address().to_string(), "{line}");
    while simulator.stats().aborted == 0 {
        thread::yield_now();
    }
}

#[test]
fn credentials_are_said_nowhere() {
    let simulator = Simulator::start().unwrap();
    let mut gateway =
        Gateway::start(&resources(&simulator, 0), &["--access-log", "json", "--log-level", "trace"]);
    assert_eq!(gateway.chat("m").status, 200);
    // The simulator, too, keeps only the end of what it was sent.
    assert_eq!(simulator.last().pop().unwrap().header("authorization"), Some(&KEY[KEY.len() - 4..]));
    simulator.next(5, Behaviour::status(401));
    let mut shown = vec![gateway.chat("m").text, ask(gateway.port, "POST /v1/chat/completions", "{").text];
    for path in ["/config", "/config?format=json", "/decisions", "/metrics", "/readyz", "/state.json", "/"] {
        let answer = gateway.admin(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        shown.push(answer.text);
    }
    gateway.terminate();
    assert!(gateway.ended().success());
    shown.extend(gateway.rest());
    for text in shown {
        assert!(!text.contains(KEY), "{text}");
    }
}

#[test]
fn spans_hold_prompts_and_replies_only_where_that_is_asked_for() {
    let simulator = Simulator::start().unwrap();
    let console = [("OTEL_TRACES_EXPORTER", "console"), ("OTEL_BSP_SCHEDULE_DELAY", "1")];
    let capture = [console[0], console[1], ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")];
    let gzip = Behaviour { encoding: Some(Encoding::Gzip), ..Behaviour::default() };
    for (variables, kept, behaviour) in [
        (&console[..], false, Behaviour::default()),
        (&capture[..], true, Behaviour::default()),
        (&capture[..], true, gzip),
    ] {
        let zipped = behaviour.encoding.is_some();
        simulator.next(1, behaviour);
        let gateway = Gateway::start_with(&resources(&simulator, 0), &["--access-log", "off"], variables);
        // With its usage asked for the stream passes as it comes, compressed or not.
        let usage = r#""stream":true,"stream_options":{"include_usage":true}"#;
        let body = chat("m", true).replace(r#""stream":true"#, usage);
        let answer = ask(gateway.port, "POST /v1/chat/completions", &body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.text.contains("content-encoding: gzip"), zipped, "{}", answer.text);
        let line = gateway.wait_for("\"span\":\"ChatCompletion\"");
        let span: serde_json::Value = serde_json::from_str(&line).unwrap();
        let said = &span["attributes"]["llm.input_messages.0.message.content"];
        assert_eq!(said.as_str(), kept.then_some("hello"), "{line}");
        // What had come before the reply was accepted is in it as well.
        let output = span["attributes"]["output.value"].as_str();
        assert_eq!(output.map(|output| output.matches("[DONE]").count()), kept.then_some(1), "{line}");
        assert_eq!(output.is_some_and(|output| output.contains("\"role\":\"assistant\"")), kept, "{line}");
        assert!(!line.contains(KEY) && !line.contains("authorization"), "{line}");
    }
}

#[test]
fn the_compiled_configuration_is_shown_as_json() {
    let simulator = Simulator::start().unwrap();
    let gateway = Gateway::start(&resources(&simulator, 1), &["--access-log", "off"]);
    let answer = gateway.admin("/config?format=json");
    let (_, body) = answer.text.split_once("\r\n\r\n").unwrap();
    let config: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(config["listeners"][0]["port"], 1975);
    assert_eq!(config["routes"].as_array().map(Vec::len), Some(2), "{config:#}");
    assert_eq!(config["routes"][0]["rules"][0]["action"], "llm");
    assert_eq!(config["backends"][0]["health"]["standing"], "up", "{config:#}");
}

#[test]
fn ten_thousand_connections_are_held_while_requests_pass() {
    const WANTED: usize = 10_000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    if most < WANTED as u64 + 500 {
        return println!("skipped: the hard limit of open files is {most}");
    }
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let simulator = Simulator::start().unwrap();
    let gateway = Gateway::start(&resources(&simulator, 0), &["--access-log", "off"]);
    let held: Vec<_> = (0..WANTED).map(|_| connect(gateway.port)).collect();
    assert_eq!(gateway.chat("m").status, 200);
    let mut last = held.last().unwrap();
    last.write_all(b"GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut head = [0; 12];
    last.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("run").args(["--admin", "127.0.0.1:0"]).args(arguments).env_clear();
    command.output().unwrap()
}

fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn without_anything_to_serve_the_error_names_what_would_help() {
    let said = refused(&[]);
    for variable in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY"] {
        assert!(said.contains(variable), "{said}");
    }
    let said = refused(&["/no/such/folder"]);
    assert!(said.contains("error: ") && said.contains("/no/such/folder"), "{said}");
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let simulator = Simulator::start().unwrap();
    let first = Gateway::start(&resources(&simulator, 0), &["--access-log", "off"]);
    let path = first.path();
    let path = path.to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    // Another program's port, and that of another gateway, whose sockets share theirs with each other.
    for port in [taken.local_addr().unwrap().port(), first.port] {
        let said = refused(&[path, "--port-map", &format!("1975={port}")]);
        assert!(said.contains(&format!("127.0.0.1:{port}")) && said.contains("--port-map 1975="), "{said}");
    }
}
