//! What happens when a backend misbehaves: policies/rate-limiting.yaml.
use tollgate_simulate::{Behaviour, Rule};

use crate::tenants::{SKLEARN, Tenants, asked, predict, wait_for};

const READY: &str = "/v1/models/sklearn-iris";

fn failing(times: u32, status: u16) -> Rule {
    Rule { path: Some(":predict".into()), ..Rule::next(times, Behaviour::status(status)) }
}

#[test]
fn a_prediction_that_fails_is_tried_three_times_more() {
    for status in [500, 502, 503, 504] {
        let all = Tenants::start();
        let token = all.token("tenant-a");
        all.sklearn.add_rule(failing(3, status));
        let answer = all.predict(SKLEARN, &token);
        assert_eq!(answer.status, 200, "{status}: {answer:?}");
        assert_eq!(asked(&all.sklearn, SKLEARN).len(), 4);
        all.sklearn.add_rule(failing(4, status));
        assert_eq!(all.predict(SKLEARN, &token).status, status);
        assert_eq!(asked(&all.sklearn, SKLEARN).len(), 8);
        assert_eq!(all.predict(SKLEARN, &token).status, 200);
    }
}

#[test]
fn a_callers_own_mistake_is_not_tried_again() {
    let all = Tenants::start();
    all.sklearn.add_rule(failing(1, 404));
    assert_eq!(all.predict(SKLEARN, &all.token("tenant-a")).status, 404);
    assert_eq!(asked(&all.sklearn, SKLEARN).len(), 1);
}

#[test]
fn a_model_that_is_not_ready_gets_nothing_until_it_is() {
    let all = Tenants::start();
    let token = all.token("tenant-a");
    wait_for(&all.sklearn, READY, 1);
    let check = asked(&all.sklearn, READY).pop().unwrap();
    assert_eq!(check.header("host"), Some("sklearn-iris-predictor-default.tenant-a.svc.cluster.local"));
    assert_eq!(all.predict(SKLEARN, &token).status, 200);
    all.sklearn.add_rule(Rule { path: Some(READY.into()), ..Rule::next(0, Behaviour::status(503)) });
    // Three failures take it out; the fourth check shows that the third was noted.
    wait_for(&all.sklearn, READY, 4);
    let before = asked(&all.sklearn, SKLEARN).len();
    assert_eq!(all.predict(SKLEARN, &token).status, 503);
    assert_eq!(asked(&all.sklearn, SKLEARN).len(), before);
    // The other model is not concerned.
    assert_eq!(all.predict("/v1/models/pytorch-resnet:predict", &all.token("tenant-c")).status, 200);
    all.sklearn.clear_rules();
    // Two good ones bring it back, and two backends at this address are checked, each for itself.
    wait_for(&all.sklearn, READY, 6);
    assert_eq!(all.predict(SKLEARN, &token).status, 200);
}

#[test]
fn the_mesh_is_asked_for_its_health_on_its_status_port() {
    let all = Tenants::start();
    let token = all.token("tenant-b");
    assert_eq!(all.ask(&predict("/v1/models/shared:predict").bearer(&token)).status, 200);
}

#[test]
fn a_hundred_connections_and_fifty_waiting_are_enough() {
    let all = Tenants::start();
    let path = "/v1/models/shared:predict";
    let slow = Behaviour { header_delay_ms: Some(4000), ..Behaviour::default() };
    all.mesh.add_rule(Rule { path: Some(path.into()), ..Rule::next(0, slow) });
    let tokens = ["tenant-a", "tenant-b", "tenant-c"].map(|tenant| all.token(tenant));
    // Each tenant stays below its hundred requests a minute.
    let asks = (0..240).map(|number| predict(path).bearer(&tokens[number % 3]));
    let pending: Vec<_> = asks.map(|ask| all.send(&ask)).collect();
    let answers: Vec<_> = pending.into_iter().map(|pending| pending.read()).collect();
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(
        (count(200), count(503)),
        (150, 90),
        "{:?}",
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>()
    );
    let refused = answers.iter().find(|answer| answer.status == 503).unwrap();
    assert!(refused.body.contains("overflow"), "{refused:?}");
}
