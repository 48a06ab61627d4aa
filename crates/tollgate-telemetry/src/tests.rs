use std::sync::Arc;

use expect_test::{expect, expect_file};
use tollgate_core::{End, Failure, Live, Refusal};
use tollgate_snapshot::{AccessLogRule, AccessLogSettings, Format, LogScope, Snapshot};
use tollgate_types::ApiSchema;

use crate::{
    CredentialState, HeaderAttributes, LogFormat, Options, PoolCounts, Reload, Telemetry,
    testing::{backend, live, live_logging, logged, options, request, telemetry},
};

/// The lines of these families that count something, buckets left out.
fn shown(telemetry: &Telemetry, prefixes: &[&str]) -> String {
    let text = telemetry.metrics();
    let wanted = |line: &&str| {
        let counts = !line.ends_with(" 0") && !line.contains("_bucket{");
        counts && prefixes.iter().any(|prefix| line.starts_with(prefix))
    };
    text.lines().filter(wanted).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_chat_is_counted_under_the_names_that_dashboards_know() {
    let (telemetry, live) = (telemetry(), live());
    let settled = request(&live).asks("gpt-4o-mini").answered(0, 200).served("gpt-4o-mini-2024", [12, 34]);
    telemetry.observe(&settled.streamed().settled());
    expect_file!["../tests/golden/chat.prom"].assert_eq(&shown(&telemetry, &["gen_ai_"]));
}

#[test]
fn buckets_are_those_of_envoy_ai_gateway() {
    let (telemetry, live) = (telemetry(), live());
    let settled = request(&live).asks("gpt-4o-mini").answered(0, 200).served("gpt-4o-mini", [16, 17]);
    telemetry.observe(&settled.streamed().settled());
    let bounds = |name: &str, filter: &str| -> String {
        let text = telemetry.metrics();
        let bucket = |line: &str| {
            let (_, rest) = line.strip_prefix(name)?.split_once("le=\"")?;
            let (bound, count) = rest.split_once("\"} ")?;
            line.contains(filter).then(|| format!("{bound}:{count} "))
        };
        text.lines().filter_map(bucket).collect()
    };
    expect!["1:0 4:0 16:0 64:1 256:1 1024:1 4096:1 16384:1 65536:1 262144:1 1048576:1 4194304:1 16777216:1 67108864:1 +Inf:1 "].assert_eq(&bounds("gen_ai_client_token_usage_bucket", "token_type=\"output\""));
    expect!["0.01:0 0.02:0 0.04:0 0.08:0 0.16:1 0.32:1 0.64:1 1.28:1 2.56:1 5.12:1 10.24:1 20.48:1 40.96:1 81.92:1 +Inf:1 "].assert_eq(&bounds("gen_ai_server_request_duration_seconds_bucket", ""));
    expect!["0.001:0 0.005:0 0.01:0 0.02:1 0.04:1 0.06:1 0.08:1 0.1:1 0.25:1 0.5:1 0.75:1 1:1 2.5:1 5:1 7.5:1 10:1 15:1 20:1 30:1 45:1 60:1 +Inf:1 "].assert_eq(&bounds("gen_ai_server_time_to_first_token_seconds_bucket", ""));
    expect!["0.01:1 0.025:1 0.05:1 0.075:1 0.1:1 0.15:1 0.2:1 0.3:1 0.4:1 0.5:1 0.75:1 1:1 2.5:1 +Inf:1 "]
        .assert_eq(&bounds("gen_ai_server_time_per_output_token_seconds_bucket", ""));
}

#[test]
fn attempts_are_counted_apart_from_the_request_they_belong_to() {
    let (telemetry, live) = (telemetry(), live());
    telemetry.began(80);
    telemetry.began(80);
    let settled = request(&live).asks("gpt-4o-mini").fails(0, Failure::ConnectTimeout).answered(1, 200);
    telemetry.observe(&settled.served("claude-opus", [1, 2]).settled());
    expect_file!["../tests/golden/attempts.prom"].assert_eq(&shown(&telemetry, &["tollgate_"]));
}

#[test]
fn counts_go_on_over_a_reload_and_over_requests_that_outlive_it() {
    let (telemetry, old) = (telemetry(), live());
    let (new, streaming) = (live(), request(&old).asks("gpt-4o-mini").answered(0, 200).settled());
    telemetry.observe(&request(&new).asks("gpt-4o-mini").answered(0, 200).settled());
    drop(old);
    telemetry.observe(&streaming);
    telemetry.observe(&request(&new).asks("gpt-4o-mini").answered(0, 200).settled());
    let shown = shown(&telemetry, &["tollgate_route_requests_total"]);
    assert_eq!(
        shown,
        "tollgate_route_requests_total{route=\"default/chat\",rule=\"default/chat/0\",code=\"200\"} 3\n"
    );
}

#[test]
fn cores_are_added_up() {
    let (telemetry, live) = (telemetry(), live());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| telemetry.observe(&request(&live).answered(0, 200).settled()));
        }
    });
    let shown = shown(&telemetry, &["tollgate_requests_total"]);
    assert_eq!(shown, "tollgate_requests_total{listener=\"default/gw/http\",code=\"200\"} 3\n");
}

/// Distinct values of a label over all series.
fn values(telemetry: &Telemetry, label: &str) -> Vec<String> {
    let text = telemetry.metrics();
    let of = |line: &str| Some(line.split_once(&format!("{label}=\""))?.1.split_once('"')?.0.to_owned());
    let mut values: Vec<_> = text.lines().filter_map(of).collect();
    values.sort();
    values.dedup();
    values
}

#[test]
fn models_that_nobody_configured_share_one_label() {
    let (telemetry, live) = (telemetry(), live());
    for number in 0..1000 {
        let settled = request(&live).asks(&format!("made-up-{number}")).answered(0, 200);
        telemetry.observe(&settled.served(&format!("served-{number}"), [1, 1]).settled());
    }
    assert_eq!(values(&telemetry, "gen_ai_original_model"), ["other"]);
    assert_eq!(values(&telemetry, "gen_ai_request_model"), ["other"]);
    assert_eq!(values(&telemetry, "gen_ai_response_model"), ["other", "served-0", "served-1", "served-2"]);
}

#[test]
fn what_other_cores_have_named_keeps_its_name_when_the_bound_is_reached() {
    let (telemetry, live) = (telemetry(), live());
    let serve = |names: &[&str]| {
        for name in names {
            let settled = request(&live).asks("gpt-4o-mini").answered(0, 200).served(name, [1, 1]);
            telemetry.observe(&settled.settled());
        }
    };
    serve(&["a", "b", "c", "d"]);
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&["e", "b"]));
    });
    let totals = telemetry.metrics();
    let twice = totals.lines().find(|line| {
        line.starts_with("gen_ai_server_request_duration_seconds_count")
            && line.contains("gen_ai_response_model=\"b\"")
    });
    assert!(twice.is_some_and(|line| line.ends_with(" 2")), "{twice:?}");
    assert_eq!(values(&telemetry, "gen_ai_response_model"), ["a", "b", "c", "other"]);
}

#[test]
fn a_failure_is_marked_and_has_no_tokens() {
    let (telemetry, live) = (telemetry(), live());
    let refused = End::Refused(Refusal::Upstream(Failure::Reset));
    telemetry.observe(&request(&live).asks("gpt-4o-mini").fails(0, Failure::Reset).ends(refused).settled());
    assert_eq!(values(&telemetry, "error_type"), ["_OTHER"]);
    assert!(!telemetry.metrics().contains("gen_ai_client_token_usage"));
}

#[test]
fn headers_become_labels_only_where_somebody_asked_for_it() {
    let variable = "OTEL_AIGW_METRICS_REQUEST_HEADER_ATTRIBUTES";
    let attributes =
        HeaderAttributes::from_env(&|name| (name == variable).then(|| "x-team:team.id".to_owned())).unwrap();
    let (telemetry, live) = (Telemetry::start(Options { attributes, ..options() }).unwrap(), live());
    let settled = request(&live).header("x-team", b"a\"\\b").asks("gpt-4o-mini").answered(0, 200);
    telemetry.observe(&settled.settled());
    assert!(telemetry.metrics().contains("team_id=\"a\\\"\\\\b\""), "{}", telemetry.metrics());
}

#[test]
fn the_exposition_can_be_parsed() {
    let (telemetry, live) = (telemetry(), live());
    telemetry.publish(&live);
    telemetry.pools(0, vec![(live.snapshot.backends[0].id.clone(), PoolCounts::default())]);
    telemetry.reloaded(Reload {
        unix_ms: 5,
        took: std::time::Duration::from_millis(3),
        problems: vec!["line\nbreak".to_owned()],
    });
    telemetry.observe(&request(&live).asks("gpt-4o-mini").answered(0, 200).served("m", [1, 2]).settled());
    check_exposition(&telemetry.metrics());
}

/// The rules of the text format: each family is announced once, before its samples, and they stand together;
/// buckets go up and end with the count.
fn check_exposition(text: &str) {
    let (mut seen, mut family, mut kind, mut bucket) = (Vec::new(), "", "", 0.0);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split_once(' ').expect("help has a text").0;
            assert!(!seen.contains(&family), "{family} comes twice");
            seen.push(family);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, word) = rest.split_once(' ').expect("a type has a word");
            assert_eq!(name, family);
            assert!(["counter", "gauge", "histogram"].contains(&word));
            assert_eq!(word == "counter", name.ends_with("_total"), "{name}");
            kind = word;
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
            let value: f64 = value.parse().expect("a value is a number");
            let name = series.split('{').next().expect("a split has a first part");
            let labels = series[name.len()..].trim_start_matches('{').trim_end_matches('}');
            assert!(labels.is_empty() || labels.split("\",").all(|label| label.contains("=\"")), "{line}");
            match (kind, name.strip_prefix(family)) {
                ("histogram", Some("_bucket")) => {
                    bucket = if labels.contains("le=\"+Inf\"") { value } else { value.max(0.0) };
                }
                ("histogram", Some("_count")) => assert_eq!(value, bucket),
                ("histogram", Some("_sum")) | ("counter" | "gauge", Some("")) => {}
                other => panic!("{other:?} in {line}"),
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}

#[test]
fn a_json_line_says_everything_of_a_chat_that_failed_over() {
    let line = logged(LogFormat::Json, |telemetry| {
        let live = live();
        let settled = request(&live)
            .header("agent-session-id", b"s-1")
            .asks("gpt-4o-mini")
            .fails(0, Failure::Tls("certificate expired".to_owned()))
            .answered(1, 200)
            .served("claude-opus", [12, 34])
            .streamed();
        telemetry.observe(&settled.settled());
    });
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    expect_file!["../tests/golden/access-log.json"].assert_eq(&serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn a_text_line_reads_from_left_to_right() {
    let lines = logged(LogFormat::Text, |telemetry| {
        let live = live();
        let good = request(&live).asks("gpt-4o-mini").fails(0, Failure::Reset).answered(1, 200);
        telemetry.observe(&good.served("claude-opus", [12, 34]).streamed().settled());
        telemetry.observe(&request(&live).ends(End::Refused(Refusal::NoModel("gpt-9".into()))).settled());
    });
    expect![[r#"
        2026-11-21T08:00:00.123Z 200 POST /v1/chat/completions 120ms (first token 20.0ms) default/chat/0 → default/openai@provider.test:443 (reset) → default/claude@provider.test:443 (200) gpt-4o-mini → claude-opus 12 in 34 out total=42 r-1
        2026-11-21T08:00:00.123Z 404 POST /v1/chat/completions 120ms default/gw/http total=42 NotFound: model gpt-9 is not configured in the gateway; GET /v1/models lists what is [NR] r-1
    "#]].assert_eq(&lines);
}

#[test]
fn no_line_holds_a_credential_or_breaks_into_two() {
    for format in [LogFormat::Json, LogFormat::Text] {
        let lines = logged(format, |telemetry| {
            let live = live();
            let mut asked = request(&live)
                .header("authorization", b"Bearer sk-1")
                .header("cookie", b"sk-2")
                .header("x-api-key", b"sk-3")
                .header("user-agent", b"a\tb\xff\"c");
            asked.record.head.uri =
                "/v1/chat/completions?key=sk-4&api_key=sk-5&access_token=sk-6".parse().unwrap();
            asked.record.request_id = "id\u{9b}31m\"\\".to_owned();
            let quoting = Failure::Reply(tollgate_llm::Fault::ErrorInReply("bad key sk-7".to_owned()));
            telemetry.observe(&asked.ends(End::Refused(Refusal::Upstream(quoting))).settled());
        });
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(!lines.contains("sk-"), "{lines}");
        assert!(!lines.trim_end().chars().any(char::is_control) || format == LogFormat::Json, "{lines:?}");
        if format == LogFormat::Json {
            serde_json::from_str::<serde_json::Value>(&lines).unwrap();
        }
    }
}

#[test]
fn a_backend_that_is_ejected_shows_as_such() {
    let (telemetry, live) = (telemetry(), live());
    telemetry.publish(&live);
    live.health[1].rests(crate::health::unix_ms(), std::time::Duration::from_secs(60));
    let shown = shown(&telemetry, &["tollgate_backend_ejected"]);
    assert_eq!(shown, "tollgate_backend_ejected{backend=\"default/claude\"} 1\n");
}

#[test]
fn a_backend_under_two_policies_is_one_series() {
    let telemetry = telemetry();
    let backends =
        vec![backend(0, "default/one", ApiSchema::OpenAi), backend(1, "default/one", ApiSchema::OpenAi)];
    let live = Arc::new(Live::new(Snapshot { backends, ..Snapshot::default() }, None));
    telemetry.publish(&live);
    for health in &live.health {
        health.rests(crate::health::unix_ms(), std::time::Duration::from_secs(60));
    }
    let series = "tollgate_backend_ejections_total{";
    assert_eq!(shown(&telemetry, &[series]), "tollgate_backend_ejections_total{backend=\"default/one\"} 2\n");
}

#[test]
fn pools_of_all_cores_are_added_up_until_they_are_gone() {
    let (telemetry, live) = (telemetry(), live());
    let pool = |open| (live.snapshot.backends[0].id.clone(), PoolCounts { open, idle: 0, pending: 0 });
    telemetry.pools(0, vec![pool(1)]);
    telemetry.pools(1, vec![pool(2)]);
    let name = "tollgate_pool_connections_open{backend=\"default/openai\"}";
    assert_eq!(shown(&telemetry, &[name]), format!("{name} 3\n"));
    telemetry.pools(0, Vec::new());
    assert_eq!(shown(&telemetry, &[name]), format!("{name} 2\n"));
}

#[test]
fn a_token_that_cannot_be_had_is_counted_until_it_is_there() {
    let telemetry = telemetry();
    let state = CredentialState { name: "default/azure t/c".to_owned(), ..CredentialState::default() };
    assert_eq!(shown(&telemetry, &["tollgate_credential_"]), "");
    telemetry.credentials(vec![CredentialState {
        failures: 3,
        error: Some("it refuses: invalid_client".to_owned()),
        ..state.clone()
    }]);
    let failing = "tollgate_credential_failures{credential=\"default/azure t/c\"} 3\n";
    assert_eq!(shown(&telemetry, &["tollgate_credential_"]), failing);
    let problems = ["default/azure t/c: it refuses: invalid_client; there is no token"];
    assert_eq!(telemetry.credentials.problems(), problems);
    telemetry.credentials(vec![CredentialState { held: true, expires: Some(1_700_000_000), ..state }]);
    let series = "tollgate_credential_expiry_timestamp_seconds{credential=\"default/azure t/c\"}";
    assert_eq!(shown(&telemetry, &[series]), format!("{series} 1700000000\n"));
    assert!(telemetry.credentials.problems().is_empty());
}

#[test]
fn what_was_removed_is_scraped_once_more_and_then_forgotten() {
    let (telemetry, old) = (telemetry(), live());
    telemetry.publish(&old);
    let lasting = request(&old).asks("gpt-4o-mini").answered(0, 200).settled();
    telemetry.observe(&request(&old).asks("gpt-4o-mini").answered(0, 200).settled());
    let empty = Arc::new(Live::new(Snapshot::default(), Some(&old)));
    telemetry.publish(&empty);
    drop(old);
    let names =
        ["tollgate_route_requests_total", "tollgate_backend_requests_total", "tollgate_requests_total"];
    let _ = telemetry.metrics();
    assert_eq!(shown(&telemetry, &names).lines().count(), 3, "a request under way may still count");
    telemetry.observe(&lasting);
    drop(lasting);
    telemetry.pools(0, Vec::new());
    let last = shown(&telemetry, &names);
    assert!(last.lines().count() == 3 && last.lines().all(|line| line.ends_with(" 2")), "{last}");
    assert_eq!(shown(&telemetry, &names), "");
}

#[test]
fn a_route_that_stays_keeps_its_count_though_nobody_asked_for_it_since() {
    let (telemetry, old) = (telemetry(), live());
    telemetry.publish(&old);
    telemetry.observe(&request(&old).asks("gpt-4o-mini").answered(0, 200).settled());
    let new = live();
    telemetry.publish(&new);
    drop(old);
    telemetry.pools(0, Vec::new());
    let _ = telemetry.metrics();
    telemetry.observe(&request(&new).asks("gpt-4o-mini").answered(0, 200).settled());
    let shown = shown(&telemetry, &["tollgate_route_requests_total"]);
    assert!(shown.ends_with(" 2\n"), "{shown}");
}

/// What a test of another module may rely on: a table outlives neither its snapshot nor its bound.
#[test]
fn many_reloads_leave_few_tables_behind() {
    let telemetry = telemetry();
    let kept: Vec<Arc<Live>> = (0..20).map(|_| live()).collect();
    for live in &kept {
        telemetry.observe(&request(live).answered(0, 200).settled());
    }
    let shown = shown(&telemetry, &["tollgate_requests_total"]);
    assert!(shown.ends_with(" 20\n"), "{shown}");
}

/// `cargo test --release -p tollgate-telemetry --lib -- --ignored --nocapture`
#[test]
#[ignore = "prints how long observing takes; asserts nothing"]
fn bench_of_observe() {
    let settled = |live: &Arc<Live>| {
        let chat = request(live).asks("gpt-4o-mini").answered(0, 200).served("gpt-4o-mini-2024", [12, 34]);
        chat.streamed().settled()
    };
    let time = |telemetry: &Telemetry, live: &Arc<Live>, what: &str| {
        const ROUNDS: u32 = 50_000;
        let settled = settled(live);
        telemetry.publish(live);
        telemetry.observe(&settled);
        let began = std::time::Instant::now();
        for _ in 0..ROUNDS {
            telemetry.observe(&settled);
        }
        println!("{what}: {:?} each", began.elapsed() / ROUNDS);
    };
    time(&telemetry(), &live(), "metrics");
    logged(LogFormat::Json, |telemetry| time(telemetry, &live(), "metrics and JSON log"));
    logged(LogFormat::Text, |telemetry| time(telemetry, &live(), "metrics and text log"));
    let rule = AccessLogRule {
        scope: LogScope::All,
        filters: Vec::new(),
        format: Format::default(),
        files: vec!["/dev/null".into()],
        collectors: Vec::new(),
    };
    let live = live_logging(Some(Arc::new(AccessLogSettings::new(vec![rule]))));
    time(&telemetry(), &live, "metrics and Envoy Gateway's default line");
}
