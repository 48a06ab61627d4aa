use std::{fs, sync::Arc};

use tollgate_auth::{Expression, Root};
use tollgate_core::{End, Failure, Refusal};
use tollgate_snapshot::{AccessLogRule, AccessLogSettings, Format, LogScope};

use super::*;
use crate::{
    HeaderAttributes,
    testing::{self, live_logging, request},
};

fn attributes() -> HeaderAttributes {
    HeaderAttributes::from_env(&|_| None).unwrap()
}

fn line(format: &Format, settled: &Settled) -> String {
    let mut out = Vec::new();
    let attributes = attributes();
    let mut clock = Clock::default();
    Lines { settled, attributes: &attributes.log, clock: &mut clock }.write(format, &mut out);
    String::from_utf8(out).unwrap()
}

fn text(format: &str, settled: &Settled) -> String {
    line(&Format::parse(format).unwrap(), settled).trim_end_matches('\n').to_owned()
}

fn chat() -> testing::Request {
    request(&testing::live()).asks("gpt-4o-mini").answered(0, 200).served("gpt-4o-mini-2024", [12, 34])
}

#[test]
fn envoys_default_text_line_reads_as_envoys() {
    let format = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%""#;
    let wanted = r#"[2026-11-21T08:00:00.123Z] "POST /v1/chat/completions HTTP/1.1" 200 - 100 200 120 10 "-" "test/1" "r-1" "gw.test" "provider.test:443""#;
    assert_eq!(text(format, &chat().settled()), wanted);
}

#[test]
fn json_keeps_types_and_writes_null_for_what_is_missing() {
    let format = Format::json([
        ("duration", "%DURATION%"),
        ("code", "code %RESPONSE_CODE%"),
        ("tokens", "%DYNAMIC_METADATA(io.envoy.ai_gateway:total)%"),
        ("missing", "%REQ(X-MISSING)%"),
        ("mixed", "<%REQ(X-MISSING)%>"),
        ("agent", "%REQ(USER-AGENT):4%"),
        ("plain", "text"),
    ]);
    let wanted = r#"{"duration":120,"code":"code 200","tokens":42,"missing":null,"mixed":"<->","agent":"test","plain":"text"}"#;
    assert_eq!(line(&format.unwrap(), &chat().settled()), format!("{wanted}\n"));
}

#[test]
fn the_default_line_is_json_with_envoy_gateways_names() {
    let written = line(&Format::default(), &chat().settled());
    let line: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(line["x-envoy-origin-path"], "/v1/chat/completions");
    assert_eq!(line["response_code_details"], "via_upstream");
    assert_eq!(line["upstream_local_address"], serde_json::Value::Null);
    assert_eq!(line["route_name"], "default/chat/0");
}

#[test]
fn metadata_of_the_ai_gateway_is_there() {
    let settled = chat().header("agent-session-id", b"s-1").streamed().settled();
    let get = |key: &str| text(&format!("%DYNAMIC_METADATA(io.envoy.ai_gateway:{key})%"), &settled);
    assert_eq!(get("total"), "42");
    assert_eq!(get("model_name_override"), "gpt-4o-mini");
    assert_eq!(get("ai_service_backend_name"), "default/openai");
    assert_eq!(get("response_model"), "gpt-4o-mini-2024");
    assert_eq!(get("token_latency_ttft"), "20");
    assert_eq!(get("token_latency_itl"), "3");
    assert_eq!(get("session.id"), "s-1");
    assert_eq!(get("unknown"), "-");
    let all = text("%DYNAMIC_METADATA(io.envoy.ai_gateway)%", &settled);
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all["total"], 42);
}

#[test]
fn a_path_that_was_rewritten_shows_both() {
    let mut chat = chat();
    chat.record.attempts[0].path = Some("/v1/other?x=1".parse().unwrap());
    let settled = chat.settled();
    assert_eq!(text("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", &settled), "/v1/chat/completions");
    assert_eq!(text("%REQ(:PATH)% %REQ_WITHOUT_QUERY(:PATH)%", &settled), "/v1/other?x=1 /v1/other");
}

#[test]
fn credentials_are_not_shown() {
    let mut chat = chat().header("authorization", b"Bearer sk-1").header("x-api-key", b"sk-2");
    chat = chat.header("x-aigw-api-key", b"sk-4").header("x-own-secret-access-key", b"sk-5");
    chat.record.attempts.clear();
    chat.record.head.uri = "/v1/models?key=sk-3".parse().unwrap();
    let settled = chat.settled();
    let written = text("%REQ(AUTHORIZATION)% %REQ(X-API-KEY)% %REQ(COOKIE)% %REQ(:PATH)%", &settled);
    assert_eq!(written, "*** *** - /v1/models?key=***");
    assert_eq!(text("%REQ(X-AIGW-API-KEY)% %REQ(X-OWN-SECRET-ACCESS-KEY)%", &settled), "*** ***");
}

#[test]
fn nothing_that_a_client_sends_ends_a_line() {
    let settled = chat().header("x-evil", b"a\xffb\tc\x85\"").settled();
    let written = text("%REQ(X-EVIL)%", &settled);
    assert!(!written.chars().any(char::is_control), "{written:?}");
    let format = Format::json([("evil", "<%REQ(X-EVIL)%>")]).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line(&format, &settled)).unwrap();
    assert_eq!(line["evil"], "<a\u{fffd}b\tc\u{fffd}\">");
}

#[test]
fn a_length_cuts_no_character_in_half() {
    let settled = chat().header("x-name", "añb".as_bytes()).settled();
    assert_eq!(
        text("%REQ(X-NAME):2%|%REQ(X-NAME):3%|%REQ(X-NAME):9%|%DURATION:2%|", &settled),
        "a|añ|añb|12|"
    );
}

#[test]
fn times_are_written_as_asked() {
    let settled = chat().settled();
    assert_eq!(text("%START_TIME(%Y/%m/%dT%H:%M:%S%z %s)%", &settled), "2026/11/21T08:00:00+0000 1795248000");
    assert_eq!(text("%START_TIME(%s.%3f)%", &settled), "1795248000.123");
    assert_eq!(text("%START_TIME(%H:%M:%E6S)%", &settled), "08:00:00.123000");
}

#[test]
fn a_failure_has_flags_and_reasons() {
    let failure = Failure::Connect("refused".to_owned());
    let end = End::Refused(Refusal::Upstream(failure.clone()));
    let settled = request(&testing::live()).asks("gpt-4o-mini").fails(0, failure).ends(end).settled();
    let format = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %UPSTREAM_TRANSPORT_FAILURE_REASON%";
    assert_eq!(text(format, &settled), "503 UF UpstreamConnectionFailure connection failure: refused");
    assert_eq!(text("%RESPONSE_DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%", &settled), "- -");
    assert_eq!(text("%RESPONSE_TX_DURATION% %RESPONSE_DURATION%", &chat().settled()), "110 10");
}

#[test]
fn addresses_come_whole_and_in_parts() {
    let mut chat = chat();
    let whole =
        "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%";
    chat.record.client_ip = [203, 0, 113, 9].into();
    let settled = chat.settled();
    assert_eq!(text(whole, &settled), "203.0.113.9:0 203.0.113.9 0");
    assert_eq!(
        text("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_PORT%", &settled),
        "192.0.2.1:5000 80"
    );
    assert_eq!(
        text("%UPSTREAM_HOST_NAME_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%", &settled),
        "provider.test 443"
    );
}

#[test]
fn expressions_stand_in_lines_and_show_no_credentials() {
    let settled = chat().settled();
    let said = |source: &str| text(&format!("%CEL({source})%"), &settled);
    assert_eq!(said("request.method == 'POST' ? 'write' : 'read'"), "write");
    assert_eq!(said("response.code / 100"), "2");
    assert_eq!(said("metadata.filter_metadata['io.envoy.ai_gateway'].total"), "42");
    assert_eq!(said("request.headers['x-missing']"), "-");
    let format = Format::json([
        ("text", "%CEL(response.code)%"),
        ("own", "%TYPED_CEL(response.code)%"),
        ("list", "%TYPED_CEL([request.method, 1.5, true])%"),
        ("missing", "%CEL(request.headers['x-missing'])%"),
    ]);
    let wanted = r#"{"text":"200","own":200,"list":["POST",1.5,true],"missing":null}"#;
    assert_eq!(line(&format.unwrap(), &settled), format!("{wanted}\n"));
    let settled = chat().header("authorization", b"Bearer sk-1").settled();
    assert_eq!(text("%CEL(request.headers['authorization'])%", &settled), "***");
}

fn rule(scope: LogScope, filters: &[&str], path: &str) -> AccessLogRule {
    AccessLogRule {
        scope,
        filters: filters.iter().map(|filter| Expression::condition(filter, &Root::ALL).unwrap()).collect(),
        format: Format::parse("%RESPONSE_CODE%").unwrap(),
        files: vec![path.into()],
        collectors: Vec::new(),
    }
}

#[test]
fn a_log_is_about_what_its_scope_and_one_of_its_filters_let_through() {
    let wanted = |scope, filters: &[&str], settled: &Settled| {
        let attributes = attributes();
        let mut clock = Clock::default();
        let lines = Lines { settled, attributes: &attributes.log, clock: &mut clock };
        lines.wanted_by(&rule(scope, filters, "/dev/null"))
    };
    let (routed, lost) = (chat().settled(), request(&testing::live()).settled());
    assert!(wanted(LogScope::Routed, &[], &routed) && !wanted(LogScope::Routed, &[], &lost));
    assert!(wanted(LogScope::Unrouted, &[], &lost) && !wanted(LogScope::Unrouted, &[], &routed));
    let filter = |source: &str| wanted(LogScope::All, &[source], &routed);
    assert!(filter("response.code == 200 && request.method == 'POST'"));
    assert!(filter("request.headers['user-agent'].startsWith('test/')"));
    assert!(!filter("request.headers['x-missing'] == 'a'"));
    assert!(filter("!('x-missing' in request.headers)"));
    assert!(filter("metadata.filter_metadata['io.envoy.ai_gateway']['total'] > 41"));
    assert!(filter("xds.route_name == 'default/chat/0' && upstream.request_attempt_count == 1"));
    assert!(filter("response.code_details == 'via_upstream' && source.port == 5000"));
    assert!(filter("request.duration > duration('100ms') && request.duration < duration('1s')"));
    assert!(filter("request.time > timestamp('2026-11-21T08:00:00Z')"));
    assert!(wanted(LogScope::All, &["false", "true"], &routed));
}

#[test]
fn logs_of_a_listener_take_the_place_of_the_processs_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (all, errors) = (path("all"), path("errors"));
    let settings = AccessLogSettings::new(vec![
        rule(LogScope::All, &[], &all),
        rule(LogScope::All, &["response.code >= 400"], &errors),
    ]);
    let live = live_logging(Some(Arc::new(settings)));
    let own = testing::logged(crate::LogFormat::Json, |telemetry| {
        telemetry.publish(&live);
        telemetry.observe(&request(&live).asks("gpt-4o-mini").answered(0, 200).settled());
        telemetry.observe(&request(&live).asks("gpt-4o-mini").answered(0, 404).settled());
        telemetry.flush(std::time::Duration::from_secs(5));
    });
    assert_eq!(own, "");
    assert_eq!(fs::read_to_string(all).unwrap(), "200\n404\n");
    assert_eq!(fs::read_to_string(errors).unwrap(), "404\n");
}

#[test]
fn a_reload_moves_the_log_and_closes_the_old_file_once_its_requests_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (old, new) = (path("old"), path("new"));
    let live = |path: &str| {
        live_logging(Some(Arc::new(AccessLogSettings::new(vec![rule(LogScope::All, &[], path)]))))
    };
    testing::logged(crate::LogFormat::Json, |telemetry| {
        let first = live(&old);
        telemetry.publish(&first);
        let late = request(&first).answered(0, 200).settled();
        drop(first);
        let second = live(&new);
        telemetry.publish(&second);
        telemetry.observe(&request(&second).answered(0, 201).settled());
        telemetry.observe(&late);
        drop(late);
        telemetry.flush(std::time::Duration::from_secs(5));
        let third = live(&old);
        telemetry.publish(&third);
        telemetry.observe(&request(&third).answered(0, 202).settled());
        telemetry.flush(std::time::Duration::from_secs(5));
    });
    assert_eq!(fs::read_to_string(old).unwrap(), "200\n202\n");
    assert_eq!(fs::read_to_string(new).unwrap(), "201\n");
}
