//! Several gateways that count together in one Redis.
use std::{fs, thread, time::Instant};

use tollgate_simulate::{Behaviour, Simulator};
use tollgate_testkit::{
    redis::Redis,
    resources::{GATEWAY, openai},
};

use crate::gateway::{Answer, Ask, Gateway, PATIENCE, Pending};

/// Three gateways, a provider, and where they count.
struct Three {
    gateways: [Gateway; 3],
    simulator: Simulator,
    redis: Redis,
    _folder: tempfile::TempDir,
}

/// A Gateway with the model `m`, and a policy.
fn resources(simulator: &Simulator, policy: &str) -> String {
    let openai = openai(simulator.address().port());
    format!(
        "{GATEWAY}{openai}apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: m}}
spec:
  parentRefs: [{{name: tollgate}}]
  rules:
    - matches: [{{headers: [{{name: x-ai-eg-model, type: Exact, value: m}}]}}]
      backendRefs: [{{name: openai}}]
  llmRequestCosts: [{{metadataKey: output, type: OutputToken}}]
---
{policy}"
    )
}

/// A budget for everybody, in windows that end during no test.
fn budget(amount: u32, cost: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {{name: budget}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: m}}]
  rateLimit: {{global: {{rules: [{{limit: {{requests: {amount}, unit: Year}}{cost}}}]}}}}
"
    )
}

fn quota(amount: u32) -> String {
    format!(
        "apiVersion: aigateway.envoyproxy.io/v1alpha1
kind: QuotaPolicy
metadata: {{name: quota}}
spec:
  targetRefs: [{{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}}]
  perModelQuotas: [{{modelName: m, quota: {{costExpression: output_tokens, defaultBucket: {{limit: {amount}, duration: 1d}}}}}}]
"
    )
}

fn body(stream: bool, tokens: u32) -> String {
    let message = r#"{"role":"user","content":"hello"}"#;
    format!(r#"{{"model":"m","stream":{stream},"max_tokens":{tokens},"messages":[{message}]}}"#)
}

// === impl Three ===

impl Three {
    /// `None` where there is no Redis to try it with.
    fn start(policy: &str) -> Option<Self> {
        let redis = Redis::start_or_skip()?;
        let simulator = Simulator::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.yaml");
        fs::write(&path, resources(&simulator, policy)).unwrap();
        let gateways = [(); 3].map(|()| {
            Gateway::start(&path, |command| {
                // A request that is not answered in time would pass: this machine may be slower than 20 ms.
                let patience = ["--redis-timeout", "20000", "--redis-outage", "closed"];
                command.args(["--redis-url", &redis.url(), "--access-log", "off"]).args(patience);
            })
        });
        Some(Self { gateways, simulator, redis, _folder: folder })
    }

    fn send(&self, gateway: usize, body: String) -> Pending {
        let port = self.gateways[gateway % 3].port(1975);
        Ask::post("localhost", "/v1/chat/completions", body).send(port)
    }

    fn ask(&self, gateway: usize, tokens: u32) -> Answer {
        self.send(gateway, body(false, tokens)).read()
    }

    /// Asks one gateway after the other until all of them refuse one after the other; how many passed.
    fn until_all_refuse(&self, tokens: u32) -> usize {
        let (mut passed, mut refused) = (0, 0);
        for turn in 0..100_000 {
            match self.ask(turn, tokens).status {
                200 => (passed, refused) = (passed + 1, 0),
                429 => refused += 1,
                other => panic!("{other}"),
            }
            if refused == 3 {
                return passed;
            }
        }
        panic!("it has no end");
    }

    /// Waits for something that the gateways tell each other in the background.
    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < PATIENCE, "never: {what}");
            thread::yield_now();
        }
    }

    /// What Redis has counted on its only key.
    fn counted(&self) -> u64 {
        let keys = self.redis.lines("KEYS *rule*").unwrap();
        let [key] = &keys[..] else { panic!("{keys:?}") };
        self.redis.lines(&format!("GET {key}")).unwrap().concat().parse().unwrap()
    }
}

#[test]
fn three_gateways_admit_as_many_requests_as_one() {
    let Some(three) = Three::start(&budget(50, "")) else { return };
    let at_once: Vec<_> = (0..180).map(|client| three.send(client, body(false, 9))).collect();
    let passed = at_once.into_iter().map(Pending::read).filter(|answer| answer.status == 200).count();
    println!("{passed} of 180 at once");
    assert!(passed <= 50, "{passed} of 180 at once");
    // What leases kept back comes free when they lie idle for a second.
    let mut turn = 0;
    three.until("all of it is used", || {
        turn += 1;
        three.ask(turn, 9);
        three.simulator.stats().requests >= 50
    });
    assert_eq!(three.until_all_refuse(9), 0, "{passed} at once");
    three.until("everything is counted", || three.counted() == 50);
}

#[test]
fn three_gateways_exceed_a_budget_of_tokens_by_one_reply_at_most() {
    let cost = ", cost: {request: {from: Number, number: 0}, response: {from: Metadata, metadata: {namespace: io.envoy.ai_gateway, key: output}}}";
    let Some(three) = Three::start(&budget(10_000, cost)) else { return };
    three.simulator.next(0, Behaviour { tokens: Some(300), rate: Some(3000.0), ..Behaviour::default() });
    let at_once: Vec<_> = (0..120).map(|client| three.send(client, body(true, 300))).collect();
    let answers: Vec<_> = at_once.into_iter().map(Pending::read).collect();
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(answers.iter().all(|answer| [200, 429].contains(&answer.status)), "{answers:?}");
    // 33 make 9,900, so that one more passes: 200 tokens too many of 10,000. Leases can keep some back for a while.
    println!("{passed} of 120 at once");
    assert!((20..=34).contains(&passed), "{passed} of 120 at once");
    let began = Instant::now();
    let mut all = passed;
    while all < 34 {
        assert!(began.elapsed() < PATIENCE, "{all} passed");
        all += three.until_all_refuse(300);
    }
    assert_eq!(all, 34);
    three.until("everything is charged", || three.counted() == 34 * 300);
}

#[test]
fn what_one_gateway_holds_of_a_quota_another_one_does_not_spend() {
    let Some(three) = Three::start(&quota(1000)) else { return };
    three.simulator.next(1, Behaviour { tokens: Some(2000), rate: Some(20.0), ..Behaviour::default() });
    let stream = three.send(0, body(true, 2000));
    three.until("the stream is under way", || three.simulator.stats().requests == 1);
    three.until("the others know", || three.ask(1, 5).status == 429 && three.ask(2, 5).status == 429);
    let refused = three.ask(1, 5);
    assert_eq!(refused.header("x-ratelimit-remaining"), Some("0"), "{refused:?}");
    assert_eq!(refused.header("x-ratelimit-limit"), Some("1000, 1000;w=86400"), "{refused:?}");
    drop(stream);
    three.until("it is given back", || three.ask(1, 5).status == 200 && three.ask(2, 5).status == 200);
}
