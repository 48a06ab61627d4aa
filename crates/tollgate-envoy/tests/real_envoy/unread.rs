//! Attempts that are made without the body, and those that are not.

use crate::{
    client,
    stand::{Setup, Stand, Told},
};
use tollgate_core::End;
use tollgate_simulate::Behaviour;

const WHOLE: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const CLAUDE: &str = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn an_attempt_whose_body_stays_does_not_see_it() {
    for stand in Stand::each().await {
        for (at, body) in [WHOLE.to_owned(), WHOLE.replace("hi", &"x".repeat(2_000_000))].iter().enumerate() {
            let reply = stand.chat(body).await;
            assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
            let asked = stand.openai.last().pop().unwrap();
            assert_eq!(asked.body.len(), body.len());
            let sent = |name: &str| asked.headers.iter().find(|(known, _)| known == name).cloned().unwrap().1;
            assert_eq!(sent("content-length"), body.len().to_string());
            assert_ne!(sent("authorization"), "Bearer client-key", "it is signed all the same");
            assert_eq!(stand.told_of_attempts("rule/0").await, at as u64 + 1, "a head each");
        }
        let translated = stand.chat(CLAUDE).await;
        assert_eq!(translated.json()["choices"][0]["finish_reason"], "stop", "{translated:?}");
        assert_eq!(stand.told_of_attempts("rule/1").await, 2, "a head and a body");
    }
}

#[tokio::test]
async fn a_stream_is_asked_for_its_usage_before_any_attempt() {
    for stand in Stand::each().await {
        let reply = stand.chat(STREAM).await;
        assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
        assert!(!reply.body.contains(r#""usage":{"#), "the client did not ask for it");
        let asked = stand.openai.last().pop().unwrap();
        assert!(asked.body.contains(r#""include_usage":true"#), "{}", asked.body);
        assert!(asked.headers.contains(&("accept-encoding".to_owned(), "identity".to_owned())));
        assert_eq!(stand.told_of_attempts("rule/0").await, 1);
        let settled = stand.settled().await;
        assert_eq!((settled.end, settled.record.usage.output.unwrap().0), (End::Complete, 16));
    }
}

#[tokio::test]
async fn the_next_backend_has_its_body_translated_though_the_first_did_not_read_it() {
    for stand in Stand::each().await {
        // The first one is asked for the model by the name that the client has.
        let changed = Stand::resources().replace("          modelNameOverride: gpt-4o-mini\n", "");
        assert_ne!(changed, Stand::resources());
        stand.reload(&changed);
        for body in [WHOLE, STREAM] {
            stand.openai.next(1, Behaviour { status: Some(503), ..Behaviour::default() });
            let body = body.replace("gpt-4o-mini", "assistant");
            let before = stand.told_of_attempts("rule/2").await;
            let reply = stand.chat(&body).await;
            assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
            let first = stand.openai.last().pop().unwrap();
            assert!(first.body.contains(r#""model":"assistant""#), "{}", first.body);
            let second = stand.anthropic.last().pop().unwrap();
            assert!(second.body.contains(r#""model":"claude-sonnet-4-5""#), "{}", second.body);
            assert!(second.headers.iter().any(|(name, _)| name == "x-api-key"), "{:?}", second.headers);
            let length = second.headers.iter().find(|(name, _)| name == "content-length").unwrap();
            assert_eq!(length.1, second.body.len().to_string());
            assert_eq!(stand.told_of_attempts("rule/2").await - before, 3, "a head; a head and a body");
            assert_eq!(stand.settled().await.end, End::Complete);
        }
    }
}

#[tokio::test]
async fn configurations_that_know_nothing_of_it_are_served_as_before() {
    for told in [Told::Before, Told::Changed] {
        for stand in Stand::each_with(&Setup { told, ..Setup::default() }).await {
            for body in [WHOLE, STREAM, CLAUDE] {
                let reply = stand.chat(body).await;
                assert_eq!((reply.status, reply.whole), (200, true), "{told:?} {reply:?}");
                assert_eq!(stand.settled().await.end, End::Complete);
            }
            assert_eq!(stand.told_of_attempts("rule/0").await, 4, "{told:?}: a head and a body each");
            let upload = client::request("POST", "/v1/chat/completions", "");
            let reply = client::send(stand.port, &upload).await;
            assert_eq!(reply.status, 400, "{told:?} {reply:?}");
        }
    }
}
