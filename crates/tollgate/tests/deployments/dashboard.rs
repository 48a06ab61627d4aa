//! What is seen: observability/telemetry-config.yaml.
use std::{collections::BTreeSet, thread, time::Instant};

use serde_json::Value;
use tollgate_simulate::{Behaviour, Fault, Rule};

use crate::{
    gateway,
    tenants::{Changes, SKLEARN, Tenants, chat},
};

/// A metric as a query names it.
#[derive(Debug)]
struct Selector {
    name: String,
    /// Names of labels that it filters or sums by.
    labels: BTreeSet<String>,
}

/// Every selector of a PromQL query. Good for sums and rates: what follows `by` holds for the selectors up to there.
fn selectors(query: &str) -> Vec<Selector> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = query;
    let mut grouped = BTreeSet::new();
    while let Some(start) = rest.find(is_word) {
        rest = &rest[start..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        let next = after.trim_start().chars().next();
        if word == "by" {
            let (list, after) = after.trim_start()[1..].split_once(')').unwrap();
            grouped =
                list.split(',').map(|label| label.trim().to_owned()).filter(|label| label != "le").collect();
            rest = after;
        } else if matches!(next, Some('{' | '[')) || word.contains("tollgate_") {
            let mut labels = grouped.clone();
            if let Some(inside) = after.strip_prefix('{') {
                let (inside, after) = inside.split_once('}').unwrap();
                labels.extend(
                    inside.split(',').filter_map(|pair| Some(pair.split_once(['=', '!'])?.0.to_owned())),
                );
                rest = after;
            }
            found.push(Selector { name: word.to_owned(), labels });
            if let Some(range) = rest.strip_prefix('[') {
                rest = range.split_once(']').unwrap().1;
            }
        }
    }
    found
}

/// The dashboard in the ConfigMap, cut out of its block by indentation.
fn board() -> Value {
    let path = gateway::folder("deploy/multi-tenant/observability/telemetry-config.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, json) = text.split_once("ai-gateway.json: |\n").unwrap();
    serde_json::from_str(json).unwrap()
}

fn queries(board: &Value) -> Vec<String> {
    let targets =
        board["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_query_is_taken_apart() {
    let query = r#"sum by (tenant) (rate(a_count{code=~"5..",b!="c"}[5m])) / sum by (le, x) (rate(a_bucket[5m])) + sum(tollgate_up)"#;
    let found = selectors(query);
    let shown: Vec<_> = found
        .iter()
        .map(|one| (&*one.name, one.labels.iter().map(|label| &**label).collect::<Vec<_>>()))
        .collect();
    assert_eq!(
        shown,
        [("a_count", vec!["b", "code", "tenant"]), ("a_bucket", vec!["x"]), ("tollgate_up", vec!["x"])]
    );
}

#[test]
fn every_query_of_the_dashboard_is_answered() {
    let all = Tenants::start();
    let (a, b) = (all.token("tenant-a"), all.token("tenant-b"));
    // Something of everything: whole and streamed, refused, failed for good, and tried again.
    assert_eq!(all.chat("sklearn-iris", &a).status, 200);
    let mut stream = chat("sklearn-iris").bearer(&a);
    stream.body = stream.body.replacen('{', "{\"stream\":true,", 1);
    assert_eq!(all.ask(&stream).status, 200);
    assert_eq!(all.predict(SKLEARN, &a).status, 200);
    assert_eq!(all.predict(SKLEARN, &b).status, 403);
    let breaks = |times, behaviour| {
        let rule = Rule { path: Some("/chat/completions".into()), ..Rule::next(times, behaviour) };
        all.sklearn.add_rule(rule);
    };
    breaks(1, Behaviour::status(503));
    assert_eq!(all.chat("sklearn-iris", &a).status, 200);
    for broken in [Behaviour::status(503), Behaviour::fault(Fault::ResetBefore)] {
        breaks(0, broken);
        let answer = all.chat("sklearn-iris", &a);
        assert!(answer.status >= 500, "{answer:?}");
        all.sklearn.clear_rules();
    }
    // Cores tell every second what their pools hold; a request a second sees to it that they hold something.
    let (began, mut asked) = (Instant::now(), 0);
    loop {
        if began.elapsed().as_secs() >= asked {
            asked += 1;
            assert_eq!(all.predict(SKLEARN, &a).status, 200);
        }
        let metrics = all.gateway.admin("/metrics").body;
        let missing = unanswered(&metrics);
        if missing.is_empty() {
            return;
        }
        assert!(began.elapsed() < gateway::PATIENCE / 6, "{missing:#?}\nin\n{metrics}");
        thread::yield_now();
    }
}

/// What the dashboard asks for and these metrics do not have.
fn unanswered(metrics: &str) -> Vec<Selector> {
    let mut wanted: Vec<_> = queries(&board()).iter().flat_map(|query| selectors(query)).collect();
    wanted.retain(|Selector { name, labels }| {
        let of_name =
            |line: &&str| line.strip_prefix(&**name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let has = |line: &str| labels.iter().all(|label| line.contains(&format!("{label}=\"")));
        !metrics.lines().filter(of_name).any(has)
    });
    wanted
}

#[test]
fn the_access_log_tells_tenant_model_subject_and_tokens() {
    const CLASS: &str = "  gatewayClassName: ai-gateway-class\n";
    // What README.md has users patch.
    const TELEMETRY: &str = "  infrastructure:
    parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: ai-gateway-telemetry}
";
    let all = Tenants::with(&Changes {
        file: &|file, text| {
            Some(if file == "gateway/ai-gateway.yaml" {
                text.replace(CLASS, &format!("{CLASS}{TELEMETRY}"))
            } else {
                text
            })
        },
        ..Changes::default()
    });
    assert_eq!(all.chat("sklearn-iris", &all.token("tenant-a")).status, 200);
    let line: Value = serde_json::from_str(&all.gateway.wait_for("jwt_subject")).unwrap();
    let text = |name: &str| {
        line[name].as_str().map(str::to_owned).or_else(|| line[name].as_u64().map(|n| n.to_string()))
    };
    assert_eq!(text("tenant").as_deref(), Some("tenant-a"), "{line:#}");
    assert_eq!(text("model").as_deref(), Some("sklearn-iris"), "{line:#}");
    assert_eq!(text("jwt_subject").as_deref(), Some("user@tenant-a"), "{line:#}");
    assert_eq!(text("response_code").as_deref(), Some("200"), "{line:#}");
    let tokens = |name| text(name).unwrap().parse::<u64>().unwrap();
    let (input, output) = (tokens("llm_input_token"), tokens("llm_output_token"));
    assert_eq!(tokens("llm_total_token"), input + output, "{line:#}");
}
