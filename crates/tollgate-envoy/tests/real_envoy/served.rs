use tollgate_core::End;
use tollgate_simulate::{Behaviour, Fault};

use crate::{
    client::{self, Open},
    stand::{Setup, Stand},
};

const WHOLE: &str = r#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}"#;
const CLAUDE: &str = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

/// What a reply of the simulator costs: one token in, 16 out.
fn costs(settled: &tollgate_core::Settled) -> Vec<(&str, u64)> {
    settled.costs.iter().map(|(key, cost)| (&**key, *cost)).collect()
}

#[tokio::test]
async fn a_reply_in_the_clients_dialect_passes_with_its_usage_read() {
    for mut stand in Stand::each().await {
        let reply = stand.chat(WHOLE).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["usage"]["total_tokens"], 17);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let asked = stand.openai.last().pop().unwrap();
        let sent =
            |name: &str| asked.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        assert_eq!(asked.body, WHOLE, "the client's own bytes");
        assert_eq!(
            (sent("authorization"), sent("x-team")),
            (Some("-key"), Some("red")),
            "our key, nobody else's"
        );
        assert_eq!(sent("content-length"), Some(WHOLE.len().to_string().as_str()));
        let settled = stand.settled().await;
        let want =
            [("llm_input_token", 1), ("llm_output_token", 16), ("llm_total_token", 17), ("microdollars", 9)];
        assert_eq!((settled.end.clone(), costs(&settled)), (End::Complete, want.to_vec()));
        let logged = stand.logged().await;
        let metadata = &logged["metadata"];
        for (key, cost) in want {
            assert_eq!(metadata[key], cost, "{logged}");
        }
        assert_eq!(metadata["model_name_override"], "gpt-4o-mini");
        assert_eq!(metadata["response_model"], "gpt-4o-mini");
        assert_eq!(metadata["ai_service_backend_name"], "default/openai");
        assert_eq!(metadata["route_name"], "default/quickstart");
        assert_eq!(metadata["backend_name"], "default/openai/route/quickstart/rule/0/ref/0");
        assert_eq!(logged["model"], "gpt-4o-mini", "access logs find the model in its header");
        assert_eq!(logged["id"], settled.record.request_id.as_str());
        assert!(stand.nothing_more_settled().await);
    }
}

#[tokio::test]
async fn a_stream_passes_with_its_usage_read() {
    let Some(mut stand) = Stand::start(Setup::default()).await else { return };
    let reply = stand.chat(STREAM).await;
    assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
    assert!(reply.body.ends_with("data: [DONE]\n\n"), "{}", reply.body);
    assert!(!reply.body.contains(r#""usage":{"#), "the client did not ask for it");
    assert!(stand.openai.last()[0].body.contains(r#""include_usage":true"#), "we did");
    assert_eq!(costs(&stand.settled().await)[2], ("llm_total_token", 17));
    let logged = stand.logged().await;
    assert_eq!(logged["metadata"]["llm_total_token"], 17);
    assert!(logged["metadata"]["token_latency_ttft"].as_f64().unwrap() > 0.0, "{logged}");
}

#[tokio::test]
async fn another_dialect_is_translated_both_ways() {
    for mut stand in Stand::each().await {
        let reply = stand.chat(CLAUDE).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["choices"][0]["finish_reason"], "stop");
        let asked = stand.anthropic.last().pop().unwrap();
        assert_eq!(asked.path, "/v1/messages");
        let names: Vec<&str> = asked.headers.iter().map(|(name, _)| &**name).collect();
        assert!(names.contains(&"x-api-key") && names.contains(&"anthropic-version"), "{names:?}");
        assert!(!names.contains(&"authorization"), "{names:?}");
        let streamed = CLAUDE.replacen('{', r#"{"stream":true,"#, 1);
        let reply = stand.chat(&streamed).await;
        assert_eq!(reply.header("content-type"), Some("text/event-stream"));
        assert!(reply.whole && reply.body.ends_with("data: [DONE]\n\n"), "{reply:?}");
        for _ in 0..2 {
            assert_eq!(costs(&stand.settled().await)[2], ("llm_total_token", 17));
            assert_eq!(stand.logged().await["metadata"]["ai_service_backend_name"], "default/anthropic");
        }
    }
}

#[tokio::test]
async fn the_next_priority_is_asked_in_its_own_dialect_and_nothing_of_the_first_attempt_reaches_it() {
    for mut stand in Stand::each().await {
        stand.openai.next(1, Behaviour { status: Some(503), ..Behaviour::default() });
        let reply = stand.chat(&WHOLE.replace("gpt-4o-mini", "assistant")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["model"], "claude-sonnet-4-5");
        let first = stand.openai.last().pop().unwrap();
        assert!(first.body.contains(r#""model":"gpt-4o-mini""#), "{}", first.body);
        let second = stand.anthropic.last().pop().unwrap();
        assert!(second.body.contains(r#""model":"claude-sonnet-4-5""#), "{}", second.body);
        let names: Vec<&str> = second.headers.iter().map(|(name, _)| &**name).collect();
        assert!(!names.contains(&"authorization") && names.contains(&"x-api-key"), "{names:?}");
        let settled = stand.settled().await;
        assert_eq!(settled.record.backend().unwrap().id.as_str(), "default/anthropic");
        let logged = stand.logged().await;
        assert_eq!(logged["attempts"], 2);
        assert_eq!(logged["metadata"]["ai_service_backend_name"], "default/anthropic");
        assert_eq!(logged["metadata"]["llm_total_token"], 17, "what was delivered, once");
        assert!(stand.nothing_more_settled().await);
    }
}

#[tokio::test]
async fn the_levels_share_no_memory() {
    let apart = Setup { apart: true, ..Setup::default() };
    let Some(stand) = Stand::start(apart).await else { return };
    stand.openai.next(1, Behaviour { status: Some(500), ..Behaviour::default() });
    for body in [WHOLE.replace("gpt-4o-mini", "assistant"), STREAM.to_owned(), CLAUDE.to_owned()] {
        let reply = stand.chat(&body).await;
        assert_eq!((reply.status, reply.whole), (200, true), "{reply:?}");
        assert_eq!(costs(&stand.settled().await)[2], ("llm_total_token", 17));
    }
    assert!(stand.nothing_more_settled().await, "the upstream level settles nothing");
}

#[tokio::test]
async fn what_the_gateway_knows_itself_it_answers_itself() {
    let Some(mut stand) = Stand::start(Setup::default()).await else { return };
    let models = client::get(stand.port, "/v1/models").await;
    assert_eq!((models.status, models.json()["data"][2]["id"].as_str()), (200, Some("assistant")));
    let unknown = stand.chat(&WHOLE.replace("gpt-4o-mini", "nobody")).await;
    assert_eq!((unknown.status, unknown.json()["error"]["type"].as_str()), (404, Some("NotFound")));
    let broken = stand.chat("{").await;
    assert_eq!((broken.status, broken.json()["error"]["type"].as_str()), (400, Some("BadRequest")));
    let elsewhere = client::get(stand.port, "/nowhere").await;
    assert_eq!(
        (elsewhere.status, elsewhere.body.as_str()),
        (404, "no route matches gateway.example /nowhere")
    );
    let pair =
        client::post(stand.port, "/v1/embeddings", r#"{"model":"claude-sonnet-4-5","input":"a"}"#).await;
    assert_eq!((pair.status, pair.json()["error"]["type"].as_str()), (400, Some("UnsupportedPair")));
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(stand.settled().await.record.status.unwrap().as_u16());
        stand.logged().await;
    }
    assert_eq!(statuses, [200, 404, 400, 404, 400]);
    assert!(stand.nothing_more_settled().await);
}

#[tokio::test]
async fn calls_without_a_model_go_where_the_first_rule_leads() {
    let Some(stand) = Stand::start(Setup::default()).await else { return };
    let listed = client::get(stand.port, "/v1/files").await;
    assert_eq!((listed.status, listed.json()["object"].as_str()), (200, Some("list")), "{listed:?}");
    assert_eq!(stand.openai.last().pop().unwrap().path, "/v1/files");
}

#[tokio::test]
async fn a_session_is_upgraded_and_its_messages_pass_both_ways() {
    let Some(stand) = Stand::start(Setup::default()).await else { return };
    let request = "GET /v1/realtime?model=gpt-4o-mini HTTP/1.1\r\nhost: gateway.example\r\nconnection: Upgrade\r\n\
                   upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut open = Open::send(stand.port, request).await.unwrap();
    open.until("101 Switching Protocols").await;
    open.until("session.created").await;
    drop(open);
    assert_eq!(stand.settled().await.record.status.unwrap(), 101);
}

#[tokio::test]
async fn a_client_cannot_speak_for_the_gateway() {
    let Some(stand) = Stand::start(Setup::default()).await else { return };
    let forged = client::request("POST", "/v1/chat/completions", WHOLE).replacen(
        "x-team: red\r\n",
        "x-ai-eg-model: claude-sonnet-4-5\r\nx-ai-eg-original-path: /v1/models\r\nx-ai-eg-upstream-host: evil\r\n\
         x-gateway-destination-endpoint: 10.0.0.1:80\r\nx-envoy-original-path: /evil\r\n",
        1,
    );
    let reply = client::send(stand.port, &forged).await;
    assert_eq!((reply.status, reply.json()["model"].as_str()), (200, Some("gpt-4o-mini")), "{reply:?}");
    let asked = stand.openai.last().pop().unwrap();
    let forged = |(_, value): &&(String, String)| value.contains("evil") || value.contains("10.0.0.1");
    assert_eq!(asked.headers.iter().find(forged), None);
}

#[tokio::test]
async fn bodies_of_any_length_pass_up_to_the_limit() {
    let Some(stand) = Stand::start(Setup { body_limit: 3 << 20, ..Setup::default() }).await else { return };
    for length in [100_000, 2_000_000] {
        let body = WHOLE.replace("hi", &"x".repeat(length));
        let reply = stand.chat(&body).await;
        assert_eq!(reply.status, 200, "{length}: {reply:?}");
        assert_eq!(stand.openai.last().pop().unwrap().body.len(), body.len());
    }
    let reply = stand.chat(&WHOLE.replace("hi", &"x".repeat(4 << 20))).await;
    assert_eq!((reply.status, reply.json()["error"]["type"].as_str()), (413, Some("PayloadTooLarge")));
}

#[tokio::test]
async fn heads_without_bodies_and_bodies_that_wait_for_a_100_pass() {
    let Some(stand) = Stand::start(Setup::default()).await else { return };
    let head = client::send(stand.port, &client::request("HEAD", "/v1/models", "")).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""), "{head:?}");
    let request = client::request("POST", "/v1/chat/completions", WHOLE);
    let (start, body) = request.split_once("\r\n\r\n").unwrap();
    let mut open = Open::send(stand.port, &format!("{start}\r\nexpect: 100-continue\r\n\r\n")).await.unwrap();
    open.until("100 Continue").await;
    open.write(body).await;
    open.until("\"total_tokens\":17").await;
}

#[tokio::test]
async fn a_chunked_body_with_trailers_passes() {
    let Some(stand) = Stand::start(Setup::default()).await else { return };
    let (first, second) = WHOLE.split_at(20);
    let request = client::request("POST", "/v1/chat/completions", "").replacen(
        "connection: close\r\n",
        &format!(
            "connection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
             {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\nx-sum: 1\r\n",
            first.len(),
            second.len(),
        ),
        1,
    );
    let reply = client::send(stand.port, &request).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(stand.openai.last().pop().unwrap().body, WHOLE);
}

#[tokio::test]
async fn a_provider_may_take_its_time_with_the_first_token() {
    let Some(stand) = Stand::start(Setup::default()).await else { return };
    stand.openai.next(1, Behaviour { first_token_ms: Some(300), ..Behaviour::default() });
    let reply = stand.chat(STREAM).await;
    assert!(reply.whole, "{reply:?}");
    assert!(stand.settled().await.record.first_byte.is_some());
    stand.openai.fail_next(Fault::EmptyChoices);
    assert!(stand.chat(STREAM).await.whole);
}

/// Takes the credential for the first backend from what Envoy's filter found out: the client's team.
const BY_TEAM: &str = "apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {name: openai-key}
spec:
  type: APIKey
  apiKey: {secretRef: {name: openai-key}}
  credentialOverride: {fromDynamicMetadata: {namespace: example.tenants, key: team, fallbackToConfigured: false}}
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}]
---
";

#[tokio::test]
async fn a_credential_may_be_in_the_metadata_that_a_filter_wrote() {
    for stand in Stand::each().await {
        stand.reload(&format!("{BY_TEAM}{}", Stand::resources()));
        let reply = stand.chat(WHOLE).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let asked = stand.openai.last().pop().unwrap();
        let sent = asked.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| &**value);
        assert_eq!(sent, Some(" red"), "the last four characters are kept");
        stand.reload(&format!("{}{}", BY_TEAM.replace("key: team", "key: tenant"), Stand::resources()));
        assert_eq!(stand.chat(WHOLE).await.status, 401);
    }
}
