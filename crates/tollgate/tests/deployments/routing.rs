//! What goes where: routing/, backends/ and the OpenAI API in gateway/.
use std::process::Command;

use crate::{
    gateway::{self, Ask},
    tenants::{AI, Changes, HOST, SKLEARN, Tenants, asked, chat, predict},
};

#[test]
fn the_check_has_nothing_to_say() {
    for folder in ["deploy/multi-tenant", "examples/token-limited-azure"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        let output = command.arg("check").arg(gateway::folder(folder)).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("warning[") && !said.contains("error["), "{said}");
    }
}

#[test]
fn a_models_verbs_and_its_readiness_reach_it_under_its_own_name() {
    let all = Tenants::start();
    let token = all.token("tenant-a");
    let answer = all.predict(SKLEARN, &token);
    assert_eq!((answer.status, &*answer.body), (200, r#"{"predictions":[0]}"#));
    assert_eq!(all.predict("/v1/models/sklearn-iris:explain", &token).status, 200);
    assert_eq!(all.ask(&Ask::get(HOST, "/v1/models/sklearn-iris").bearer(&token)).status, 200);
    let seen = asked(&all.sklearn, SKLEARN).pop().unwrap();
    assert_eq!(seen.header("host"), Some("sklearn-iris-predictor-default.tenant-a.svc.cluster.local"));
    assert_eq!(seen.header("x-tenant"), Some("tenant-a"));
    assert_eq!(seen.header("x-gateway"), Some("ai-gateway"));
}

#[test]
fn everything_else_goes_to_the_mesh_under_its_name() {
    let all = Tenants::start();
    let token = all.token("tenant-b");
    for path in ["/elsewhere", "/v1/models/sklearn-iris-2:predict", "/v1/models/sklearn-irises"] {
        let ask = predict(path).with("x-forwarded-by", "me");
        // A host by which the mesh would find a model.
        let ask = Ask { host: "sklearn-iris-predictor-default.tenant-a.svc.cluster.local", ..ask };
        all.ask(&ask.bearer(&token));
        let seen = asked(&all.mesh, path).pop().unwrap_or_else(|| panic!("{path} did not reach the mesh"));
        assert_eq!(seen.header("host"), Some("istio-ingressgateway.istio-system.svc.cluster.local"));
        assert_eq!(seen.header("x-forwarded-by"), Some("ai-gateway"));
        assert_eq!(seen.header("x-tenant"), Some("tenant-b"));
    }
    assert!(asked(&all.sklearn, SKLEARN).is_empty());
}

#[test]
fn the_openai_api_reaches_a_model_where_kserve_has_it() {
    let all = Tenants::start();
    let answer = all.chat("sklearn-iris", &all.token("tenant-a"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let reply: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert!(reply["usage"]["total_tokens"].as_u64().is_some_and(|total| total > 0), "{reply:#}");
    assert_eq!(answer.header("x-simulator-instance"), Some("tenant-a"));
    assert_eq!(asked(&all.sklearn, "/openai/v1/chat/completions").len(), 1);
}

#[test]
fn a_model_that_nobody_owns_is_asked_of_the_mesh_by_those_who_have_models() {
    let all = Tenants::start();
    for (tenant, status) in [("tenant-a", 200), ("tenant-b", 403), ("tenant-c", 200)] {
        assert_eq!(all.chat("shared", &all.token(tenant)).status, status, "{tenant}");
    }
    assert_eq!(asked(&all.mesh, "/v1/chat/completions").len(), 2);
}

#[test]
fn what_is_no_request_of_the_schema_is_refused_before_a_model_sees_it() {
    let all = Tenants::start();
    let token = all.token("tenant-a");
    for body in ["", "{", "[]", r#"{"messages":[]}"#, r#"{"model":7,"messages":[]}"#] {
        let answer = all.ask(&Ask::post(AI, "/v1/chat/completions", body).bearer(&token));
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    assert_eq!(asked(&all.sklearn, "/openai/v1/chat/completions").len(), 0);
}

#[test]
fn models_are_listed_for_those_who_are_let_in() {
    let all = Tenants::start();
    let answer = all.ask(&Ask::get(AI, "/v1/models").bearer(&all.token("tenant-a")));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains("sklearn-iris") && answer.body.contains("pytorch-resnet"), "{answer:?}");
}

#[test]
fn it_serves_without_its_telemetry() {
    let all = Tenants::with(&Changes {
        file: &|file, text| (!file.starts_with("observability/")).then_some(text),
        ..Changes::default()
    });
    assert_eq!(all.predict(SKLEARN, &all.token("tenant-a")).status, 200);
}

#[test]
fn objects_that_come_out_of_order_serve_once_all_are_there() {
    let late = ["security/jwt-security-policy.yaml", "backends/backends.yaml"];
    let all = Tenants::with(&Changes {
        file: &|file, text| Some(if late.contains(&file) { String::new() } else { text }),
        ..Changes::default()
    });
    let token = all.token("tenant-a");
    assert_eq!(all.predict(SKLEARN, &token).status, 500);
    for file in late {
        let whole = std::fs::read_to_string(gateway::folder("deploy/multi-tenant").join(file)).unwrap();
        all.rewrite(file, |_| whole);
        all.gateway.wait_for("resources changed and serve");
    }
    assert_eq!(all.predict(SKLEARN, &token).status, 200);
    assert_eq!(all.ask(&chat("sklearn-iris").bearer(&token)).status, 200);
}
