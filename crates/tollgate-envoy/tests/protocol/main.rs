//! The external processor over its protocol, with a test in Envoy's place.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod envoy;

use bytes::Bytes;
use envoy::{Envoy, body, changes, chat, head, live_with, metadata};
use tollgate_core::End;
use tollgate_envoy::proto::{
    ext_proc::{
        Answer, ImmediateResponse, Metadata, Mutation, ProcessingMode, ProcessingRequest, ProcessingResponse,
        Said,
    },
    health::{HealthCheckRequest, HealthCheckResponse, Serving},
    value::{Struct, Value},
};

const CHAT: &str = r#"{"model":"assistant","messages":[{"role":"user","content":"hi"}]}"#;
const CLAUDE: &str = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}"#;
const NAMESPACE: &str = "dev.tollgate.request";
const LEFT: &str = "metadata.filter_metadata['dev.tollgate.request']['head']";
const CHANGED: &str = "metadata.filter_metadata['dev.tollgate.request']['changed']";
const NAMED: &str =
    "xds.upstream_host_metadata.filter_metadata['aigateway.envoy.io']['per_route_rule_backend_name']";
const ATTEMPT: &str = "upstream.request_attempt_count";
const DETAILS: &str = "response.code_details";
const OPENAI: &str = "default/openai/route/quickstart/rule/2/ref/0";
const OWN: &str = "default/openai/route/quickstart/rule/0/ref/0";
const ANTHROPIC: &str = "default/anthropic/route/quickstart/rule/2/ref/1";

fn immediate(answer: ProcessingResponse) -> (i32, serde_json::Value) {
    match answer.answer {
        Some(Answer::Immediate(ImmediateResponse { status, body, .. })) => {
            (status.unwrap().code, serde_json::from_slice(&body).unwrap_or_default())
        }
        other => panic!("no immediate response: {other:?}"),
    }
}

/// The piece that is sent on, and whether it is the last.
fn piece(answer: &ProcessingResponse) -> (String, bool) {
    let changed = match answer.answer.clone() {
        Some(Answer::RequestBody(changed) | Answer::ResponseBody(changed)) => changed,
        other => panic!("no piece of a body: {other:?}"),
    };
    match changed.response.unwrap().body_mutation.unwrap().mutation.unwrap() {
        Mutation::Streamed(piece) => (String::from_utf8_lossy(&piece.body).into_owned(), piece.end_of_stream),
        other => panic!("{other:?}"),
    }
}

/// A request that has passed the router level, and what that has left.
async fn routed(envoy: &Envoy, text: &str) -> (envoy::Stream, String) {
    let (stream, left, sent) = routed_at(envoy, "processor", text).await;
    assert_eq!(sent, text);
    (stream, left)
}

/// The same at the level that this authority names, with the body that goes on.
async fn routed_at(envoy: &Envoy, authority: &str, text: &str) -> (envoy::Stream, String, String) {
    let mut stream = envoy.process_at(authority).await;
    stream.say(chat(), &[("source.address", "10.0.0.1:4711")]).await;
    stream.say(Said::RequestBody(body(text, true)), &[]).await;
    let told = stream.answer().await;
    let left = metadata(&told, NAMESPACE, "head").unwrap().to_owned();
    let (sent, ended) = piece(&stream.answer().await);
    assert!(ended);
    (stream, left, sent)
}

/// The first answer of the upstream level at this backend, and what follows that.
async fn began(envoy: &Envoy, left: &str, named: &str) -> (ProcessingResponse, envoy::Stream) {
    let mut stream = envoy.process_at("attempt.tollgate").await;
    stream.say(chat(), &[(NAMED, named), (LEFT, left)]).await;
    (stream.answer().await, stream)
}

/// The answer of the upstream level for this backend.
async fn attempt(
    envoy: &Envoy,
    (text, left): (&str, &str),
    named: &str,
    more: &[(&str, &str)],
) -> ProcessingResponse {
    let mut stream = envoy.process().await;
    let attributes = [&[(ATTEMPT, "1"), (NAMED, named), (LEFT, left)], more].concat();
    stream.say(chat(), &attributes).await;
    assert_eq!(changes(&stream.answer().await), [""; 0]);
    stream.say(Said::RequestBody(body(text, true)), &[]).await;
    let answer = stream.answer().await;
    assert_eq!(stream.next::<ProcessingResponse>().await, None, "the stream ends with it");
    assert_eq!(stream.trailers.unwrap()["grpc-status"], "0");
    answer
}

#[tokio::test]
async fn the_model_decides_about_the_route_and_the_client_is_left_for_the_next_level() {
    let envoy = Envoy::start().await;
    let mut stream = envoy.process().await;
    stream.say(chat(), &[]).await;
    let (first, second) = CHAT.split_at(10);
    stream.say(Said::RequestBody(body(first, false)), &[]).await;
    stream.say(Said::RequestBody(body(second, true)), &[]).await;
    let told = stream.answer().await;
    let set = changes(&told);
    assert!(set.contains(&"x-ai-eg-model=assistant".to_owned()), "{set:?}");
    assert!(set.contains(&"x-ai-eg-original-path=/v1/chat/completions".to_owned()), "{set:?}");
    let Some(Answer::RequestHeaders(changed)) = &told.answer else { panic!("{told:?}") };
    assert!(changed.response.as_ref().unwrap().clear_route_cache);
    assert_eq!(piece(&stream.answer().await), (CHAT.to_owned(), true));
}

#[tokio::test]
async fn each_attempt_begins_anew_with_the_clients_request() {
    let mut envoy = Envoy::start().await;
    let (_router, left) = routed(&envoy, CHAT).await;
    let first = attempt(&envoy, (CHAT, &left), OPENAI, &[]).await;
    let set = changes(&first);
    assert!(set.contains(&"authorization=Bearer simulated-key".to_owned()), "{set:?}");
    let changed = metadata(&first, NAMESPACE, "changed").unwrap();
    assert_eq!(changed, "authorization");
    // Envoy leaves to an attempt the headers of the one before; the name is not the client's to keep.
    let second = attempt(&envoy, (CHAT, &left), ANTHROPIC, &[(CHANGED, "x-added-before")]).await;
    let set = changes(&second);
    assert!(set.contains(&":path=/v1/messages".to_owned()), "{set:?}");
    assert!(set.contains(&"x-api-key=simulated-key".to_owned()), "{set:?}");
    assert!(set.contains(&"-authorization".to_owned()), "{set:?}");
    assert_eq!(metadata(&second, "io.envoy.ai_gateway", "backend_name"), Some(ANTHROPIC));
    assert!(metadata(&second, NAMESPACE, "changed").unwrap().contains("x-added-before"));
    assert!(envoy.nothing_settled(), "attempts settle nothing");
}

const OWN_KEYS: &str = "apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {name: openai-key}
spec:
  type: APIKey
  apiKey: {secretRef: {name: openai-key}}
  credentialOverride: {fromDynamicMetadata: {namespace: example.tenants, key: own.key, fallbackToConfigured: false}}
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: openai}]
";

#[tokio::test]
async fn a_credential_may_be_in_what_envoys_filters_found_out() {
    let envoy = Envoy::start().await;
    envoy.processor.publish(live_with(OWN_KEYS));
    let (_router, left) = routed(&envoy, CHAT).await;
    let own = Struct::of([("own", Value::from(Struct::of([("key", Value::from("sk-own"))])))]);
    let found = Metadata { filter_metadata: [("example.tenants".to_owned(), own)].into() };
    let mut stream = envoy.process().await;
    let told =
        [(ATTEMPT, "1"), (NAMED, OPENAI), (LEFT, &*left)].map(|(key, value)| (key, Value::from(value)));
    let request = ProcessingRequest {
        attributes: [("envoy.filters.http.ext_proc".to_owned(), Struct::of(told))].into(),
        metadata_context: Some(found),
        said: Some(chat()),
    };
    stream.send(&request).await;
    stream.answer().await;
    stream.say(Said::RequestBody(body(CHAT, true)), &[]).await;
    let set = changes(&stream.answer().await);
    assert!(set.contains(&"authorization=Bearer sk-own".to_owned()), "{set:?}");
    let (status, _) = immediate(attempt(&envoy, (CHAT, &left), OPENAI, &[]).await);
    assert_eq!(status, 401);
}

#[tokio::test]
async fn bytes_that_stay_as_they_are_are_not_sent_back() {
    let envoy = Envoy::start().await;
    let text = CHAT.replace("assistant", "gpt-4o-mini");
    let (_router, left) = routed(&envoy, &text).await;
    let answer = attempt(&envoy, (&text, &left), "default/openai/route/quickstart/rule/0/ref/0", &[]).await;
    let Some(Answer::RequestBody(changed)) = answer.answer else { panic!("{answer:?}") };
    assert_eq!(changed.response.unwrap().body_mutation, None);
}

#[tokio::test]
async fn an_attempt_whose_body_stays_is_made_without_it() {
    let envoy = Envoy::start().await;
    let text = CHAT.replace("assistant", "gpt-4o-mini");
    let (_router, left, sent) = routed_at(&envoy, "last.router.tollgate", &text).await;
    assert_eq!(sent, text);
    let (answer, mut stream) = began(&envoy, &left, OWN).await;
    let set = changes(&answer);
    assert!(set.contains(&"authorization=Bearer simulated-key".to_owned()), "{set:?}");
    assert!(set.contains(&format!("content-length={}", text.len())), "{set:?}");
    assert_eq!(answer.mode_override, Some(ProcessingMode::NOTHING));
    assert_eq!(stream.next::<ProcessingResponse>().await, None, "the stream ends with it");
    // Another configuration by now: what it says counts.
    envoy.processor.publish(envoy::live_renamed());
    let (answer, mut stream) = began(&envoy, &left, OWN).await;
    assert_eq!((changes(&answer), answer.mode_override), (Vec::new(), None), "the body is asked for");
    stream.say(Said::RequestBody(body(&text, true)), &[]).await;
    let Some(Answer::RequestBody(changed)) = stream.answer().await.answer else { panic!("no body") };
    let sent = format!("{:?}", changed.response.unwrap().body_mutation);
    assert!(sent.contains(r#"\"model\":\"other\""#), "{sent}");
}

#[tokio::test]
async fn the_wish_for_usage_is_put_into_the_body_once_and_stays_ours() {
    let envoy = Envoy::start().await;
    let text = CHAT.replace("assistant", "gpt-4o-mini").replacen('{', r#"{"stream":true,"#, 1);
    let (mut router, left, sent) = routed_at(&envoy, "last.router.tollgate", &text).await;
    assert!(sent.contains(r#""stream_options":{"include_usage":true}"#), "{sent}");
    let (answer, _) = began(&envoy, &left, OWN).await;
    let set = changes(&answer);
    assert!(set.contains(&"accept-encoding=identity".to_owned()), "{set:?}");
    assert!(set.contains(&format!("content-length={}", sent.len())), "{set:?}");
    // Read all the same, it is nobody's wish but ours.
    envoy.processor.publish(envoy::live_renamed());
    let (_, mut stream) = began(&envoy, &left, OWN).await;
    stream.say(Said::RequestBody(body(&sent, true)), &[]).await;
    let set = changes(&stream.answer().await);
    assert!(set.contains(&"accept-encoding=identity".to_owned()), "{set:?}");
    // The client gets no usage, which it did not ask for.
    let headers = head(&[(":status", "200"), ("content-type", "text/event-stream")], false);
    router.say(Said::ResponseHeaders(headers), &[(NAMED, OWN), (DETAILS, "via_upstream")]).await;
    let events = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\
                  data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n\
                  data: [DONE]\n\n";
    router.say(Said::ResponseBody(body(events, true)), &[]).await;
    assert!(matches!(router.answer().await.answer, Some(Answer::ResponseHeaders(_))));
    let (text, _) = piece(&router.answer().await);
    assert!(text.contains("content") && !text.contains("usage"), "{text}");
}

#[tokio::test]
async fn nothing_is_left_of_a_body_that_every_attempt_has_to_read_or_that_others_may_change() {
    let envoy = Envoy::start().await;
    for (authority, model) in
        [("last.router.tollgate", "claude-sonnet-4-5"), ("router.tollgate", "gpt-4o-mini")]
    {
        let text = CHAT.replace("assistant", model).replacen('{', r#"{"stream":true,"#, 1);
        let (_router, left, sent) = routed_at(&envoy, authority, &text).await;
        assert_eq!(sent, text, "{authority}");
        let named =
            if model == "gpt-4o-mini" { OWN } else { "default/anthropic/route/quickstart/rule/1/ref/0" };
        let (answer, _) = began(&envoy, &left, named).await;
        assert_eq!((changes(&answer), answer.mode_override), (Vec::new(), None), "{authority}");
    }
}

#[tokio::test]
async fn an_attempt_at_an_unknown_backend_is_refused_by_name() {
    let envoy = Envoy::start().await;
    let (_router, left) = routed(&envoy, CHAT).await;
    for (named, said) in [
        ("default/gone/route/quickstart/rule/9/ref/0", "default/gone/route/quickstart/rule/9/ref/0"),
        ("", "does not say which backend"),
    ] {
        let (status, body) = immediate(attempt(&envoy, (CHAT, &left), named, &[]).await);
        assert_eq!((status, body["error"]["type"].as_str()), (500, Some("ConfigurationError")));
        assert!(body["error"]["message"].as_str().unwrap().contains(said), "{body}");
    }
}

#[tokio::test]
async fn a_reply_is_read_by_the_dialect_of_whoever_gave_it() {
    let mut envoy = Envoy::start().await;
    let (mut stream, _) = routed(&envoy, CHAT).await;
    let reply = r#"{"id":"m","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":5}}"#;
    let headers = head(&[(":status", "200"), ("content-type", "application/json")], false);
    stream.say(Said::ResponseHeaders(headers), &[(NAMED, ANTHROPIC), (DETAILS, "via_upstream")]).await;
    let (first, second) = reply.split_at(30);
    stream.say(Said::ResponseBody(body(first, false)), &[]).await;
    stream.say(Said::ResponseBody(body(second, true)), &[]).await;
    let told = stream.answer().await;
    assert!(matches!(told.answer, Some(Answer::ResponseHeaders(_))));
    let last = stream.answer().await;
    let (text, ended) = piece(&last);
    assert!(ended && text.contains(r#""finish_reason":"stop""#), "{text}");
    assert_eq!(metadata(&told, "io.envoy.ai_gateway", "ai_service_backend_name"), Some("default/anthropic"));
    assert_eq!(last.dynamic_metadata, None, "all of it was told with the head");
    let settled = envoy.settled().await;
    assert_eq!((settled.end, settled.record.usage.output.unwrap().0), (End::Complete, 5));
    assert_eq!(settled.record.request_id, "request-1");
    assert!(envoy.nothing_settled());
}

#[tokio::test]
async fn what_envoy_says_of_a_backend_is_said_in_our_words() {
    let mut envoy = Envoy::start().await;
    let (mut stream, _) = routed(&envoy, CHAT).await;
    let headers = head(&[(":status", "503"), ("content-type", "text/plain"), ("content-length", "5")], false);
    let details = "upstream_reset_before_response_started{remote_connection_failure|refused}";
    stream.say(Said::ResponseHeaders(headers), &[(NAMED, OPENAI), (DETAILS, details)]).await;
    stream.say(Said::ResponseBody(body("other", true)), &[]).await;
    let set = changes(&stream.answer().await);
    assert!(set.contains(&"content-type=application/json".to_owned()), "{set:?}");
    let (text, ended) = piece(&stream.answer().await);
    assert!(ended && text.contains("connection failure: refused"), "{text}");
    let settled = envoy.settled().await;
    assert!(matches!(settled.end, End::Refused(_)), "{:?}", settled.end);
    assert_eq!(settled.record.attempts.len(), 1, "whom Envoy could not reach");
}

#[tokio::test]
async fn what_another_filter_answers_passes_and_is_settled() {
    let mut envoy = Envoy::start().await;
    let (mut stream, _) = routed(&envoy, CHAT).await;
    let headers = head(&[(":status", "429")], false);
    stream.say(Said::ResponseHeaders(headers), &[(DETAILS, "request_rate_limited")]).await;
    stream.say(Said::ResponseBody(body("slow down", true)), &[]).await;
    assert_eq!(changes(&stream.answer().await), [""; 0]);
    assert_eq!(piece(&stream.answer().await), ("slow down".to_owned(), true));
    assert_eq!(envoy.settled().await.record.status.unwrap(), 429);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_reply_is_settled_once() {
    let mut envoy = Envoy::start().await;
    let (stream, _) = routed(&envoy, CLAUDE).await;
    drop(stream);
    assert_eq!(envoy.settled().await.end, End::ClientGone);
    let mut stream = envoy.process().await;
    stream.say(chat(), &[]).await;
    stream.say(Said::RequestBody(body("{", false)), &[]).await;
    envoy.began(2).await;
    drop(stream);
    assert_eq!(envoy.settled().await.end, End::ClientGone);
    assert!(envoy.nothing_settled());
}

#[tokio::test]
async fn no_stream_ends_without_an_answer() {
    let envoy = Envoy::start().await;
    let mut stream = envoy.process().await;
    stream.raw(Bytes::from_static(&[0, 0, 0, 0, 2, 0xff, 0xff])).await;
    let (status, _) = immediate(stream.answer().await);
    assert_eq!(status, 500, "no message");
    assert_eq!(stream.next::<ProcessingResponse>().await, None);
    assert_eq!(stream.trailers.unwrap()["grpc-status"], "0");
    let mut stream = envoy.process().await;
    stream.raw(Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff])).await;
    let (status, body) = immediate(stream.answer().await);
    assert_eq!((status, body["error"]["type"].as_str()), (413, Some("PayloadTooLarge")));
}

#[tokio::test]
async fn a_reply_without_a_request_passes() {
    let envoy = Envoy::start().await;
    let mut stream = envoy.process().await;
    stream.say(Said::ResponseHeaders(head(&[(":status", "401")], true)), &[]).await;
    assert_eq!(changes(&stream.answer().await), [""; 0]);
    stream.done();
    assert_eq!(stream.next::<ProcessingResponse>().await, None);
}

#[tokio::test]
async fn health_is_that_of_the_configuration() {
    let envoy = Envoy::unconfigured().await;
    let mut watch = envoy.call("/grpc.health.v1.Health/Watch").await;
    watch.send(&HealthCheckRequest::default()).await;
    let status =
        async |stream: &mut envoy::Stream| stream.next::<HealthCheckResponse>().await.unwrap().status;
    assert_eq!(status(&mut watch).await, Serving::NotServing as i32);
    let mut stream = envoy.process().await;
    stream.say(chat(), &[]).await;
    assert_eq!(immediate(stream.answer().await).0, 503, "not yet, and not a hang");
    envoy.processor.publish(envoy::live());
    assert_eq!(status(&mut watch).await, Serving::Serving as i32);
    let mut check = envoy.call("/grpc.health.v1.Health/Check").await;
    check.send(&HealthCheckRequest { service: "nobody".to_owned() }).await;
    assert_eq!(status(&mut check).await, Serving::ServiceUnknown as i32);
    assert_eq!(envoy.call("/some.Other/Method").await.head["grpc-status"], "12");
}
