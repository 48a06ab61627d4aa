//! What clients see, and what is charged, when a part of the whole goes down, changes, is slow or is asked too much.

use std::collections::BTreeMap;

use tokio::{net::UnixListener, task::JoinSet};
use tollgate_core::End;
use tollgate_simulate::Behaviour;

use crate::{
    client::{self, Open},
    stand::{Setup, Stand},
};

const WHOLE: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

fn slow(tokens: u32) -> Behaviour {
    Behaviour { rate: Some(10.0), tokens: Some(tokens), ..Behaviour::default() }
}

#[tokio::test]
async fn a_crash_of_envoy_settles_each_of_its_requests_once() {
    let Some(mut stand) = Stand::start(Setup::default()).await else { return };
    stand.openai.next(3, slow(500));
    let mut open = Vec::new();
    for _ in 0..3 {
        let request = client::request("POST", "/v1/chat/completions", STREAM);
        open.push(Open::send(stand.port, &request).await.unwrap());
    }
    for one in &mut open {
        one.until("jumps").await;
    }
    stand.kill_envoy().await;
    for _ in 0..3 {
        let settled = stand.settled().await;
        assert_eq!(settled.end, End::ClientGone);
        assert!(settled.costs.iter().any(|(key, cost)| &**key == "llm_output_token" && *cost >= 5));
    }
    assert!(stand.nothing_more_settled().await);
}

#[tokio::test]
async fn a_crash_of_the_processor_breaks_what_is_under_way_and_nothing_later() {
    let Some(mut stand) = Stand::start(Setup::default()).await else { return };
    stand.openai.next(1, slow(500));
    let request = client::request("POST", "/v1/chat/completions", STREAM);
    let mut open = Open::send(stand.port, &request).await.unwrap();
    open.until("jumps").await;
    stand.stop_processor().await;
    let broken = open.rest().await;
    assert!(!broken.whole, "a broken reply never ends like a whole one: {broken:?}");
    assert_eq!(stand.settled().await.end, End::Drained);
    let logged = stand.logged().await;
    assert!(logged["metadata"]["llm_output_token"].as_u64().unwrap() >= 1, "what was told remains: {logged}");
    // Without a processor nothing passes: prompts without their key would go nowhere good.
    let refused = stand.chat(WHOLE).await;
    assert_eq!(refused.status, 500, "{refused:?}");
    assert!(stand.openai.last().len() == 1);
    stand.restart_processor().await;
    // Envoy dials again at its own pace.
    let mut reply = stand.chat(WHOLE).await;
    while reply.status == 500 {
        reply = stand.chat(WHOLE).await;
    }
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(stand.settled().await.end, End::Complete);
    assert!(stand.nothing_more_settled().await);
}

#[tokio::test]
async fn a_processor_that_is_restarted_between_two_attempts_is_not_missed() {
    let Some(mut stand) = Stand::start(Setup { apart: true, ..Setup::default() }).await else { return };
    // The upstream level is another process's, which comes to life with the second attempt.
    stand.openai.next(1, Behaviour { status: Some(503), header_delay_ms: Some(200), ..Behaviour::default() });
    let request = client::request("POST", "/v1/chat/completions", &WHOLE.replace("gpt-4o-mini", "assistant"));
    let mut open = Open::send(stand.port, &request).await.unwrap();
    crate::stand::wait(|| (!stand.openai.last().is_empty()).then_some(())).await;
    stand.restart_upstream().await;
    let reply = open.rest().await;
    assert_eq!((reply.status, reply.json()["model"].as_str()), (200, Some("claude-sonnet-4-5")), "{reply:?}");
    assert_eq!(stand.settled().await.end, End::Complete);
    assert!(stand.nothing_more_settled().await);
}

#[tokio::test]
async fn a_reload_in_the_middle_of_a_thousand_streams_drops_none() {
    const STREAMS: usize = 1000;
    let Some(stand) = Stand::start(Setup::default()).await else { return };
    stand.openai.next(STREAMS as u32, Behaviour { first_token_ms: Some(1500), ..slow(2) });
    let mut streams = JoinSet::new();
    for _ in 0..STREAMS {
        let port = stand.port;
        streams.spawn(async move { client::post(port, "/v1/chat/completions", STREAM).await });
    }
    crate::stand::wait(|| (stand.openai.stats().requests >= STREAMS as u64).then_some(())).await;
    // The model is gone, and the cost is another one.
    let changed = Stand::resources().replace("gpt-4o-mini\n      backendRefs", "gpt-9\n      backendRefs");
    assert_ne!(changed, Stand::resources());
    stand.reload(&changed);
    let gone = stand.chat(WHOLE).await;
    assert_eq!(gone.status, 404, "{gone:?}");
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(reply) = streams.join_next().await {
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
    }
    for _ in 0..=STREAMS {
        let settled = stand.settled().await;
        let tokens = settled.record.usage.output.map_or(0, |tokens| tokens.0);
        *ends.entry(format!("{:?} {tokens}", settled.record.status.unwrap().as_u16())).or_default() += 1;
    }
    assert_eq!(ends, BTreeMap::from([("200 2".to_owned(), STREAMS), ("404 0".to_owned(), 1)]));
    assert!(stand.nothing_more_settled().await);
}

#[tokio::test]
async fn a_processor_that_does_not_answer_costs_the_client_its_patience_and_no_more() {
    let Some(mut stand) = Stand::start(Setup { idle: "0.5s", ..Setup::default() }).await else { return };
    stand.stop_processor().await;
    std::fs::remove_file(stand.socket()).unwrap();
    // Takes connections and says nothing.
    let silent = UnixListener::bind(stand.socket()).unwrap();
    let taking = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
        }
    });
    let mut reply = stand.chat(WHOLE).await;
    // The connection to the old one may have to be found dead first.
    while reply.status == 500 {
        reply = stand.chat(WHOLE).await;
    }
    assert_eq!(reply.status, 504, "{reply:?}");
    assert!(stand.openai.last().is_empty(), "no provider was asked");
    taking.abort();
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_and_not_lost() {
    let Some(stand) = Stand::start(Setup { max_message_size: 4096, ..Setup::default() }).await else {
        return;
    };
    let reply = stand.chat(&WHOLE.replace("hi", &"x".repeat(100_000))).await;
    assert_eq!(
        (reply.status, reply.json()["error"]["type"].as_str()),
        (413, Some("PayloadTooLarge")),
        "{reply:?}"
    );
    assert!(stand.openai.last().is_empty(), "nothing was asked with an empty body");
    let small = stand.chat(WHOLE).await;
    assert_eq!(small.status, 200, "{small:?}");
}
