//! What a reload costs the requests that pass meanwhile: our gateway with a thousand routes.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    cases::Case,
    histogram::Histogram,
    load::{Measured, Target, once, open},
    peers::{KEY as CREDENTIAL, Peer, Places, Variant, filled, path, target},
    report::Column,
    run::{Bench, micros},
};

/// The step's name among `--cases`.
pub(crate) const KEY: &str = "reloads";
/// Rows: key and title.
pub(crate) const ROWS: [(&str, &str); 3] = [
    ("still", "p99 µs at 2,000 requests/s with 1,000 routes"),
    ("changing", "the same while the routes change, twice a second at most"),
    ("served", "ms until a change among 1,000 routes serves, p50"),
];

const ROUTES: usize = 1000;
/// Requests a second, far from what a core can do.
const RATE: f64 = 2000.0;
const CONNECTIONS: usize = 64;
/// From one change to the next, at least.
const PAUSE: Duration = Duration::from_millis(500);
/// A change that does not serve by then never will.
const PATIENCE: Duration = Duration::from_secs(10);

// === impl Bench ===

impl Bench<'_> {
    pub(crate) async fn reloads(&self, places: &Places, column: &mut Column) {
        if let Err(why) = self.try_reloads(places, column).await {
            column.note("reload.still", why);
        }
    }

    async fn try_reloads(&self, places: &Places, column: &mut Column) -> Result<(), String> {
        let variant = Variant { name: "reloads", text: resources(0), options: Vec::new() };
        let running = Peer::Tollgate.start_as(places, Some(variant))?;
        self.expect(Case::Chat1K);
        let load = running.target(Case::Chat1K);
        let time = self.effort.millis(2000, 10_000);
        let p99 = |outcome: std::io::Result<Measured>| {
            let measured = outcome.map_err(|error| error.to_string())?;
            match measured.errors {
                0 => Ok(micros(measured.latency.quantile(990))),
                errors => Err(format!("{errors} errors")),
            }
        };
        column.set("reload.still", p99(open(&load, RATE, (CONNECTIONS, time)).await)?);

        let dir = places.run.join("reloads");
        let write = |number| {
            let place = (running.address().port(), places.simulator);
            replace(&dir.join("tollgate.yaml"), &filled(&resources(number), &dir, place))
        };
        let ask = |number| {
            let body = Case::Chat1K.body(&changed(number));
            target(running.address(), (path(Case::Chat1K.api()), ""), (CREDENTIAL, &body))
        };
        let (measured, served) =
            tokio::join!(open(&load, RATE, (CONNECTIONS, time)), change(time, write, ask));
        column.set("reload.changing", p99(measured)?);
        column.set("reload.served", micros(served?.quantile(500)) / 1000.0);
        Ok(())
    }
}

/// Changes the resources until the time is over, and asks each time until the change serves.
async fn change(
    time: Duration,
    write: impl Fn(usize) -> Result<(), String>,
    ask: impl Fn(usize) -> Target,
) -> Result<Histogram, String> {
    let (start, mut times) = (Instant::now(), Histogram::new());
    for number in 1.. {
        let began = Instant::now();
        write(number)?;
        let target = ask(number);
        while once(&target).await.map_err(|error| error.to_string())?.0 != 200 {
            if began.elapsed() > PATIENCE {
                return Err("a change does not serve".to_owned());
            }
            sleep(Duration::from_millis(5)).await;
        }
        times.add(began.elapsed());
        sleep(PAUSE.saturating_sub(began.elapsed())).await;
        if start.elapsed() >= time {
            break;
        }
    }
    Ok(times)
}

/// The model that only one state of the resources has.
fn changed(number: usize) -> String {
    format!("changed-{number}")
}

/// What the other steps are measured with, and a thousand routes more, one of which is another each time.
fn resources(number: usize) -> String {
    let mut text = include_str!("../peers/tollgate.yaml").to_owned();
    for route in 0..ROUTES {
        let model = if route == ROUTES / 2 { changed(number) } else { format!("model-{route}") };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{ name: route-{route}, namespace: default }}
spec:
  parentRefs: [{{ name: bench, kind: Gateway, group: gateway.networking.k8s.io }}]
  rules:
    - matches: [{{ headers: [{{ type: Exact, name: x-ai-eg-model, value: {model} }}] }}]
      backendRefs: [{{ name: openai }}]
"
        );
    }
    text
}

/// Puts a file in the place of another: nobody reads half of it.
fn replace(path: &Path, text: &str) -> Result<(), String> {
    let next = path.with_extension("next");
    fs::write(&next, text).and_then(|()| fs::rename(&next, path)).map_err(|error| error.to_string())
}
