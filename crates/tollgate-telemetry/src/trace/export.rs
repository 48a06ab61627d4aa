use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::InstrumentationScope,
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tokio::net::TcpStream;

use super::{OtlpProtocol, TraceSettings, span::text};

/// How often the thread looks for spans: a sleeping reader costs its writers nothing.
const LOOK: Duration = Duration::from_millis(100);
/// Most bytes of a collector's answer.
const ANSWER: usize = 64 * 1024;
const SERVICE: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// The thread that sends spans.
#[derive(Debug)]
pub(crate) struct Exporter {
    to: SyncSender<Parcel>,
    counts: Arc<Counts>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

#[derive(Debug)]
enum Parcel {
    Spans(Vec<Span>),
    /// Send what there is and say so.
    Flush(SyncSender<()>),
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the collector cannot be reached: {0}")]
    Connect(#[from] io::Error),
    #[error("the collector broke off: {0}")]
    Http(#[from] hyper::Error),
    #[error("the collector answered with status {0}")]
    Status(StatusCode),
    #[error("the collector answered with grpc-status {0}")]
    Grpc(String),
    #[error("the collector did not answer in time")]
    Late,
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
}

// === impl Exporter ===

impl Exporter {
    /// Starts the thread.
    pub(crate) fn start(settings: TraceSettings) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (to, from) = sync_channel(settings.queue);
        let counts = Arc::new(Counts::default());
        let mut sender = Sender { settings, runtime, counts: Arc::clone(&counts), waiting: Vec::new() };
        thread::Builder::new().name("otlp".into()).spawn(move || sender.run(&from))?;
        Ok(Self { to, counts })
    }

    /// Hands the spans of one request over; never waits.
    pub(crate) fn send(&self, spans: Vec<Span>) {
        let number = spans.len() as u64;
        if self.to.try_send(Parcel::Spans(spans)).is_err() {
            self.counts.dropped.fetch_add(number, Relaxed);
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Waits until everything handed over was sent or given up, at most this long.
    pub(crate) fn flush(&self, patience: Duration) {
        let (done, wait) = sync_channel(1);
        if self.to.try_send(Parcel::Flush(done)).is_ok() {
            // Late or gone: either way there is nothing left to wait for.
            let _ = wait.recv_timeout(patience);
        }
    }
}

struct Sender {
    settings: TraceSettings,
    runtime: tokio::runtime::Runtime,
    counts: Arc<Counts>,
    waiting: Vec<Span>,
}

// === impl Sender ===

impl Sender {
    fn run(&mut self, from: &Receiver<Parcel>) {
        let mut last = Instant::now();
        loop {
            match from.try_recv() {
                Ok(Parcel::Spans(spans)) => {
                    self.waiting.extend(spans);
                    if self.waiting.len() >= self.settings.batch {
                        self.send();
                        last = Instant::now();
                    }
                    continue;
                }
                Ok(Parcel::Flush(done)) => {
                    self.send();
                    // Whoever asked may have stopped waiting.
                    let _ = done.try_send(());
                    continue;
                }
                Err(TryRecvError::Disconnected) => return self.send(),
                Err(TryRecvError::Empty) => {}
            }
            if last.elapsed() >= self.settings.delay {
                self.send();
                last = Instant::now();
            }
            thread::sleep(LOOK.min(self.settings.delay.max(Duration::from_millis(1))));
        }
    }

    /// Sends what waits, with a second try; what fails twice is dropped.
    fn send(&mut self) {
        while !self.waiting.is_empty() {
            let number = self.waiting.len().min(self.settings.batch);
            let message = self.message(number);
            let settings = &self.settings;
            let sent = self.runtime.block_on(async {
                let attempt = || async {
                    let export = export(settings, message.clone());
                    tokio::time::timeout(settings.timeout, export).await.unwrap_or(Err(Failed::Late))
                };
                match attempt().await {
                    Err(error) if error.is_passing() => attempt().await,
                    result => result,
                }
            });
            let count = match sent {
                Ok(()) => &self.counts.sent,
                Err(error) => {
                    tracing::warn!(%error, spans = number, "spans were dropped");
                    &self.counts.dropped
                }
            };
            count.fetch_add(number as u64, Relaxed);
        }
    }

    fn message(&mut self, number: usize) -> Bytes {
        let attributes = self.settings.resource.iter().map(|(name, value)| text(name, value)).collect();
        let scope = InstrumentationScope { name: "envoyproxy/ai-gateway".to_owned(), ..Default::default() };
        let spans = self.waiting.drain(..number).collect();
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource { attributes, ..Default::default() }),
                scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }],
                ..Default::default()
            }],
        };
        request.encode_to_vec().into()
    }
}

// === impl Failed ===

impl Failed {
    /// OTLP's list of what is worth a second try.
    fn is_passing(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Http(_) => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Grpc(code) => code == "14",
            Self::Late | Self::Request(_) => false,
        }
    }
}

async fn export(settings: &TraceSettings, message: Bytes) -> Result<(), Failed> {
    let uri = &settings.endpoint;
    let host = uri.host().unwrap_or("localhost").trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
    let io = TokioIo::new(stream);
    match settings.protocol {
        OtlpProtocol::HttpProtobuf => {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            let connection = tokio::spawn(connection);
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            let authority = uri.authority().map_or(host, |authority| authority.as_str());
            let request = Request::post(path).header(http::header::HOST, authority);
            let request = finish(settings, request, "application/x-protobuf", message)?;
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            connection.abort();
            if status.is_success() { Ok(()) } else { Err(Failed::Status(status)) }
        }
        OtlpProtocol::Grpc => {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
            let connection = tokio::spawn(connection);
            let authority = uri.authority().map_or(host, |authority| authority.as_str());
            let request = Request::post(format!("http://{authority}{SERVICE}")).header("te", "trailers");
            let request = finish(settings, request, "application/grpc", framed(&message))?;
            let result = grpc_answer(sender.send_request(request).await?).await;
            connection.abort();
            result
        }
    }
}

fn finish(
    settings: &TraceSettings,
    request: http::request::Builder,
    content_type: &'static str,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Failed> {
    let mut request = request.body(Full::new(body))?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in &settings.headers {
        headers.insert(name, value.clone());
    }
    Ok(request)
}

/// gRPC's frame: a byte that says "not compressed", the length, the message.
fn framed(message: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(message);
    frame.freeze()
}

/// The status stands in the trailers, or in the headers where there is no message.
async fn grpc_answer(answer: Response<Incoming>) -> Result<(), Failed> {
    if !answer.status().is_success() {
        return Err(Failed::Status(answer.status()));
    }
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER).collect().await.map_err(|error| Failed::Grpc(error.to_string()))?;
    let code = head.headers.get("grpc-status").or_else(|| body.trailers()?.get("grpc-status"));
    match code.and_then(|code| code.to_str().ok()) {
        Some("0") => Ok(()),
        Some(code) => Err(Failed::Grpc(code.to_owned())),
        None => Err(Failed::Grpc("missing".to_owned())),
    }
}

#[cfg(test)]
mod tests;
