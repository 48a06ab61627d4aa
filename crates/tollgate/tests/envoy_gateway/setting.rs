//! Resources of the tests, and the processes that serve them.
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::ServerName};
use tempfile::TempDir;
use tollgate_testkit::{
    envoy::{self, HOOKS},
    http::{self, Ask, Reply},
    process::PATIENCE,
    stack::{Plan, Stack},
};

/// Names that the certificate is for.
const HOSTS: [&str; 4] = ["a.pools.test", "b.pools.test", "c.pools.test", "pools.test"];

/// A certificate for [`HOSTS`] with its key.
pub(crate) struct Pem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The stack with resources of a test.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) stack: Stack,
    pub(crate) folder: TempDir,
    tls: Option<Arc<ClientConfig>>,
}

/// A certificate for [`HOSTS`] as a Secret `certificate`, and what believes it.
pub(crate) fn certificate() -> (String, Arc<ClientConfig>) {
    let (Pem { certificate, key }, tls) = Pem::new();
    let indent = |text: String| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: certificate}}\ntype: kubernetes.io/tls\nstringData:\n  \
         tls.crt: |\n{}  tls.key: |\n{}---\n",
        indent(certificate),
        indent(key)
    );
    (secret, tls)
}

/// One request over TLS; the host is the server's name.
pub(crate) fn ask_tls(tls: &Arc<ClientConfig>, port: u16, host: &str, ask: &Ask<'_>) -> Reply {
    let Some(stream) = http::connect(port) else { return Reply::default() };
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut ask = ask.clone();
    ask.headers.insert("host".to_owned(), host.to_owned());
    http::converse(StreamOwned::new(ClientConnection::new(Arc::clone(tls), name).unwrap(), stream), &ask)
}

// === impl Pem ===

impl Pem {
    /// With what believes it.
    pub(crate) fn new() -> (Self, Arc<ClientConfig>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(HOSTS.map(str::to_owned)).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        (Self { certificate: certificate.pem(), key: key.serialize_pem() }, tls)
    }
}

// === impl Setting ===

impl Setting {
    /// `beside` is what Envoy Gateway reads beside what the controller writes.
    pub(crate) fn start(envoy: &Path, resources: &str, beside: &str, tls: Option<Arc<ClientConfig>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resources");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("resources.yaml"), resources).unwrap();
        let generated = folder.path().join("generated");
        fs::create_dir(&generated).unwrap();
        fs::write(generated.join("beside.yaml"), beside).unwrap();
        let stack = Stack::start(&Plan {
            tollgate: Path::new(env!("CARGO_BIN_EXE_tollgate")),
            envoy,
            resources: &path,
            folder: folder.path(),
            hooks: &HOOKS,
        });
        Self { stack: stack.unwrap(), folder, tls }
    }

    /// One request over HTTP.
    pub(crate) fn ask(port: u16, ask: &Ask<'_>) -> Reply {
        http::ask(port, ask)
    }

    /// One request over TLS; the host is the server's name.
    pub(crate) fn ask_tls(&self, port: u16, host: &str, ask: &Ask<'_>) -> Reply {
        ask_tls(self.tls.as_ref().unwrap(), port, host, ask)
    }

    /// Asks until it is answered with 200.
    pub(crate) fn wait_until(&mut self, mut ask: impl FnMut(&Self) -> Reply) {
        let end = Instant::now() + PATIENCE;
        loop {
            let reply = ask(self);
            if reply.status == 200 {
                return;
            }
            self.stack.lives().unwrap();
            let said = if Instant::now() > end { self.stack.said() } else { String::new() };
            assert!(Instant::now() < end, "{said}\nit answers {} {:?}", reply.status, reply.text());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Waits until something is so.
    pub(crate) fn until(&self, is: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is() {
            assert!(Instant::now() < end, "it does not come about");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// What the controller says of itself.
    pub(crate) fn controller_config(&self) -> serde_json::Value {
        serde_json::from_str(&http::get(self.stack.hooks_admin, "/config").text()).unwrap()
    }

    /// Counters of Envoy by name.
    pub(crate) fn counters(&mut self) -> BTreeMap<String, u64> {
        let admin = self.stack.gateway.envoy_admin().unwrap();
        let port = admin.rsplit(':').next().unwrap().parse().unwrap();
        envoy::counters(port)
    }
}

/// A chat without an answer's details.
pub(crate) fn chat(model: &str, headers: &[(&str, &str)]) -> Ask<'static> {
    Ask {
        line: "POST /v1/chat/completions",
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: format!(
            r#"{{"model":"{model}","max_tokens":4,"messages":[{{"role":"user","content":"hello"}}]}}"#
        ),
        leave_after: None,
    }
}
