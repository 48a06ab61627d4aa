//! Load for a build that writes down what is hot: a profile-guided one is made by it.

use std::time::Duration;

use serde_json::json;

use crate::{
    cases::{Case, MEASURED},
    peers::{Peer, Places, Variant, path, target},
    process::free_port,
    report::Column,
    run::{Bench, Way},
    streams::{Hold, hold},
};

const CONNECTIONS: usize = 32;
/// The model that the gateway asks itself for.
const ITSELF: &str = "itself";

impl Bench<'_> {
    /// Every case once, then through TLS and HTTP/2, then with policies.
    pub(crate) async fn train(&self, places: &Places) -> Result<(), String> {
        let variant = Variant { name: "train", text: resources()?, options: Vec::new() };
        let running = Peer::Tollgate.start_as(places, Some(variant))?;
        let way = Way::Through(&running);
        for case in MEASURED {
            eprintln!("{} …", case.name());
            self.loaded(way, &self.target(way, case), CONNECTIONS).await?;
        }
        eprintln!("{} …", Case::StreamPaced.name());
        let step = Hold { streams: 128, ramp: Duration::from_secs(1), time: Duration::from_secs(2) };
        let (held, ()) = hold(&self.target(way, Case::StreamPaced), step, || ()).await;
        if held.frame.count() == 0 {
            return Err("no frames of paced streams".to_owned());
        }
        for case in [Case::Chat1K, Case::Chat64K, Case::StreamShort, Case::StreamLong] {
            eprintln!("TLS and HTTP/2: {} …", case.name());
            self.expect(case);
            let through = target(running.address(), (path(case.api()), ""), ("any", &case.body(ITSELF)));
            self.loaded(way, &through, CONNECTIONS).await?;
        }
        drop(running);
        eprintln!("policies …");
        let mut column = Column::new("train");
        self.policies(places, &mut column).await;
        for why in column.notes.values() {
            eprintln!("left out: {why}");
        }
        Ok(())
    }
}

/// What is measured beside peers, and the gateway in front of itself.
fn resources() -> Result<String, String> {
    let made = rcgen::generate_simple_self_signed(["itself.example".to_owned()]);
    let made = made.map_err(|error| error.to_string())?;
    let certificate = made.cert.pem();
    let own = free_port().map_err(|error| error.to_string())?;
    let metadata = json!({"name": ITSELF, "namespace": "default"});
    let data = json!({"tls.crt": certificate, "tls.key": made.signing_key.serialize_pem()});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "stringData": data,
    });
    let authority = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": certificate},
    });
    let shared = include_str!("../peers/tollgate.yaml");
    let itself = include_str!("../peers/train.yaml").replace("@OWN@", &own.to_string());
    Ok(format!("{shared}\n{itself}\n---\n{secret}\n---\n{authority}\n"))
}
