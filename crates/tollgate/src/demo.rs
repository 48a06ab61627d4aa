//! `tollgate demo`: the quickstart, with simulated providers behind it.
use std::{
    io::{self, BufRead as _, BufReader, IsTerminal as _, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    num::NonZeroUsize,
    process::ExitCode,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tollgate_simulate::{Behaviour, Simulator, spawn};
use tollgate_telemetry::{AccessLog, LogFormat};
use tracing_subscriber::EnvFilter;

use crate::{
    counters::Counters,
    files::File,
    logging::Logging,
    reload::Resources,
    serving::{self, Serving},
};

const RESOURCES: &str = include_str!("../../../examples/quickstart/gateway.yaml");
/// The quickstart's port, and what its providers are called there.
const PORT: u16 = 1975;
const PROVIDERS: [(&str, &str, u16); 2] = [
    ("OpenAI", "${SIMULATED_OPENAI_PORT:=9101}", 9101),
    ("Anthropic", "${SIMULATED_ANTHROPIC_PORT:=9102}", 9102),
];
/// How long anything of the demo may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Start simulated providers with a gateway in front, send a chat and a stream through it, then serve
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tollgate demo\n  tollgate demo --port 8080\n  tollgate demo --once   # for scripts"
)]
pub(crate) struct DemoArgs {
    /// Where the gateway listens, on 127.0.0.1; 0 takes a free port
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Admin server, with a page for people at /
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1064")]
    admin: SocketAddr,
    /// End after the chat and the stream
    #[arg(long)]
    once: bool,
}

/// One request of the demo.
struct Try {
    title: &'static str,
    id: &'static str,
    path: &'static str,
    body: &'static str,
}

const TRIES: [Try; 2] = [
    Try {
        title: "A chat: OpenAI's API in front, OpenAI's API behind",
        id: "demo-chat",
        path: "/v1/chat/completions",
        body: r#"{"model":"gpt-4o-mini","max_tokens":24,"messages":[{"role":"user","content":"Say hello to the world."}]}"#,
    },
    Try {
        title: "A stream: OpenAI's API in front, translated to Anthropic's behind",
        id: "demo-stream",
        path: "/v1/chat/completions",
        body: r#"{"model":"claude-sonnet-4-5","stream":true,"max_tokens":24,"messages":[{"role":"user","content":"Say hello to the world."}]}"#,
    },
];

/// Runs the command until it is told to end.
///
/// # Errors
/// Where nothing can be listened on.
pub(crate) fn run(args: DemoArgs) -> io::Result<ExitCode> {
    tracing_subscriber::fmt().with_env_filter(EnvFilter::new("warn")).with_writer(io::stderr).init();
    let mut text = RESOURCES.to_owned();
    let mut simulators = Vec::new();
    for (name, variable, port) in PROVIDERS {
        let simulator = provider(name, port)?;
        eprintln!("simulated {name:<9} on {}", simulator.url());
        text = text.replace(variable, &simulator.address().port().to_string());
        simulators.push(simulator);
    }
    let port = if args.port == 0 { free_port()? } else { args.port };
    let (lines, log) = sync_channel(1024);
    let serving = Serving {
        counters: Counters::default(),
        proxy: tollgate_proxy::Options {
            cores: NonZeroUsize::MIN,
            port_map: [(PORT, port)].into(),
            ..tollgate_proxy::Options::default()
        },
        admin: args.admin,
        access_log: Some(AccessLog {
            format: LogFormat::Json,
            to: Box::new(Lines { lines, rest: Vec::new() }),
        }),
        logging: Logging::fixed(),
        drain: Some(Duration::from_secs(5)),
    };
    let file = File { name: "examples/quickstart/gateway.yaml".to_owned(), text: text.into() };
    let resources = Resources::fixed(file, tollgate_compile::Options::default());
    let admin = args.admin;
    thread::Builder::new().name("demo".to_owned()).spawn(move || {
        if let Err(error) = show(port, &log) {
            eprintln!("error: the demo's own requests failed: {error}");
        }
        if args.once {
            std::process::exit(0);
        }
        invite(port, admin);
        for line in log {
            print(&line);
        }
    })?;
    serving::run(resources, serving)
}

/// A provider at its usual port, or at any other where that is taken.
fn provider(name: &str, port: u16) -> io::Result<Simulator> {
    let options = |port| tollgate_simulate::Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        name: name.to_owned(),
        behaviour: Behaviour { rate: Some(60.0), ..Behaviour::default() },
        ..tollgate_simulate::Options::default()
    };
    spawn(options(port)).or_else(|_| spawn(options(0)))
}

fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Sends the requests and says what became of them.
fn show(port: u16, log: &Receiver<Value>) -> io::Result<()> {
    let mut out = io::stdout();
    let [bold, _, plain] = styles();
    for Try { title, id, path, body } in TRIES {
        writeln!(out, "\n{bold}{title}{plain}\n  {body}")?;
        write!(out, "  ")?;
        let mut stream = connect(port)?;
        // HTTP/1.0: the reply ends with the connection, and its body is as it is.
        write!(
            stream,
            "POST {path} HTTP/1.0\r\nhost: 127.0.0.1\r\nx-request-id: {id}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        for line in
            BufReader::new(stream).lines().skip_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
        {
            out.write_all(words(&line?).as_bytes())?;
            out.flush()?;
        }
        writeln!(out)?;
        let settled = Instant::now() + PATIENCE;
        while let Ok(line) = log.recv_timeout(settled.saturating_duration_since(Instant::now())) {
            print(&line);
            if line["x-request-id"] == id {
                break;
            }
        }
    }
    Ok(())
}

/// Waits for the gateway, which may still be starting.
fn connect(port: u16) -> io::Result<TcpStream> {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The text in a line of a reply: of a whole body, or of one event.
fn words(line: &str) -> String {
    let json: Value = serde_json::from_str(line.strip_prefix("data: ").unwrap_or(line)).unwrap_or_default();
    let choice = &json["choices"][0];
    let text = choice["message"]["content"].as_str().or(choice["delta"]["content"].as_str());
    text.or(json["error"]["message"].as_str()).unwrap_or_default().to_owned()
}

/// Bold, green and plain again; empty where nobody sees colours.
fn styles() -> [&'static str; 3] {
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if colours { ["\x1b[1m", "\x1b[32m", "\x1b[0m"] } else { [""; 3] }
}

/// One settled request, for people.
#[expect(clippy::print_stdout, reason = "what the demo is for")]
fn print(line: &Value) {
    let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
    let number = |key: &str| line[key].as_f64().unwrap_or_default();
    let cost = line["costs"]["microdollars"].as_f64().unwrap_or_default() / 1e6;
    let [_, green, plain] = styles();
    println!(
        "  {green}{}{plain} {} │ rule {} │ backend {} │ tokens {} in, {} out │ cost ${cost:.6} │ {:.1} ms to the first byte, {} ms in all",
        line["response_code"],
        text("end"),
        text("rule"),
        text("upstream_cluster"),
        number("gen_ai.usage.input_tokens"),
        number("gen_ai.usage.output_tokens"),
        number("time_to_first_token_ms"),
        number("duration"),
    );
}

#[expect(clippy::print_stdout, reason = "what the demo is for")]
fn invite(port: u16, admin: SocketAddr) {
    println!(
        r#"
Serving until Ctrl-C. Try:

  curl http://127.0.0.1:{port}/v1/chat/completions -H 'content-type: application/json' \
    -d '{{"model":"assistant","messages":[{{"role":"user","content":"Hello"}}]}}'

  from openai import OpenAI
  client = OpenAI(base_url="http://127.0.0.1:{port}/v1", api_key="any")
  print(client.chat.completions.create(model="claude-sonnet-4-5", messages=[{{"role": "user", "content": "Hello"}}]))

  from anthropic import Anthropic
  client = Anthropic(base_url="http://127.0.0.1:{port}/anthropic", api_key="any")
  print(client.messages.create(model="gpt-4o-mini", max_tokens=50, messages=[{{"role": "user", "content": "Hello"}}]))

Models: gpt-4o-mini, claude-sonnet-4-5, assistant (falls back from one to the other).
Console: http://{admin}/   Metrics: http://{admin}/metrics
"#
    );
}

/// Takes the access log apart into its lines.
#[derive(Debug)]
struct Lines {
    lines: SyncSender<Value>,
    rest: Vec<u8>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if let Ok(line) = serde_json::from_slice(&line) {
                // Nobody reads any more only when the process ends.
                let (Ok(()) | Err(_)) = self.lines.try_send(line);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickstart_has_the_ports_that_the_demo_replaces() {
        for (_, variable, port) in PROVIDERS {
            assert!(RESOURCES.contains(variable), "{variable}");
            assert!(variable.contains(&port.to_string()));
        }
    }

    #[test]
    fn text_is_found_in_whole_replies_and_in_events() {
        assert_eq!(words(r#"{"choices":[{"message":{"content":"a"}}]}"#), "a");
        assert_eq!(words(r#"data: {"choices":[{"delta":{"content":"b"}}]}"#), "b");
        assert_eq!(words("data: [DONE]"), "");
    }
}
