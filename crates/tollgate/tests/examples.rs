//! Every example is served by the real binary, and a request goes through it to a simulated provider. Providers that the
//! examples reach over HTTPS are a second gateway with their names on its certificate.
#![expect(clippy::unwrap_used, reason = "a test may fail")]
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tollgate_simulate::Simulator;

const PATIENCE: Duration = Duration::from_secs(20);
/// The names of providers in the examples.
const PROVIDERS: [&str; 6] = [
    "api.openai.com",
    "api.anthropic.com",
    "api.cohere.com",
    "example.openai.azure.com",
    "bedrock-runtime.us-east-1.amazonaws.com",
    "us-central1-aiplatform.googleapis.com",
];

/// A gateway in service.
struct Gateway {
    child: Child,
    /// The line that says where it serves.
    ready: String,
}

// === impl Gateway ===

impl Gateway {
    fn start(path: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.arg("run").arg(path).args([
            "--admin",
            "127.0.0.1:0",
            "--access-log",
            "off",
            "--threads",
            "1",
        ]);
        command.args(["--port-map", "1975=0,443=0"]).stderr(Stdio::piped()).stdout(Stdio::null());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let ready = lines.by_ref().map(Result::unwrap).find(|line| {
            said.push(line.clone());
            line.contains(" ready in ")
        });
        assert!(ready.is_some(), "{}: {said:#?}", path.display());
        let ready = ready.unwrap();
        // Whoever stops reading stops the gateway.
        thread::spawn(move || lines.for_each(drop));
        Self { child, ready }
    }

    /// Where a port of the resources is served.
    fn port(&self, number: u16) -> u16 {
        let (before, _) = self.ready.split_once(&format!(" (port {number})")).unwrap();
        before.rsplit_once(':').unwrap().1.parse().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let (Ok(()) | Err(_)) = self.child.kill();
        let (Ok(_) | Err(_)) = self.child.wait();
    }
}

/// Two simulated providers, in plain text and behind TLS.
struct Providers {
    openai: Simulator,
    anthropic: Simulator,
    tls: Gateway,
    folder: tempfile::TempDir,
    /// Google's metadata server.
    metadata: SocketAddr,
}

// === impl Providers ===

impl Providers {
    fn start() -> Self {
        let (openai, anthropic) = (Simulator::start().unwrap(), Simulator::start().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(PROVIDERS.map(String::from)).unwrap();
        fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let path = folder.path().join("front.json");
        fs::write(&path, front(&made.cert.pem(), &made.signing_key.serialize_pem(), &openai, &anthropic))
            .unwrap();
        let tls = Gateway::start(&path, |_| ());
        Self { openai, anthropic, tls, folder, metadata: metadata() }
    }

    fn serve(&self, example: &str) -> Gateway {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
        let port = |simulator: &Simulator| simulator.address().port().to_string();
        Gateway::start(&path, |command| {
            for name in PROVIDERS {
                command.args(["--resolve", &format!("{name}:443=127.0.0.1:{}", self.tls.port(443))]);
            }
            command.env("SSL_CERT_FILE", self.folder.path().join("ca.pem")).env_remove("SSL_CERT_DIR");
            for variable in ["SIMULATED_OPENAI_PORT", "VLLM_PORT", "OLLAMA_PORT", "WEB_PORT"] {
                command.env(variable, port(&self.openai));
            }
            command.env("SIMULATED_ANTHROPIC_PORT", port(&self.anthropic));
            command
                .env("GCE_METADATA_HOST", self.metadata.to_string())
                .env("GOOGLE_CLOUD_PROJECT", "my-project");
            command.env_remove("GOOGLE_APPLICATION_CREDENTIALS").env("HOME", self.folder.path());
        })
    }
}

/// A metadata server that gives the machine's token to whoever asks.
fn metadata() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let token = r#"{"access_token":"of-the-machine","expires_in":3600,"token_type":"Bearer"}"#;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            head.map(Result::unwrap).take_while(|line| !line.is_empty()).for_each(drop);
            let length = token.len();
            let head = "HTTP/1.1 200 OK\r\nmetadata-flavor: Google\r\ncontent-type: application/json\r\nconnection: close";
            write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{token}").unwrap();
        }
    });
    address
}

/// Resources that put the providers' names in front of the simulators.
fn front(chain: &str, key: &str, openai: &Simulator, anthropic: &Simulator) -> String {
    let object = |group: &str, kind: &str, name: &str, spec: serde_json::Value| serde_json::json!({"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": spec});
    let gateway_api = |kind: &str, name: &str, spec| object("gateway.networking.k8s.io/v1", kind, name, spec);
    let backend = |name: &str, simulator: &Simulator| {
        let endpoint =
            serde_json::json!({"ip": {"address": "127.0.0.1", "port": simulator.address().port()}});
        let spec = serde_json::json!({"endpoints": [endpoint]});
        object("gateway.envoyproxy.io/v1alpha1", "Backend", name, spec)
    };
    let route = |name: &str, hosts: &[&str]| {
        let to = serde_json::json!({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": name});
        let rules = serde_json::json!([{"backendRefs": [to]}]);
        let spec = serde_json::json!({"parentRefs": [{"name": "front"}], "hostnames": hosts, "rules": rules});
        gateway_api("HTTPRoute", name, spec)
    };
    let tls = serde_json::json!({"certificateRefs": [{"name": "front"}]});
    let listener = serde_json::json!({"name": "tls", "protocol": "HTTPS", "port": 443, "tls": tls});
    let class = serde_json::json!({"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"});
    let items = [
        gateway_api("GatewayClass", "front", class),
        gateway_api(
            "Gateway",
            "front",
            serde_json::json!({"gatewayClassName": "front", "listeners": [listener]}),
        ),
        serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "front"},
            "type": "kubernetes.io/tls", "stringData": {"tls.crt": chain, "tls.key": key}}),
        route("openai", &["api.openai.com", "api.cohere.com", "example.openai.azure.com"]),
        route(
            "anthropic",
            &[
                "api.anthropic.com",
                "bedrock-runtime.us-east-1.amazonaws.com",
                "us-central1-aiplatform.googleapis.com",
            ],
        ),
        backend("openai", openai),
        backend("anthropic", anthropic),
    ];
    serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

/// The status and the body of a reply. HTTP/1.0: the reply ends with the connection.
fn ask(port: u16, request: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (line, headers) = request.split_once('\n').unwrap_or((request, ""));
    let headers: String = headers.lines().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    write!(stream, "{line} HTTP/1.0\r\ncontent-length: {length}\r\n{headers}\r\n{body}").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let status = reply.split(' ').nth(1).unwrap().parse().unwrap();
    let body = reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

fn chat(port: u16, model: &str) -> (u16, String) {
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Say hello"}}]}}"#);
    ask(port, "POST /v1/chat/completions\nhost: ai.example.com\ncontent-type: application/json", &body)
}

/// Asks for a model, and says which model the provider was asked for, and on which path.
fn served(simulator: &Simulator, port: u16, model: &str) -> (String, String) {
    let (status, reply) = chat(port, model);
    assert_eq!(status, 200, "{model}: {reply}");
    let message: serde_json::Value = serde_json::from_str(&reply).unwrap();
    assert!(
        message["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()),
        "{reply}"
    );
    let last = simulator.last().pop().unwrap();
    let asked: serde_json::Value = serde_json::from_str(&last.body).unwrap();
    (last.path, asked["model"].as_str().unwrap_or_default().to_owned())
}

fn pair(path: &str, model: &str) -> (String, String) {
    (path.to_owned(), model.to_owned())
}

#[test]
fn every_example_has_a_test_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let names: BTreeSet<_> =
        folders.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let tested = [
        "anthropic",
        "aws-bedrock",
        "azure-openai",
        "canary",
        "cohere",
        "fallback",
        "google-vertex",
        "http-and-llm",
        "openai",
        "openai-compatible",
        "quickstart",
        "responses-anywhere",
        "tls",
        "token-limited-azure", // in deployments/token_limited.rs
    ];
    assert_eq!(names, tested.map(String::from).into());
}

#[test]
fn providers_over_tls_are_served() {
    let providers = Providers::start();
    let (openai, anthropic) = (&providers.openai, &providers.anthropic);
    let port = |gateway: &Gateway| gateway.port(1975);

    let gateway = providers.serve("openai");
    assert_eq!(served(openai, port(&gateway), "gpt-4o-mini"), pair("/v1/chat/completions", "gpt-4o-mini"));

    let gateway = providers.serve("azure-openai");
    let (path, _) = served(openai, port(&gateway), "gpt-4o");
    assert_eq!(path, "/openai/deployments/gpt-4o/chat/completions");

    let gateway = providers.serve("anthropic");
    let want = pair("/v1/messages", "claude-sonnet-4-5");
    assert_eq!(served(anthropic, port(&gateway), "claude-sonnet-4-5"), want);

    let gateway = providers.serve("aws-bedrock");
    let (path, _) = served(anthropic, port(&gateway), "us.amazon.nova-pro-v1:0");
    assert_eq!(path, "/model/us.amazon.nova-pro-v1:0/converse");
    let (path, _) = served(anthropic, port(&gateway), "claude-sonnet-4-5");
    assert_eq!(path, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/invoke");
    let signed = anthropic.last().pop().unwrap().headers;
    assert!(signed.iter().any(|(name, _)| name == "x-amz-date"), "{signed:?}");

    let gateway = providers.serve("google-vertex");
    let models = "/v1/projects/my-project/locations/us-central1/publishers";
    let (path, _) = served(anthropic, port(&gateway), "gemini-3-flash-preview");
    assert_eq!(path, format!("{models}/google/models/gemini-3-flash-preview:generateContent"));
    let (path, _) = served(anthropic, port(&gateway), "claude-sonnet-5");
    assert_eq!(path, format!("{models}/anthropic/models/claude-sonnet-5:rawPredict"));
    let sent = anthropic.last().pop().unwrap().headers;
    assert!(sent.iter().any(|(name, _)| name == "authorization"), "{sent:?}");

    let gateway = providers.serve("canary");
    let (_, model) = served(openai, port(&gateway), "assistant");
    assert!(model == "gpt-4o" || model == "gpt-5", "{model}");
    let (status, _) = ask(
        port(&gateway),
        "POST /v1/chat/completions\nhost: a\ncontent-type: application/json\nx-canary: always",
        r#"{"model":"assistant","messages":[]}"#,
    );
    let asked = openai.last().pop().unwrap().body;
    assert!(status == 200 && asked.contains("gpt-5"), "{status} {asked}");
}

/// Posts JSON; gives the document that comes back, and the path and the model that the provider was asked for.
fn posted(
    simulator: &Simulator,
    port: u16,
    (path, body): (&str, &str),
) -> (serde_json::Value, String, String) {
    let request = format!("POST {path}\nhost: a\ncontent-type: application/json");
    let (status, reply) = ask(port, &request, body);
    assert_eq!(status, 200, "{path}: {reply}");
    let last = simulator.last().pop().unwrap();
    let asked: serde_json::Value = serde_json::from_str(&last.body).unwrap();
    let model = asked["model"].as_str().unwrap_or_default().to_owned();
    (serde_json::from_str(&reply).unwrap(), last.path, model)
}

#[test]
fn cohere_is_served_to_its_own_clients_and_to_others() {
    let providers = Providers::start();
    let gateway = providers.serve("cohere");
    let port = gateway.port(1975);
    let posted = |path, body| posted(&providers.openai, port, (path, body));
    assert_eq!(served(&providers.openai, port, "command-a-03-2025"), pair("/v2/chat", "command-a-03-2025"));
    let hello = r#"{"model":"command-a-03-2025","messages":[{"role":"user","content":"hi"}],"max_tokens":9}"#;
    let (reply, path, _) = posted("/cohere/v2/chat", hello);
    assert!(path == "/v2/chat" && reply["message"]["content"][0]["text"].is_string(), "{path} {reply}");
    let (reply, path, _) = posted("/anthropic/v1/messages", hello);
    assert!(path == "/v2/chat" && reply["content"][0]["text"].is_string(), "{path} {reply}");
    let (reply, path, _) = posted("/v1/embeddings", r#"{"model":"embed-v4.0","input":["one","two"]}"#);
    assert!(path == "/v2/embed" && reply["data"][1]["embedding"].is_array(), "{path} {reply}");
    let query = r#"{"model":"rerank-v3.5","query":"capital of Italy","documents":["Paris","Rome is the capital of Italy"]}"#;
    let (reply, path, _) = posted("/cohere/v2/rerank", query);
    assert!(path == "/v2/rerank" && reply["results"][0]["index"] == 1, "{path} {reply}");
}

#[test]
fn responses_reach_every_provider() {
    let providers = Providers::start();
    let gateway = providers.serve("responses-anywhere");
    let (openai, anthropic) = (&providers.openai, &providers.anthropic);
    for (simulator, model, want) in [
        (openai, "gpt-5", pair("/v1/responses", "gpt-5")),
        (anthropic, "claude-sonnet-4-5", pair("/v1/messages", "claude-sonnet-4-5")),
        (openai, "command-a-03-2025", pair("/v2/chat", "command-a-03-2025")),
        (openai, "agent", pair("/v1/responses", "gpt-5")),
    ] {
        let body = format!(r#"{{"model":"{model}","input":"Say hello"}}"#);
        let (reply, path, asked) = posted(simulator, gateway.port(1975), ("/v1/responses", &body));
        assert_eq!((path, asked), want, "{model}");
        assert_eq!(
            (&reply["object"], &reply["status"]),
            (&"response".into(), &"completed".into()),
            "{reply}"
        );
    }
}

#[test]
fn the_fallback_goes_to_the_last_provider_when_the_others_fail() {
    let providers = Providers::start();
    let gateway = providers.serve("fallback");
    let port = gateway.port(1975);
    let (path, _) = served(&providers.openai, port, "assistant");
    assert!(path.ends_with("/chat/completions"), "{path}");
    let address = providers.openai.address().port();
    let (status, _) = ask(
        address,
        "POST /_sim/faults\ncontent-type: application/json",
        r#"{"times":0,"behaviour":{"status":503}}"#,
    );
    assert_eq!(status, 200);
    let want = pair("/v1/messages", "claude-sonnet-4-5");
    assert_eq!(served(&providers.anthropic, port, "assistant"), want);
}

#[test]
fn examples_without_tls_are_served() {
    let providers = Providers::start();
    let (openai, anthropic) = (&providers.openai, &providers.anthropic);

    let gateway = providers.serve("quickstart");
    let port = gateway.port(1975);
    assert_eq!(served(openai, port, "gpt-4o-mini"), pair("/v1/chat/completions", "gpt-4o-mini"));
    assert_eq!(served(anthropic, port, "claude-sonnet-4-5"), pair("/v1/messages", "claude-sonnet-4-5"));
    assert_eq!(served(openai, port, "assistant"), pair("/v1/chat/completions", "gpt-4o-mini"));
    let (status, models) = ask(port, "GET /v1/models\nhost: a", "");
    assert!(status == 200 && models.contains("assistant"), "{status} {models}");

    let gateway = providers.serve("openai-compatible");
    let port = gateway.port(1975);
    assert_eq!(served(openai, port, "qwen3").1, "Qwen/Qwen3-8B");
    assert_eq!(served(openai, port, "llama3.2").1, "llama3.2");
}

#[test]
fn plain_http_is_served_beside_llm() {
    let providers = Providers::start();
    let gateway = providers.serve("http-and-llm");
    let port = gateway.port(1975);
    assert_eq!(ask(port, "GET /old/v1/models\nhost: a", "").0, 301);
    let (status, body) = ask(port, "GET /web/v1/models\nhost: a", "");
    assert!(status == 200 && body.contains("gpt-4o-mini"), "{status} {body}");
    assert_eq!(providers.openai.last().pop().unwrap().path, "/v1/models");
    assert_eq!(served(&providers.openai, port, "gpt-4o-mini").1, "gpt-4o-mini");
}

#[test]
fn the_listener_of_the_tls_example_is_reached_over_tls() {
    let providers = Providers::start();
    let gateway = providers.serve("tls");
    // A third gateway is the TLS client.
    let path = providers.folder.path().join("client.json");
    let object = |group: &str, kind: &str, spec: serde_json::Value| serde_json::json!({"apiVersion": group, "kind": kind, "metadata": {"name": "client"}, "spec": spec});
    let listener = serde_json::json!({"name": "http", "protocol": "HTTP", "port": 1975});
    let to = serde_json::json!({"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "client"});
    let items = [
        object(
            "gateway.networking.k8s.io/v1",
            "Gateway",
            serde_json::json!({"gatewayClassName": "client", "listeners": [listener]}),
        ),
        object(
            "gateway.networking.k8s.io/v1",
            "HTTPRoute",
            serde_json::json!({"parentRefs": [{"name": "client"}], "rules": [{"backendRefs": [to]}]}),
        ),
        object(
            "gateway.envoyproxy.io/v1alpha1",
            "Backend",
            serde_json::json!({
                "endpoints": [{"ip": {"address": "127.0.0.1", "port": gateway.port(443)}}],
                "tls": {"insecureSkipVerify": true, "sni": "ai.example.com"},
            }),
        ),
    ];
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
    fs::write(&path, list.to_string()).unwrap();
    let client = Gateway::start(&path, |_| ());
    assert_eq!(served(&providers.openai, client.port(1975), "gpt-4o-mini").1, "gpt-4o-mini");
}
