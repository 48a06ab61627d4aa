use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tollgate_simulate::Simulator;
use tollgate_testkit::resources::{GATEWAY, openai};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// What must never be seen outside the request to the provider.
pub(crate) const KEY: &str = "sk-process-test-key-1234567890";

/// The real binary in service.
pub(crate) struct Gateway {
    child: Child,
    /// What it says on standard error after the ready line, and on standard output.
    lines: Receiver<String>,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    folder: TempDir,
}

/// A reply, read to the end of its connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// A Gateway with the model `m` at a simulated provider, and `more` routes to the same for other models.
pub(crate) fn resources(simulator: &Simulator, more: usize) -> String {
    let openai = openai(simulator.address().port());
    let route = |name: &str| {
        format!(
            "---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: tollgate}}]
  rules:
    - matches: [{{headers: [{{name: x-ai-eg-model, type: Exact, value: {name}}}]}}]
      backendRefs: [{{name: openai}}]
"
        )
    };
    let mut text = format!(
        "{GATEWAY}{openai}apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {{name: openai}}
spec:
  targetRefs: [{{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}}]
  type: APIKey
  apiKey: {{secretRef: {{name: openai}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: openai}}
stringData: {{apiKey: {KEY}}}
"
    );
    text.push_str(&route("m"));
    for number in 0..more {
        text.push_str(&route(&format!("other-{number}")));
    }
    text
}

// === impl Gateway ===

impl Gateway {
    pub(crate) fn start(resources: &str, options: &[&str]) -> Self {
        Self::start_with(resources, options, &[])
    }

    pub(crate) fn start_with(resources: &str, options: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.yaml");
        fs::write(&path, resources).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .arg("run")
            .arg(&path)
            .args(["--admin", "127.0.0.1:0", "--port-map", "1975=0", "--threads", "2"])
            .args(options)
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = channel();
        let said = tell.clone();
        let (errors, output) = (child.stderr.take().unwrap(), child.stdout.take().unwrap());
        // Whoever stops reading stops the gateway.
        thread::spawn(move || BufReader::new(errors).lines().try_for_each(|line| tell.send(line.unwrap())));
        thread::spawn(move || BufReader::new(output).lines().try_for_each(|line| said.send(line.unwrap())));
        let mut gateway = Self { child, lines, port: 0, admin: 0, folder };
        let ready = gateway.wait_for(" ready in ");
        let port_after = |before: &str| {
            let (_, rest) = ready.split_once(before).unwrap_or_else(|| panic!("{before} in {ready}"));
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        };
        gateway.port = port_after("serving 127.0.0.1:");
        gateway.admin = port_after("admin on http://127.0.0.1:");
        gateway
    }

    /// The next line with these words in it.
    pub(crate) fn wait_for(&self, words: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no {words:?} in {seen:#?}"),
            }
        }
    }

    /// Everything it says until it has ended.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.lines.iter().collect()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("gateway.yaml")
    }

    /// Puts new resources in place at once, as editors do.
    pub(crate) fn rewrite(&self, resources: &str) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, resources).unwrap();
        fs::rename(draft, self.path()).unwrap();
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn chat(&self, model: &str) -> Answer {
        ask(self.port, "POST /v1/chat/completions", &chat(model, false))
    }

    pub(crate) fn admin(&self, path: &str) -> Answer {
        ask(self.admin, &format!("GET {path}"), "")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let (Ok(()) | Err(_)) = self.child.kill();
        let (Ok(_) | Err(_)) = self.child.wait();
    }
}

pub(crate) fn chat(model: &str, stream: bool) -> String {
    format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"hello"}}]}}"#)
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) fn send(port: u16, line: &str, body: &str) -> TcpStream {
    let mut stream = connect(port);
    let length = body.len();
    write!(
        stream,
        "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    stream
}

pub(crate) fn ask(port: u16, line: &str, body: &str) -> Answer {
    read(send(port, line, body))
}

/// What comes until the connection ends.
pub(crate) fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let (Ok(_) | Err(_)) = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
    Answer { status, text }
}
