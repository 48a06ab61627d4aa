use std::{error::Error, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use tokio::{runtime::Runtime, task::LocalSet, time::timeout};
use tollgate_net::{Failure, Origin, Overrides, Payload, Pool, PoolSettings, Resolver, UpstreamBody};

use super::{CollectorSettings, OtlpProtocol};

/// Most bytes of a collector's answer.
const ANSWER: usize = 64 * 1024;

/// The connection to a collector; lives on the thread that sends.
pub(super) struct Collector {
    /// The method of its gRPC service.
    method: &'static str,
    settings: CollectorSettings,
    origin: Origin,
    pool: Pool,
    local: LocalSet,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("the collector cannot be reached: {}", whole(.0))]
    Net(#[from] Failure),
    #[error("the collector answered with status {0}")]
    Status(StatusCode),
    #[error("the collector answered with grpc-status {0}")]
    Grpc(String),
    #[error("the collector did not answer in time")]
    Late,
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
}

// === impl Failed ===

impl Failed {
    /// OTLP's list of what is worth a second try.
    fn is_passing(&self) -> bool {
        match self {
            Self::Net(_) => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Grpc(code) => code == "14",
            Self::Late | Self::Request(_) => false,
        }
    }
}

/// The failure in a word, and what the system or the TLS library says of it.
fn whole(failure: &Failure) -> String {
    failure.source().map_or_else(|| failure.to_string(), |cause| format!("{failure}: {cause}"))
}

// === impl Collector ===

impl Collector {
    pub(super) fn new(method: &'static str, settings: CollectorSettings, origin: Origin) -> Self {
        let resolver = Resolver::system(Arc::new(Overrides::default()));
        let pool_settings = PoolSettings { connect_timeout: settings.timeout, ..PoolSettings::default() };
        Self { method, settings, origin, pool: Pool::new(pool_settings, resolver), local: LocalSet::new() }
    }

    /// Sends a batch, with a second try.
    pub(super) fn send(&self, runtime: &Runtime, message: &Bytes) -> Result<(), Failed> {
        self.local.block_on(runtime, async {
            match self.attempt(message).await {
                Err(error) if error.is_passing() => self.attempt(message).await,
                result => result,
            }
        })
    }

    async fn attempt(&self, message: &Bytes) -> Result<(), Failed> {
        timeout(self.settings.timeout, self.export(message)).await.unwrap_or(Err(Failed::Late))
    }

    async fn export(&self, message: &Bytes) -> Result<(), Failed> {
        let answer = self.pool.send(&self.origin, self.request(message)?).await?;
        if !answer.status().is_success() {
            return Err(Failed::Status(answer.status()));
        }
        match self.settings.protocol {
            OtlpProtocol::HttpProtobuf => Ok(()),
            OtlpProtocol::Grpc => grpc_answer(answer).await,
        }
    }

    fn request(&self, message: &Bytes) -> Result<Request<Payload>, Failed> {
        let (path, content_type, body) = match self.settings.protocol {
            OtlpProtocol::HttpProtobuf => {
                let path = self.settings.endpoint.path_and_query().map_or("/", |path| path.as_str());
                (path, "application/x-protobuf", message.clone())
            }
            OtlpProtocol::Grpc => (self.method, "application/grpc", framed(message)),
        };
        let mut request = Request::post(path).body(Payload::from(body))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.settings.protocol == OtlpProtocol::Grpc {
            headers.insert("te", HeaderValue::from_static("trailers"));
        }
        for (name, value) in &self.settings.headers {
            headers.insert(name, value.clone());
        }
        Ok(request)
    }
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
async fn grpc_answer(answer: Response<UpstreamBody>) -> Result<(), Failed> {
    let (head, mut body) = answer.into_parts();
    let (mut chunks, mut length) = (Vec::new(), 0);
    while let Some(more) = body.next_chunks(&mut chunks).await {
        more?;
        length += chunks.drain(..).map(|chunk| chunk.len()).sum::<usize>();
        if length > ANSWER {
            return Err(Failed::Grpc(format!("in more than {ANSWER} bytes")));
        }
    }
    let trailers = body.take_trailers().unwrap_or_default();
    let status = |headers: &HeaderMap| headers.get("grpc-status").cloned();
    let code = status(&head.headers).or_else(|| status(&trailers));
    match code.as_ref().and_then(|code| code.to_str().ok()) {
        Some("0") => Ok(()),
        Some(code) => Err(Failed::Grpc(code.to_owned())),
        None => Err(Failed::Grpc("missing".to_owned())),
    }
}
