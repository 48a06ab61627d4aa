//! How much each may use: policies/rate-limiting.yaml.
use tollgate_simulate::{Behaviour, Grant};

use crate::tenants::{SKLEARN, Tenants};

/// Answers 200 so often before the first 429. A window may end in between, so that up to twice the limit may pass.
fn passed(mut status: impl FnMut() -> u16, limit: usize) -> usize {
    for count in 0..=2 * limit {
        match status() {
            200 => {}
            429 => return count,
            other => panic!("{other} after {count}"),
        }
    }
    panic!("nothing was refused");
}

#[test]
fn a_model_has_ten_thousand_tokens_an_hour() {
    let all = Tenants::start();
    let (a, c) = (all.token("tenant-a"), all.token("tenant-c"));
    all.sklearn.next(0, Behaviour { tokens: Some(4000), ..Behaviour::default() });
    // The one that goes over the limit is answered still, and the next is not.
    let passed = passed(|| all.chat("sklearn-iris", &a).status, 3);
    assert!((3..=6).contains(&passed), "{passed}");
    let refused = all.chat("sklearn-iris", &a);
    assert_eq!(refused.status, 429, "{refused:?}");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{refused:?}");
    assert!(serde_json::from_str::<serde_json::Value>(&refused.body).is_ok(), "{refused:?}");
    // Predictions say nothing of tokens, and the other model has its own.
    assert_eq!(all.predict(SKLEARN, &a).status, 200);
    assert_eq!(all.chat("pytorch-resnet", &c).status, 200);
}

#[test]
fn a_tenant_has_a_hundred_requests_a_minute_over_all_routes() {
    let all = Tenants::start();
    let token = all.token("tenant-a");
    let mut count = 0;
    let passed = passed(
        || {
            count += 1;
            if count % 2 == 0 { all.predict(SKLEARN, &token) } else { all.chat("sklearn-iris", &token) }
                .status
        },
        100,
    );
    assert!((100..=200).contains(&passed), "{passed}");
    let other = all.predict("/v1/models/pytorch-resnet:predict", &all.token("tenant-c"));
    assert_eq!(other.status, 200, "{other:?}");
}

#[test]
fn another_name_in_the_header_is_no_other_counter() {
    let all = Tenants::start();
    // Two users of one tenant share its limit, whatever tenant they say they are.
    let users = ["ada", "bob"].map(|subject| {
        all.grant(&Grant { tenant: "tenant-a".into(), subject: subject.into(), ..Grant::default() })
    });
    let mut count = 0;
    let passed = passed(
        || {
            count += 1;
            let ask = crate::tenants::predict(SKLEARN).with("x-tenant", format!("tenant-{count}"));
            all.ask(&ask.bearer(&users[count % 2])).status
        },
        100,
    );
    assert!((100..=200).contains(&passed), "{passed}");
}

#[test]
fn a_reply_says_what_is_left() {
    let all = Tenants::start();
    let answer = all.predict(SKLEARN, &all.token("tenant-a"));
    let number = |name| answer.header(name).and_then(|value| value.split(',').next()?.parse::<u64>().ok());
    assert_eq!(number("x-ratelimit-limit"), Some(100), "{answer:?}");
    assert_eq!(number("x-ratelimit-remaining"), Some(99), "{answer:?}");
    assert!(number("x-ratelimit-reset").is_some_and(|seconds| seconds <= 60), "{answer:?}");
}
