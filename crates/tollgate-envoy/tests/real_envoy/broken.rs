//! Providers and clients that break.

use tollgate_core::{End, Failure};
use tollgate_simulate::{Behaviour, Fault};

use crate::{
    client::{self, Open},
    stand::{Setup, Stand},
};

const CLAUDE: &str = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

fn failing(fault: Fault, after: u32) -> Behaviour {
    Behaviour { after: Some(after), ..Behaviour::fault(fault) }
}

#[tokio::test]
async fn an_error_of_a_provider_keeps_its_status_and_costs_nothing() {
    let Some(mut stand) = Stand::start(Setup::default()).await else { return };
    stand.anthropic.next(1, Behaviour { status: Some(400), ..Behaviour::default() });
    let reply = stand.chat(CLAUDE).await;
    assert_eq!((reply.status, reply.json()["error"]["type"].as_str()), (400, Some("invalid_request_error")));
    let settled = stand.settled().await;
    assert_eq!((settled.end, settled.costs.len()), (End::Complete, 0));
    let logged = stand.logged().await;
    assert_eq!(logged["metadata"]["ai_service_backend_name"], "default/anthropic");
    assert_eq!(logged["metadata"].get("llm_total_token"), None, "{logged}");
}

#[tokio::test]
async fn a_success_that_turns_out_an_error_is_a_502() {
    for mut stand in Stand::each().await {
        stand.anthropic.fail_next(Fault::ErrorEvent);
        let reply = stand.chat(&CLAUDE.replacen('{', r#"{"stream":true,"#, 1)).await;
        assert_eq!((reply.status, reply.json()["error"]["type"].as_str()), (502, Some("UpstreamError")));
        assert!(matches!(stand.settled().await.end, End::Refused(_)));
        assert_eq!(stand.logged().await["metadata"].get("llm_total_token"), None);
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_ends_in_an_error_event_and_a_broken_connection() {
    for mut stand in Stand::each().await {
        stand.openai.next(1, failing(Fault::Close, 3));
        let reply = stand.chat(STREAM).await;
        assert_eq!((reply.status, reply.whole), (200, false), "{reply:?}");
        assert!(reply.body.contains(r#""code":"upstream_error""#), "{}", reply.body);
        let settled = stand.settled().await;
        assert!(matches!(settled.end, End::UpstreamBroke(Failure::Reply(_))), "{:?}", settled.end);
        assert!(settled.usage_is(2), "what was delivered is counted: {:?}", settled.record.usage);
        assert_eq!(stand.logged().await["metadata"]["llm_output_token"], 2);
        assert!(stand.nothing_more_settled().await);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_a_stream_breaks_the_clients() {
    let Some(mut stand) = Stand::start(Setup::default()).await else { return };
    stand.openai.next(1, Behaviour { rate: Some(20.0), ..failing(Fault::Reset, 8) });
    let reply = stand.chat(STREAM).await;
    assert_eq!((reply.status, reply.whole), (200, false), "{reply:?}");
    // Envoy resets both sides at once: that it was the provider's doing is not told to us.
    let settled = stand.settled().await;
    assert_eq!(settled.end, End::ClientGone);
    let output = settled.record.usage.output.unwrap().0;
    let told = stand.logged().await["metadata"]["llm_output_token"].as_u64().unwrap();
    assert!(told > 0 && told <= output && output <= 8, "{told} of {output}");
}

#[tokio::test]
async fn a_client_that_leaves_is_charged_for_what_it_got() {
    for mut stand in Stand::each().await {
        stand.openai.next(1, Behaviour { rate: Some(20.0), tokens: Some(200), ..Behaviour::default() });
        let request = client::request("POST", "/v1/chat/completions", STREAM);
        let mut open = Open::send(stand.port, &request).await.unwrap();
        open.until("heron").await;
        drop(open);
        let settled = stand.settled().await;
        assert_eq!(settled.end, End::ClientGone);
        assert!(settled.record.usage_estimated, "the provider had not counted yet");
        let output = settled.record.usage.output.unwrap().0;
        let logged = stand.logged().await;
        let told = logged["metadata"]["llm_output_token"].as_u64().unwrap();
        assert!(told >= 1 && told <= output && told + 8 >= output, "told {told} of {output}: {logged}");
        assert!(stand.nothing_more_settled().await);
    }
}

#[tokio::test]
async fn providers_that_cannot_be_reached_are_told_of_in_json() {
    for stand in Stand::each().await {
        stand.openai.next(4, Behaviour::fault(Fault::ResetBefore));
        stand.anthropic.next(4, Behaviour::fault(Fault::ResetBefore));
        let reply = stand.chat(&CLAUDE.replace("claude-sonnet-4-5", "assistant")).await;
        assert_eq!(
            (reply.status, reply.json()["error"]["type"].as_str()),
            (503, Some("UpstreamError")),
            "{reply:?}"
        );
        let settled = stand.settled().await;
        assert!(matches!(settled.end, End::Refused(_)), "{:?}", settled.end);
        assert_eq!(settled.record.status.unwrap(), 503);
        assert!(stand.nothing_more_settled().await);
    }
}

/// What tests ask of a request that was settled.
trait Counted {
    fn usage_is(&self, output: u64) -> bool;
}

impl Counted for tollgate_core::Settled {
    fn usage_is(&self, output: u64) -> bool {
        self.record.usage.output.is_some_and(|tokens| tokens.0 == output)
    }
}
