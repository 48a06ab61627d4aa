//! The neighbours of deploy/multi-tenant, played on this machine.
use std::{
    fs,
    path::Path,
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use tollgate_simulate::{Grant, Issuer, Options, Recorded, Simulator, spawn};

use crate::gateway::{self, Answer, Ask, Gateway, Pending};

/// The host of the OpenAI API.
pub(crate) const AI: &str = "ai.inference-in-a-box";
/// Any other host.
pub(crate) const HOST: &str = "gateway.example";
pub(crate) const SKLEARN: &str = "/v1/models/sklearn-iris:predict";
pub(crate) const PYTORCH: &str = "/v1/models/pytorch-resnet:predict";
const FLOWERS: &str = r#"{"instances":[[5.1,3.5,1.4,0.2]]}"#;
const NAME: &str = "inference-in-a-box";

/// Three tenants, two models, a mesh, somebody who signs tokens, and the gateway among them.
pub(crate) struct Tenants {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) sklearn: Simulator,
    pub(crate) pytorch: Simulator,
    pub(crate) mesh: Simulator,
    jwt_server: Simulator,
    pub(crate) gateway: Gateway,
    folder: tempfile::TempDir,
}

/// What differs from the deployment as it is.
pub(crate) struct Changes<'a> {
    /// Whom the external authorization service knows.
    pub(crate) known: &'a [&'a str],
    /// Changes a file, by its path below the folder; `None` leaves it out.
    pub(crate) file: &'a dyn Fn(&str, String) -> Option<String>,
}

// === impl Changes ===

impl Default for Changes<'_> {
    fn default() -> Self {
        Self { known: &["tenant-a", "tenant-b", "tenant-c"], file: &|_, text| Some(text) }
    }
}

// === impl Tenants ===

impl Tenants {
    pub(crate) fn start() -> Self {
        Self::with(&Changes::default())
    }

    pub(crate) fn with(changes: &Changes<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        gateway::copy(&gateway::folder("deploy/multi-tenant"), folder.path(), changes.file);
        let known: Vec<_> = changes.known.iter().map(|name| (*name).to_owned()).collect();
        let issuer = Arc::new(Issuer::new(NAME, &known, None).unwrap());
        let server = |name: &str, kserve: &[&str], issuer| {
            let kserve = kserve.iter().map(|name| (*name).to_owned()).collect();
            spawn(Options { name: name.into(), kserve, issuer, record: 4096, ..Options::default() }).unwrap()
        };
        let sklearn = server("tenant-a", &["sklearn-iris"], None);
        let pytorch = server("tenant-c", &["pytorch-resnet"], None);
        let mesh = server("mesh", &["sklearn-iris", "pytorch-resnet", "shared"], None);
        let jwt_server = server("jwt-server", &[], Some(Arc::clone(&issuer)));
        let names = [
            ("sklearn-iris-predictor-default.tenant-a.svc.cluster.local:80", &sklearn),
            ("pytorch-resnet-predictor-default.tenant-c.svc.cluster.local:80", &pytorch),
            ("istio-ingressgateway.istio-system.svc.cluster.local:80", &mesh),
            ("istio-ingressgateway.istio-system.svc.cluster.local:15021", &mesh),
            ("jwt-server.default.svc.cluster.local:8080", &jwt_server),
            ("ext-auth-service.default.svc.cluster.local:8080", &jwt_server),
        ];
        let gateway = Gateway::start(folder.path(), |command| {
            for (name, simulator) in names {
                command.args(["--resolve", &format!("{name}={}", simulator.address())]);
            }
            command.env("OTEL_AIGW_METRICS_REQUEST_HEADER_ATTRIBUTES", "x-tenant:tenant");
        });
        Self { issuer, sklearn, pytorch, mesh, jwt_server, gateway, folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A token of this tenant that is good for an hour.
    pub(crate) fn token(&self, tenant: &str) -> String {
        self.grant(&Grant { tenant: tenant.into(), subject: format!("user@{tenant}"), ..Grant::default() })
    }

    pub(crate) fn grant(&self, grant: &Grant) -> String {
        self.issuer.token(grant, now()).unwrap()
    }

    pub(crate) fn send(&self, ask: &Ask<'_>) -> Pending {
        ask.send(self.gateway.port(80))
    }

    pub(crate) fn ask(&self, ask: &Ask<'_>) -> Answer {
        self.send(ask).read()
    }

    pub(crate) fn predict(&self, path: &str, token: &str) -> Answer {
        self.ask(&predict(path).bearer(token))
    }

    pub(crate) fn chat(&self, model: &str, token: &str) -> Answer {
        self.ask(&chat(model).bearer(token))
    }

    /// Takes away the key that the tokens so far were signed with, or keeps it for a while.
    pub(crate) fn rotate(&self, keep: usize) {
        let answer = Ask::post(HOST, &format!("/rotate?keep={keep}"), "")
            .send(self.jwt_server.address().port())
            .read();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Changes a file as editors do.
    pub(crate) fn rewrite(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.path().join(file);
        let draft = self.path().join("draft");
        fs::write(&draft, change(fs::read_to_string(&path).unwrap())).unwrap();
        fs::rename(draft, path).unwrap();
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn predict(path: &str) -> Ask<'_> {
    Ask::post(HOST, path, FLOWERS)
}

pub(crate) fn chat(model: &str) -> Ask<'_> {
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hello"}}]}}"#);
    Ask::post(AI, "/v1/chat/completions", body)
}

/// Requests for this path, health checks aside.
pub(crate) fn asked(simulator: &Simulator, path: &str) -> Vec<Recorded> {
    simulator.last().into_iter().filter(|request| request.path == path).collect()
}

/// Waits until so many more requests for this path have come.
pub(crate) fn wait_for(simulator: &Simulator, path: &str, more: usize) {
    let want = asked(simulator, path).len() + more;
    let began = std::time::Instant::now();
    while asked(simulator, path).len() < want {
        assert!(began.elapsed() < gateway::PATIENCE, "{more} more requests for {path} did not come");
        thread::yield_now();
    }
}
