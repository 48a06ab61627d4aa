//! `/metrics` of the real binary under real traffic: names, labels and exact values.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tollgate_simulate::{Behaviour, Fault, Simulator};

const PATIENCE: Duration = Duration::from_secs(20);
const LISTENER: &str = "default/tollgate/http";

/// The quickstart in service, and its providers.
struct World {
    child: Child,
    folder: tempfile::TempDir,
    openai: Simulator,
    port: u16,
    admin: u16,
    _anthropic: Simulator,
}

/// Values by series, as they are written.
type Samples = BTreeMap<String, f64>;

// === impl World ===

impl World {
    fn start() -> Self {
        let (openai, anthropic) = (Simulator::start().unwrap(), Simulator::start().unwrap());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("gateway.yaml"), quickstart()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.arg("run").arg(folder.path()).args(["--admin", "127.0.0.1:0", "--port-map", "1975=0"]);
        command.env("SIMULATED_OPENAI_PORT", openai.address().port().to_string());
        command.env("SIMULATED_ANTHROPIC_PORT", anthropic.address().port().to_string());
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let ready = lines.find(|line| line.contains(" ready in ")).unwrap();
        // Whoever stops reading stops the gateway.
        thread::spawn(move || lines.for_each(drop));
        let before = |end: &str| {
            let (before, _) = ready.split_once(end).unwrap();
            before.rsplit_once(':').unwrap().1.parse().unwrap()
        };
        let admin = ready.rsplit_once(':').unwrap().1.parse().unwrap();
        Self { child, folder, openai, port: before(" (port 1975)"), admin, _anthropic: anthropic }
    }

    fn chat(&self, model: &str, rest: &str) -> TcpStream {
        let body = format!(
            r#"{{"model":"{model}","max_tokens":8,"messages":[{{"role":"user","content":"Say hello"}}]{rest}}}"#
        );
        send(
            self.port,
            &format!("POST /v1/chat/completions HTTP/1.0\r\ncontent-length: {}", body.len()),
            &body,
        )
    }

    fn status_of_chat(&self, model: &str, rest: &str) -> u16 {
        let mut reply = String::new();
        self.chat(model, rest).read_to_string(&mut reply).unwrap();
        reply.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn metrics(&self) -> Samples {
        let mut reply = String::new();
        send(self.admin, "GET /metrics HTTP/1.0", "").read_to_string(&mut reply).unwrap();
        parsed(reply.split_once("\r\n\r\n").unwrap().1)
    }

    /// Looks again until the metrics are as they should be.
    fn wait_for(&self, what: &str, is_so: impl Fn(&Samples) -> bool) -> Samples {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let samples = self.metrics();
            if is_so(&samples) {
                return samples;
            }
            assert!(Instant::now() < deadline, "{what} did not come: {samples:#?}");
            thread::yield_now();
        }
    }

    fn change(&self, text: &str) {
        fs::write(self.folder.path().join("gateway.yaml"), text).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let (Ok(()) | Err(_)) = self.child.kill();
        let (Ok(_) | Err(_)) = self.child.wait();
    }
}

fn quickstart() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/quickstart/gateway.yaml");
    fs::read_to_string(path).unwrap()
}

fn send(port: u16, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{head}\r\nhost: localhost\r\ncontent-type: application/json\r\n\r\n{body}").unwrap();
    stream
}

/// Reads the text format and holds it to its rules: a family is announced once, before its samples, which stand
/// together; every series comes once; counters are named as such.
fn parsed(text: &str) -> Samples {
    let (mut samples, mut announced) = (Samples::new(), Vec::new());
    let (mut family, mut kind) = ("", "");
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').unwrap().0;
            assert!(!announced.contains(&family), "{family} comes twice");
            announced.push(family);
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            kind = typed.strip_prefix(family).unwrap().trim_start();
            assert_eq!(kind == "counter", family.ends_with("_total"), "{family}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let suffix = series.split('{').next().unwrap().strip_prefix(family).unwrap();
            match kind {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                "counter" | "gauge" => assert_eq!(suffix, "", "{line}"),
                other => panic!("{other:?} in {line}"),
            }
            assert_eq!(
                samples.insert(series.to_owned(), value.parse().unwrap()),
                None,
                "{series} comes twice"
            );
        }
    }
    samples
}

fn value(samples: &Samples, series: &str) -> f64 {
    samples.get(series).copied().unwrap_or_default()
}

/// Each series, with the value it has to have.
#[track_caller]
fn check(samples: &Samples, wanted: &[(String, f64)]) {
    let wrong: Vec<_> = wanted
        .iter()
        .map(|(series, wanted)| (series, wanted, samples.get(series)))
        .filter(|(_, wanted, found)| Some(*wanted) != *found)
        .collect();
    assert!(wrong.is_empty(), "wanted and found: {wrong:#?} in {samples:#?}");
}

fn requests(code: u16) -> String {
    format!("tollgate_requests_total{{listener=\"{LISTENER}\",code=\"{code}\"}}")
}

fn gen_ai(name: &str, provider: &str, model: &str, last: &str) -> String {
    format!(
        "{name}{{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"{provider}\",\
         gen_ai_original_model=\"{model}\",gen_ai_request_model=\"{model}\",gen_ai_response_model=\"{model}\"{last}}}"
    )
}

#[test]
fn traffic_is_counted_to_the_request() {
    let world = World::start();
    for _ in 0..3 {
        assert_eq!(world.status_of_chat("gpt-4o-mini", ""), 200);
    }
    assert_eq!(world.status_of_chat("claude-sonnet-4-5", r#","stream":true"#), 200);
    assert_eq!(world.status_of_chat("gpt-9", ""), 404);
    let samples = world.wait_for("the 404", |samples| value(samples, &requests(404)) == 1.0);
    let duration = "gen_ai_server_request_duration_seconds_count";
    let first = "gen_ai_server_time_to_first_token_seconds_count";
    let tokens = |kind: &str| {
        let last = format!(",gen_ai_token_type=\"{kind}\"");
        gen_ai("gen_ai_client_token_usage_count", "openai", "gpt-4o-mini", &last)
    };
    let backend = |name: &str, id: &str, rest: &str| format!("{name}{{backend=\"default/{id}\"{rest}}}");
    check(
        &samples,
        &[
            (requests(200), 4.0),
            (format!("tollgate_request_duration_seconds_count{{listener=\"{LISTENER}\"}}"), 5.0),
            ("tollgate_requests_in_flight{port=\"1975\"}".to_owned(), 0.0),
            (gen_ai(duration, "openai", "gpt-4o-mini", ""), 3.0),
            (gen_ai(duration, "anthropic", "claude-sonnet-4-5", ""), 1.0),
            (gen_ai(first, "anthropic", "claude-sonnet-4-5", ""), 1.0),
            (tokens("input"), 3.0),
            (tokens("output"), 3.0),
            (backend("tollgate_backend_requests_total", "openai", ",code=\"200\""), 3.0),
            (backend("tollgate_backend_requests_total", "anthropic", ",code=\"200\""), 1.0),
            (backend("tollgate_backend_retries_total", "openai", ""), 0.0),
            (backend("tollgate_backend_tokens_total", "openai", ",type=\"output\""), 24.0),
            ("tollgate_ready".to_owned(), 1.0),
        ],
    );
    let open = backend("tollgate_pool_connections_open", "openai", "");
    // One for each core that was asked.
    world.wait_for("the connections of the pool", |samples| value(samples, &open) >= 1.0);
}

#[test]
fn a_backend_that_asks_for_rest_is_ejected_and_the_retry_is_counted() {
    let world = World::start();
    let busy = Behaviour { status: Some(429), retry_after: Some(60), ..Behaviour::default() };
    world.openai.next(1, busy);
    assert_eq!(world.status_of_chat("assistant", ""), 200);
    let samples = world.wait_for("the reply", |samples| value(samples, &requests(200)) == 1.0);
    let backend = |name: &str, id: &str, rest: &str| format!("{name}{{backend=\"default/{id}\"{rest}}}");
    check(
        &samples,
        &[
            (backend("tollgate_backend_requests_total", "openai", ",code=\"429\""), 1.0),
            (backend("tollgate_backend_requests_total", "anthropic", ",code=\"200\""), 1.0),
            (backend("tollgate_backend_retries_total", "anthropic", ""), 1.0),
            (backend("tollgate_backend_ejected", "openai", ""), 1.0),
            (backend("tollgate_backend_ejected", "anthropic", ""), 0.0),
            (backend("tollgate_backend_ejections_total", "openai", ""), 1.0),
        ],
    );
}

#[test]
fn what_is_in_flight_rises_and_falls() {
    let world = World::start();
    let series = "tollgate_requests_in_flight{port=\"1975\"}";
    let stall = Behaviour { fault: Some(Fault::Stall), after: Some(2), ..Behaviour::default() };
    world.openai.next(2, stall);
    let one = world.chat("gpt-4o-mini", r#","stream":true"#);
    let two = world.chat("gpt-4o-mini", r#","stream":true"#);
    world.wait_for("the second stream", |samples| value(samples, series) == 2.0);
    drop(one);
    world.wait_for("the end of the first", |samples| value(samples, series) == 1.0);
    drop(two);
    let gone = format!("tollgate_request_ends_total{{listener=\"{LISTENER}\",end=\"client_gone\"}}");
    let samples = world.wait_for("the end of the second", |samples| value(samples, &gone) == 2.0);
    check(&samples, &[(series.to_owned(), 0.0)]);
}

#[test]
fn reloads_are_counted_and_what_they_remove_goes() {
    let world = World::start();
    assert_eq!(world.status_of_chat("claude-sonnet-4-5", ""), 200);
    assert_eq!(world.status_of_chat("gpt-4o-mini", ""), 200);
    let rule = |rule: &str| {
        format!("tollgate_route_requests_total{{route=\"default/quickstart\",rule=\"{rule}\",code=\"200\"}}")
    };
    let by_rule = |samples: &Samples| {
        samples.keys().filter(|series| series.starts_with("tollgate_route_requests_total")).count()
    };
    world.wait_for("both rules", |samples| by_rule(samples) == 2);
    let text = quickstart();
    world.change(&text.replace("value: claude-sonnet-4-5", "value: claude-opus-4-5"));
    let reloads = |result: &str| format!("tollgate_reloads_total{{result=\"{result}\"}}");
    world.wait_for("the reload", |samples| value(samples, &reloads("ok")) == 1.0);
    assert_eq!(world.status_of_chat("claude-sonnet-4-5", ""), 404);
    // The rule is the same one with another match, so it goes on counting.
    world.wait_for("the 404", |samples| value(samples, &requests(404)) == 1.0 && by_rule(samples) == 2);
    let (start, end) =
        (text.find("    - name: anthropic\n").unwrap(), text.find("    - name: fallback\n").unwrap());
    world.change(&format!("{}{}", &text[..start], &text[end..]));
    world.wait_for("the second reload", |samples| value(samples, &reloads("ok")) == 2.0);
    let samples = world.wait_for("the end of the removed rule", |samples| by_rule(samples) == 1);
    assert_eq!(
        samples.keys().filter(|series| **series == rule("default/quickstart/openai")).count(),
        1,
        "{samples:#?}"
    );
    world.change("not: [yaml");
    let samples = world.wait_for("the bad reload", |samples| value(samples, &reloads("failed")) == 1.0);
    check(&samples, &[("tollgate_reload_last_ok".to_owned(), 0.0), ("tollgate_ready".to_owned(), 1.0)]);
    assert_eq!(world.status_of_chat("gpt-4o-mini", ""), 200);
}
