//! Quotas as a rate limit service asks for them.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::{RecvStream, SendStream};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tollgate_envoy::extension::{Extension, Message, Plan, Serve, Settings};
use tollgate_resources::{Source, load};

const METHOD: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
const CONFIG: &str = "type.googleapis.com/ratelimit.config.ratelimit.v3.RateLimitConfig";

/// `DiscoveryRequest`
mod request {
    pub(super) const TYPE_URL: u32 = 4;
    pub(super) const ERROR: u32 = 6;
}

/// What a plan with one quota of this much has to know.
fn plan(limit: u32) -> Plan {
    let text = format!(
        "apiVersion: aigateway.envoyproxy.io/v1alpha1
kind: QuotaPolicy
metadata: {{name: q, namespace: prod}}
spec:
  targetRefs: [{{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: a}}]
  perModelQuotas: [{{modelName: m, quota: {{defaultBucket: {{limit: {limit}, duration: 1h}}}}}}]
"
    );
    Plan::new(&load(&[Source { name: "-", text: &text }], &|_| None).set, [])
}

struct Running {
    extension: Arc<Extension>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    requests: SendStream<Bytes>,
    replies: RecvStream,
    held: BytesMut,
}

/// A rate limit service that has asked for this type.
async fn start(plan: Option<Plan>, type_url: &str) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let extension = Arc::new(Extension::new(Settings::default()));
    plan.into_iter().for_each(|plan| extension.publish(plan, Vec::new()));
    let (stop, stopped) = oneshot::channel();
    let server = Arc::clone(&extension);
    let server = tokio::spawn(async move {
        let stopped = async { stopped.await.unwrap() };
        server.serve(listener, Serve { max_message: 1 << 20, tls: None }, stopped).await.unwrap();
    });
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move {
        // Ends with the server.
        let _ = connection.await;
    });
    let asked = http::Request::post(format!("http://controller{METHOD}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let mut client = client.ready().await.unwrap();
    let (response, mut requests) = client.send_request(asked, false).unwrap();
    send(&mut requests, &text(request::TYPE_URL, type_url));
    let replies = response.await.unwrap().into_body();
    Running { extension, stop: Some(stop), server, requests, replies, held: BytesMut::new() }
}

fn text(number: u32, value: &str) -> Message {
    let mut message = Message::default();
    message.set_bytes(number, value.to_owned());
    message
}

fn send(requests: &mut SendStream<Bytes>, message: &Message) {
    let message = message.encode();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.extend_from_slice(&message);
    requests.send_data(frame.freeze(), false).unwrap();
}

impl Running {
    /// The next `DiscoveryResponse`: its version, and the amount of the only quota. `None` at the end.
    async fn next(&mut self) -> Option<(String, u64)> {
        let reply = loop {
            if let Some((&[_, a, b, c, d], _)) = self.held.split_first_chunk() {
                let whole = 5 + u32::from_be_bytes([a, b, c, d]) as usize;
                if self.held.len() >= whole {
                    break Message::parse(self.held.split_to(whole).freeze().slice(5..)).unwrap();
                }
            }
            let piece = self.replies.data().await?.unwrap();
            self.replies.flow_control().release_capacity(piece.len()).unwrap();
            self.held.extend_from_slice(&piece);
        };
        let any = reply.message(2).unwrap().unwrap();
        assert_eq!((any.text(1), reply.text(4)), (CONFIG, CONFIG));
        let config = any.message(2).unwrap().unwrap();
        assert_eq!((config.text(1), config.text(2)), ("ai-gateway-quota", "ai-gateway-quota"));
        let backend = config.message(3).unwrap().unwrap();
        assert_eq!((backend.text(1), backend.text(2)), ("backend_name", "prod/a"));
        let model = backend.message(4).unwrap().unwrap();
        assert_eq!((model.text(1), model.text(2)), ("model_name_override", "m"));
        Some((reply.text(1).to_owned(), model.message(3).unwrap().unwrap().uint(2)))
    }
}

#[tokio::test]
async fn who_counts_is_told_what_there_is_and_what_changes() {
    let mut running = start(Some(plan(5)), CONFIG).await;
    assert_eq!(running.next().await, Some(("1".to_owned(), 5)));
    // It says how it took it, be it well or not, and that is no question.
    send(&mut running.requests, &text(request::TYPE_URL, CONFIG));
    let mut refusal = text(request::TYPE_URL, CONFIG);
    refusal.set_bytes(request::ERROR, text(2, "duplicate descriptor").encode());
    send(&mut running.requests, &refusal);
    // The same once more is no change.
    running.extension.publish(plan(5), Vec::new());
    running.extension.publish(plan(6), Vec::new());
    assert_eq!(running.next().await, Some(("2".to_owned(), 6)));
    running.stop.take().unwrap().send(()).unwrap();
    assert_eq!(running.next().await, None, "the stream ends with the server");
    drop(running.requests);
    running.server.await.unwrap();
}

#[tokio::test]
async fn who_asks_too_early_waits() {
    let mut running = start(None, CONFIG).await;
    running.extension.publish(plan(7), Vec::new());
    assert_eq!(running.next().await, Some(("1".to_owned(), 7)));
}

#[tokio::test]
async fn nothing_else_is_to_be_had() {
    let mut running = start(Some(plan(5)), "type.googleapis.com/envoy.config.cluster.v3.Cluster").await;
    running.stop.take().unwrap().send(()).unwrap();
    assert_eq!(running.next().await, None);
}
