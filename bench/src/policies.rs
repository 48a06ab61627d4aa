//! What policies cost: our gateway with them and without, on a route each.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use tollgate_simulate::{Grant, Issuer};

use crate::{
    cases::Case,
    load::Target,
    peers::{Peer, Places, Running, Variant, target},
    process::{Process, free_port},
    report::Column,
    run::{Bench, Way, micros},
};

/// The step's name among `--cases`.
pub(crate) const KEY: &str = "policies";
/// Rows: key and title.
pub(crate) const ROWS: [(&str, &str); 4] = [
    ("none", "no policy"),
    ("jwt", "JWT (RS256), the same token again"),
    ("limits", "ten rate limits, embedded"),
    ("redis", "ten rate limits, in Redis, far from reached"),
];

/// A token, and the keys that it is checked with.
struct Signed {
    token: String,
    keys: String,
}

// === impl Signed ===

impl Signed {
    fn new() -> Result<Self, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let issuer = Issuer::new("bench", &[], None).map_err(|error| error.to_string())?;
        let grant = Grant { tenant: "tenant-a".into(), expires_in: 86_400, ..Grant::default() };
        let token = issuer.token(&grant, now).map_err(|error| error.to_string())?;
        Ok(Self { token, keys: issuer.jwks().to_string() })
    }
}

// === impl Bench ===

impl Bench<'_> {
    pub(crate) async fn policies(&self, places: &Places, column: &mut Column) {
        if let Err(why) = self.try_policies(places, column).await {
            column.note("policy.none", why);
        }
    }

    async fn try_policies(&self, places: &Places, column: &mut Column) -> Result<(), String> {
        let signed = Signed::new()?;
        let text = include_str!("../peers/policies.yaml")
            .replace("@KEYS@", &signed.keys)
            .replace("@RULES@", &rules());
        let embedded = Variant { name: "policies", text: text.clone(), options: Vec::new() };
        let running = Peer::Tollgate.start_as(places, Some(embedded))?;
        for (row, model) in [("none", "none"), ("jwt", "jwt"), ("limits", "limits")] {
            self.policy(&running, (row, model), &signed, column).await;
        }
        drop(running);
        let dir = places.run.join("redis");
        let (_redis, port) = redis(&dir)?;
        let options = vec!["--redis-url".into(), format!("redis://127.0.0.1:{port}")];
        let shared = Variant { name: "policies-redis", text, options };
        let running = Peer::Tollgate.start_as(places, Some(shared))?;
        self.policy(&running, ("redis", "limits"), &signed, column).await;
        Ok(())
    }

    async fn policy(
        &self,
        running: &Running,
        (row, model): (&str, &str),
        signed: &Signed,
        column: &mut Column,
    ) {
        self.expect(Case::Chat1K);
        let target = request(running.address(), model, &signed.token);
        match self.loaded(Way::Through(running), &target, Case::Chat1K.connections()).await {
            Ok((measured, used)) => {
                let each = micros(used.all) / measured.latency.count() as f64;
                column.set(format!("policy.{row}"), each);
            }
            Err(why) => column.note(format!("policy.{row}"), why),
        }
    }
}

fn request(gateway: SocketAddr, model: &str, token: &str) -> Target {
    let headers = "x-user-id: alice@example.com\r\nx-tier: gold\r\n";
    target(gateway, ("/v1/chat/completions", headers), (token, &Case::Chat1K.body(model)))
}

/// Five by user and five by tier, all of which apply; too large to be reached.
fn rules() -> String {
    let rule = |number: u32| {
        let header = match number % 2 {
            0 => json!({"name": "x-user-id", "type": "Distinct"}),
            _ => json!({"name": "x-tier", "value": "gold"}),
        };
        let total = json!({"namespace": "io.envoy.ai_gateway", "key": "total"});
        json!({
            "clientSelectors": [{"headers": [header]}],
            "limit": {"requests": u32::MAX, "unit": "Year"},
            "cost": {"request": {"from": "Number", "number": 1}, "response": {"from": "Metadata", "metadata": total}},
        })
    };
    json!((0..10).map(rule).collect::<Vec<_>>()).to_string()
}

/// A Redis on the harness's core: only the gateway's time counts.
fn redis(dir: &Path) -> Result<(Process, u16), String> {
    let port = free_port().map_err(|error| error.to_string())?;
    std::fs::create_dir_all(dir).map_err(|error| error.to_string())?;
    let mut command = Command::new("redis-server");
    command.current_dir(dir).args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
    command.arg(port.to_string());
    let mut process = Process::start(command, crate::HARNESS_CORE, &dir.join("log"))
        .map_err(|error| format!("redis-server: {error}"))?;
    process
        .wait_for(SocketAddr::from(([127, 0, 0, 1], port)))
        .map_err(|why| format!("redis-server: {why}"))?;
    Ok((process, port))
}
