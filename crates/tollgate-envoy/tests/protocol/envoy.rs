//! The processor's other side, played by a test: one connection, and streams on it, message by message.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request};
use http_body::{Body, Frame};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tempfile::TempDir;
use tokio::{
    net::UnixStream,
    sync::{mpsc, watch},
    time::timeout,
};
use tollgate_compile::{Host, Options as Compiling, compile};
use tollgate_core::{Live, Settled};
use tollgate_envoy::{
    processor::{Address, Observer, Options, Processor},
    proto::{
        base::{self, HeaderMutation},
        ext_proc::{Answer, HttpBody, HttpHeaders, ProcessingRequest, ProcessingResponse, Said},
        value::{Struct, Value},
    },
};
use tollgate_resources::{Source, load};

pub(crate) const PROCESS: &str = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";
const PATIENCE: Duration = Duration::from_secs(10);
const RESOURCES: &str = include_str!("../../../../examples/quickstart/gateway.yaml");

/// A processor, and a connection to it.
pub(crate) struct Envoy {
    pub(crate) processor: Processor,
    connection: http2::SendRequest<Sending>,
    began: watch::Receiver<usize>,
    settled: mpsc::Receiver<Settled>,
    _folder: TempDir,
}

/// One call.
pub(crate) struct Stream {
    send: Option<mpsc::Sender<Bytes>>,
    pub(crate) head: HeaderMap,
    replies: Incoming,
    held: BytesMut,
    pub(crate) trailers: Option<HeaderMap>,
}

/// The body of a call.
pub(crate) struct Sending(mpsc::Receiver<Bytes>);

#[derive(Debug)]
struct Tell {
    began: watch::Sender<usize>,
    settled: mpsc::Sender<Settled>,
}

impl Observer for Tell {
    fn began(&self, _port: u16) {
        self.began.send_modify(|began| *began += 1);
    }

    fn settled(&self, settled: Settled) {
        self.settled.try_send(settled).expect("there is room for what a test settles");
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// What the processor serves.
pub(crate) fn live() -> Arc<Live> {
    live_with("")
}

/// With more resources; what is written twice counts as it is written here.
pub(crate) fn live_with(more: &str) -> Arc<Live> {
    live_of(&[Source { name: "more.yaml", text: more }, Source { name: "gateway.yaml", text: RESOURCES }])
}

/// The same with a model's name replaced wherever the first backend of its own rule is asked for it.
pub(crate) fn live_renamed() -> Arc<Live> {
    let text = RESOURCES.replacen(
        "- name: openai\n    -",
        "- name: openai\n          modelNameOverride: other\n    -",
        1,
    );
    assert_ne!(text, RESOURCES);
    live_of(&[Source { name: "gateway.yaml", text: &text }])
}

fn live_of(sources: &[Source<'_>]) -> Arc<Live> {
    let loaded = load(sources, &|_| None);
    let options = Compiling { host: Host::Envoy, ..Compiling::default() };
    Arc::new(Live::new(compile(&loaded.set, &options).snapshot, None).led_elsewhere())
}

impl Envoy {
    /// A processor without a configuration.
    pub(crate) async fn unconfigured() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.sock");
        let (tell, settled) = mpsc::channel(64);
        let (begins, began) = watch::channel(0);
        let processor =
            Processor::start(Options::default(), Arc::new(Tell { began: begins, settled: tell })).unwrap();
        let (_, accepting) = processor.listen(&Address::Unix(path.clone())).unwrap();
        tokio::spawn(accepting);
        let io = TokioIo::new(UnixStream::connect(&path).await.unwrap());
        let (connection, driving) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(driving);
        Self { processor, connection, began, settled, _folder: folder }
    }

    pub(crate) async fn start() -> Self {
        let this = Self::unconfigured().await;
        this.processor.publish(live());
        this
    }

    pub(crate) async fn call(&self, path: &str) -> Stream {
        self.call_from("processor", path).await
    }

    async fn call_from(&self, authority: &str, path: &str) -> Stream {
        let (send, receive) = mpsc::channel(64);
        let request = Request::post(format!("http://{authority}{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Sending(receive))
            .unwrap();
        let reply = timeout(PATIENCE, self.connection.clone().send_request(request)).await.unwrap().unwrap();
        let (parts, replies) = reply.into_parts();
        Stream { send: Some(send), head: parts.headers, replies, held: BytesMut::new(), trailers: None }
    }

    /// A stream of either level.
    pub(crate) async fn process(&self) -> Stream {
        self.call(PROCESS).await
    }

    /// A stream of the level that this authority names.
    pub(crate) async fn process_at(&self, authority: &str) -> Stream {
        self.call_from(authority, PROCESS).await
    }

    pub(crate) async fn settled(&mut self) -> Settled {
        timeout(PATIENCE, self.settled.recv()).await.expect("a request is settled in time").unwrap()
    }

    /// Waits until so many requests have come in.
    pub(crate) async fn began(&mut self, count: usize) {
        let began = self.began.wait_for(|began| *began >= count);
        timeout(PATIENCE, began).await.expect("they come in time").unwrap();
    }

    pub(crate) fn nothing_settled(&mut self) -> bool {
        self.settled.try_recv().is_err()
    }
}

impl Stream {
    pub(crate) async fn send(&mut self, message: &impl Message) {
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.encoded_len()).unwrap());
        message.encode(&mut framed).unwrap();
        self.raw(framed.freeze()).await;
    }

    pub(crate) async fn raw(&mut self, bytes: Bytes) {
        self.send.as_ref().unwrap().send(bytes).await.unwrap();
    }

    /// Says that nothing more is sent.
    pub(crate) fn done(&mut self) {
        self.send = None;
    }

    pub(crate) async fn say(&mut self, said: Said, attributes: &[(&str, &str)]) {
        let attributes = Struct::of(attributes.iter().map(|(key, value)| (*key, Value::from(*value))));
        let attributes = HashMap::from([("envoy.filters.http.ext_proc".to_owned(), attributes)]);
        self.send(&ProcessingRequest { attributes, said: Some(said), ..ProcessingRequest::default() }).await;
    }

    /// The next message; `None` at the end.
    pub(crate) async fn next<M: Message + Default>(&mut self) -> Option<M> {
        loop {
            if let Some(&[_, a, b, c, d]) = self.held.first_chunk() {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if self.held.len() >= 5 + length {
                    self.held.advance(5);
                    return Some(M::decode(self.held.split_to(length)).unwrap());
                }
            }
            let frame = std::future::poll_fn(|cx| Pin::new(&mut self.replies).poll_frame(cx));
            match timeout(PATIENCE, frame).await.expect("something comes in time")?.ok()?.into_data() {
                Ok(data) => self.held.extend_from_slice(&data),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
    }

    pub(crate) async fn answer(&mut self) -> ProcessingResponse {
        self.next().await.expect("there is an answer")
    }
}

pub(crate) fn head(pairs: &[(&str, &str)], end_of_stream: bool) -> HttpHeaders {
    let line = |(key, value): &(&str, &str)| base::HeaderValue {
        key: (*key).to_owned(),
        raw_value: Bytes::copy_from_slice(value.as_bytes()),
        ..base::HeaderValue::default()
    };
    HttpHeaders {
        headers: Some(base::HeaderMap { headers: pairs.iter().map(line).collect() }),
        end_of_stream,
    }
}

/// The head of a chat, as Envoy has it.
pub(crate) fn chat() -> Said {
    Said::RequestHeaders(head(
        &[
            (":method", "POST"),
            (":path", "/v1/chat/completions"),
            (":authority", "gateway.example"),
            (":scheme", "http"),
            ("content-type", "application/json"),
            ("authorization", "Bearer client-key"),
            ("x-request-id", "request-1"),
        ],
        false,
    ))
}

pub(crate) fn body(text: &str, end_of_stream: bool) -> HttpBody {
    HttpBody { body: Bytes::copy_from_slice(text.as_bytes()), end_of_stream }
}

/// What an answer changes: `name=value` for what is set, `-name` for what is removed.
pub(crate) fn changes(answer: &ProcessingResponse) -> Vec<String> {
    let mutation = match answer.answer.clone().unwrap() {
        Answer::RequestHeaders(changed)
        | Answer::ResponseHeaders(changed)
        | Answer::RequestBody(changed)
        | Answer::ResponseBody(changed) => changed.response.unwrap().header_mutation,
        Answer::Immediate(immediate) => immediate.headers,
        Answer::RequestTrailers(changed) | Answer::ResponseTrailers(changed) => changed.header_mutation,
    };
    let HeaderMutation { set_headers, remove_headers } = mutation.unwrap_or_default();
    let set = set_headers.into_iter().map(|one| {
        let header = one.header.unwrap();
        format!("{}={}", header.key, String::from_utf8_lossy(header.bytes()))
    });
    set.chain(remove_headers.into_iter().map(|name| format!("-{name}"))).collect()
}

/// A text in the metadata of an answer.
pub(crate) fn metadata<'a>(answer: &'a ProcessingResponse, namespace: &str, key: &str) -> Option<&'a str> {
    let fields = &answer.dynamic_metadata.as_ref()?.fields;
    match &fields.get(namespace)?.kind {
        Some(tollgate_envoy::proto::value::Kind::Object(object)) => object.text(key),
        _ => None,
    }
}
