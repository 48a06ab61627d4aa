use std::{sync::Arc, time::Duration};

use http::{Request, header::ACCESS_CONTROL_ALLOW_ORIGIN};
use http_body_util::BodyExt;
use tollgate_core::{End, Failure, Refusal};

use super::*;
use crate::{
    Reload,
    testing::{live, request, telemetry},
};

fn admin() -> Admin {
    let config = |format| match format {
        ConfigFormat::Text => "text".to_owned(),
        ConfigFormat::Json => "{}".to_owned(),
    };
    Admin { telemetry: Arc::new(telemetry()), config: Box::new(config), names: vec!["gateway-7".to_owned()] }
}

fn call(admin: &Admin, method: Method, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = admin.answer(&request.body(()).unwrap().into_parts().0);
    assert!(!reply.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    assert!(reply.headers().contains_key(CONTENT_SECURITY_POLICY));
    let status = reply.status().as_u16();
    let mut body = reply.into_body();
    let frame = futures_util::FutureExt::now_or_never(body.frame()).unwrap();
    let bytes = frame.and_then(|frame| frame.unwrap().into_data().ok()).unwrap_or_default();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

fn get(admin: &Admin, path: &str) -> (u16, String) {
    call(admin, Method::GET, path, &[])
}

#[test]
fn it_is_ready_from_the_first_snapshot_until_it_drains() {
    let admin = admin();
    assert_eq!(get(&admin, "/readyz").0, 503);
    assert_eq!(get(&admin, "/healthz"), (200, "OK\n".to_owned()));
    admin.telemetry.publish(&live());
    assert_eq!(get(&admin, "/readyz").0, 200);
    admin.telemetry.draining();
    admin.telemetry.publish(&live());
    let (status, body) = get(&admin, "/readyz");
    assert_eq!((status, body.contains("\"phase\":\"draining\"")), (503, true), "{body}");
}

#[test]
fn counts_that_are_not_to_be_fetched_are_not_there_and_say_why() {
    let admin = admin();
    let mut hiding = live();
    Arc::get_mut(&mut hiding).unwrap().snapshot.settings.reports.metrics_hidden = true;
    admin.telemetry.publish(&hiding);
    let (status, body) = get(&admin, "/metrics");
    assert_eq!((status, body.contains("prometheus.disable")), (404, true), "{body}");
    admin.telemetry.publish(&live());
    assert_eq!(get(&admin, "/metrics").0, 200);
}

#[test]
fn a_failed_reload_is_told_and_leaves_it_ready() {
    let admin = admin();
    admin.telemetry.publish(&live());
    let problems = vec!["gw.yaml:3:1 Gateway default/gw: no listeners".to_owned()];
    admin.telemetry.reloaded(Reload { unix_ms: 7, took: Duration::ZERO, problems });
    let (status, body) = get(&admin, "/readyz");
    assert_eq!((status, body.contains("gw.yaml:3:1")), (200, true), "{body}");
    admin.telemetry.reloaded(Reload { unix_ms: 8, took: Duration::ZERO, problems: Vec::new() });
    assert!(!get(&admin, "/readyz").1.contains("last_reload_failed"));
}

#[test]
fn decisions_are_captured_as_often_as_asked_and_only_where_they_match() {
    let (admin, live) = (admin(), live());
    let observe = |model| {
        let settled = request(&live).asks(model).fails(0, Failure::Reset).answered(1, 200).settled();
        admin.telemetry.observe(&settled);
    };
    observe("gpt-4o-mini");
    let path = "/decisions?count=2&model=gpt%2D4o-mini&path=/v1/";
    assert_eq!(call(&admin, Method::POST, path, &[]).0, 202);
    for model in ["gpt-4o-mini", "another", "gpt-4o-mini", "gpt-4o-mini"] {
        observe(model);
    }
    let list: serde_json::Value = serde_json::from_str(&get(&admin, "/decisions").1).unwrap();
    assert_eq!((&list["awaited"], list["decisions"].as_array().unwrap().len()), (&0.into(), 2));
    let first = &list["decisions"][0];
    assert_eq!(first["source"], "AIGatewayRoute default/chat");
    assert_eq!(first["attempts"][0]["failure"], "connection termination");
    assert_eq!(first["attempts"][1]["began_ms"], 10.0);
}

#[test]
fn other_sites_cannot_arm_anything() {
    let admin = admin();
    let foreign = [("host", "127.0.0.1:1064"), ("origin", "https://evil.test")];
    assert_eq!(call(&admin, Method::POST, "/decisions?count=5", &foreign).0, 403);
    assert_eq!(call(&admin, Method::POST, "/decisions?count=x", &[]).0, 400);
    assert_eq!(call(&admin, Method::DELETE, "/decisions", &[]).0, 405);
    assert_eq!(call(&admin, Method::POST, "/metrics", &[]).0, 405);
    assert_eq!(get(&admin, "/nothing").0, 404);
}

#[test]
fn a_page_whose_name_was_bent_to_our_address_reads_nothing_private() {
    let admin = admin();
    let rebound = [("host", "evil.test:1064"), ("sec-fetch-site", "same-origin")];
    for path in ["/", "/state.json", "/config", "/decisions", "/console.js"] {
        let (status, body) = call(&admin, Method::GET, path, &rebound);
        assert_eq!((status, body.contains("DNS rebinding")), (403, true), "{path}");
    }
    assert_eq!(call(&admin, Method::POST, "/decisions", &rebound).0, 403);
    assert_eq!(call(&admin, Method::GET, "/config", &[("host", "gateway-7:1064")]).0, 200);
    for path in ["/metrics", "/healthz"] {
        assert_eq!(call(&admin, Method::GET, path, &rebound).0, 200, "{path}");
    }
}

#[test]
fn the_configuration_comes_as_text_or_json() {
    let admin = admin();
    assert_eq!(get(&admin, "/config").1, "text");
    assert_eq!(get(&admin, "/config?format=json").1, "{}");
    assert_eq!(call(&admin, Method::GET, "/config", &[("accept", "application/json")]).1, "{}");
}

#[test]
fn the_state_shows_what_serves_and_what_went_wrong() {
    let (admin, live) = (admin(), live());
    admin.telemetry.publish(&live);
    live.health[0].rests(crate::health::unix_ms(), Duration::from_secs(60));
    let good = request(&live).asks("gpt-4o-mini").answered(1, 200).served("claude-opus", [12, 34]);
    admin.telemetry.observe(&good.settled());
    let refused = End::Refused(Refusal::NoEndpoints);
    admin.telemetry.observe(&request(&live).asks("gpt-4o-mini").ends(refused).settled());
    let state: serde_json::Value = serde_json::from_str(&get(&admin, "/state.json").1).unwrap();
    assert_eq!(state["totals"]["requests"], 2);
    assert_eq!(state["totals"]["server_errors"], 1);
    assert_eq!(state["backends"][0]["standing"], "ejected");
    assert_eq!(state["backends"][1]["tokens_out"], 34);
    assert_eq!(state["rules"][0]["requests"], 2);
    assert_eq!(state["recent"][0]["detail"], "no healthy upstream");
}

/// The page in a real browser. `TOLLGATE_SCREENSHOT=<file>.png` keeps a picture of it.
#[test]
fn the_page_shows_the_state_in_a_browser() {
    let chromium = std::path::Path::new("/usr/bin/chromium");
    if !chromium.exists() {
        println!("skipped: there is no Chromium here");
        return;
    }
    let admin = Arc::new(busy());
    let (told, address) = std::sync::mpsc::channel();
    // Ends with the test's process.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            serve(listener, admin).await;
        });
    });
    let url = format!("http://{}/", address.recv().unwrap());
    let profile = tempfile::tempdir().unwrap();
    let browse = |output: &str| {
        let flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars \
                     --disable-background-networking --disable-component-update --disable-sync \
                     --window-size=1280,1100 --virtual-time-budget=6000";
        let out = std::process::Command::new(chromium)
            .args(flags.split_ascii_whitespace())
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args([output, &url])
            .output()
            .unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let page = browse("--dump-dom");
    for text in
        [">serving<", "default/claude", "ejected", "no healthy upstream", "&lt;img src=x&gt;", "gw.yaml:3:1"]
    {
        assert!(page.contains(text), "{text} is missing in {page}");
    }
    assert!(!page.contains("<img"), "{page}");
    if let Ok(file) = std::env::var("TOLLGATE_SCREENSHOT") {
        browse(&format!("--screenshot={file}"));
    }
}

/// A gateway with some traffic, good and bad.
fn busy() -> Admin {
    let (admin, live) = (admin(), live());
    let telemetry = &admin.telemetry;
    telemetry.publish(&live);
    live.health[0].rests(crate::health::unix_ms(), Duration::from_secs(60));
    for _ in 0..240 {
        telemetry.began(80);
        let good = request(&live).asks("gpt-4o-mini").fails(0, Failure::ConnectTimeout).answered(1, 200);
        telemetry.observe(&good.served("claude-opus", [1200, 340]).settled());
    }
    telemetry.began(80);
    let refused = End::Refused(Refusal::NoEndpoints);
    telemetry.observe(&request(&live).asks("gpt-4o-mini").ends(refused).settled());
    let injected = End::Refused(Refusal::NoModel("<img src=x>".into()));
    telemetry.observe(&request(&live).asks("<img src=x>").ends(injected).settled());
    let problems = vec!["gw.yaml:3:1 Gateway default/gw spec.listeners: at least one is needed".to_owned()];
    telemetry.reloaded(Reload { unix_ms: crate::testing::T0, took: Duration::from_millis(4), problems });
    admin
}
