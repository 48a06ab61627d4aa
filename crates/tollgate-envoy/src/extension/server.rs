//! The gRPC server that Envoy Gateway calls.
use std::{
    convert::Infallible,
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use arc_swap::ArcSwap;
use futures_util::stream;
use prost::Message;
use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::TlsAcceptor;
use tollgate_types::Diagnostics;
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, UnaryService},
    transport::server::Server as Transport,
};
use tonic_prost::ProstCodec;

use super::{
    check,
    connection::incoming,
    health::Health,
    messages::{
        ClusterRequest, HealthRequest, OneReply, PlainRequest, Resources, RouteRequest, TranslateRequest,
        Translation,
    },
    plan::Plan,
    quotas::{DISCOVERY, Shown},
    settings::Settings,
    translate,
    twins::{self, Twins},
    wire::Malformed,
};

/// Windows, in bytes: everything that a Gateway has comes in one message.
const WINDOW: u32 = 4 << 20;
const HOOKS: &str = "/envoygateway.extension.EnvoyGatewayExtension/";
const HEALTH: &str = "/grpc.health.v1.Health/";

/// The hooks, and what they know.
#[derive(Debug)]
pub struct Extension {
    plan: ArcSwap<Plan>,
    settings: Settings,
    ready: watch::Sender<bool>,
    calls: Calls,
    /// What the hook for endpoints has seen that the one for clusters has to know.
    twins: ArcSwap<Twins>,
    /// What was wrong with what went to Envoy last.
    notes: ArcSwap<Diagnostics>,
    /// What was wrong with the resources.
    problems: ArcSwap<Vec<String>>,
    /// What rate limit services count.
    quotas: Shown,
}

/// How often each hook was called since the start.
#[derive(Debug, Default)]
struct Calls {
    route: AtomicU64,
    cluster: AtomicU64,
    endpoints: AtomicU64,
    translate: AtomicU64,
    failed: AtomicU64,
}

/// How often each hook was called since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Called {
    /// `PostRouteModify`
    pub route: u64,
    /// `PostClusterModify`
    pub cluster: u64,
    /// `PostEndpointsModify`
    pub endpoints: u64,
    /// `PostTranslateModify`
    pub translate: u64,
    /// Of all of them, those that could not be answered.
    pub failed: u64,
}

/// How the server listens.
#[derive(Clone)]
pub struct Serve {
    /// The largest message, in bytes, of both directions.
    pub max_message: usize,
    /// For TLS.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

// === impl Extension ===

impl Extension {
    /// Hooks that know nothing yet, and say so to who asks for their health.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            plan: ArcSwap::default(),
            settings,
            ready: watch::Sender::new(false),
            calls: Calls::default(),
            twins: ArcSwap::default(),
            notes: ArcSwap::default(),
            problems: ArcSwap::default(),
            quotas: Shown::new(),
        }
    }

    /// Puts what there is to know in place of what there was, with what is wrong with it. Hooks that are under way end
    /// with what they began with.
    pub fn publish(&self, plan: Plan, problems: Vec<String>) {
        let before = self.plan.load();
        self.quotas.show(plan.all_quotas());
        let plan = plan.after(&before);
        self.twins.rcu(|twins| twins.known(&plan));
        self.plan.store(Arc::new(plan));
        self.problems.store(Arc::new(problems));
        self.ready.send_replace(true);
    }

    /// True once something has been published.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// What was wrong with the resources.
    #[must_use]
    pub fn problems(&self) -> Arc<Vec<String>> {
        self.problems.load_full()
    }

    /// How often each hook was called since the start.
    #[must_use]
    pub fn called(&self) -> Called {
        let Calls { route, cluster, endpoints, translate, failed } = &self.calls;
        let count = |calls: &AtomicU64| calls.load(Ordering::Relaxed);
        Called {
            route: count(route),
            cluster: count(cluster),
            endpoints: count(endpoints),
            translate: count(translate),
            failed: count(failed),
        }
    }

    /// What was wrong with what went to Envoy last.
    #[must_use]
    pub fn notes(&self) -> Arc<Diagnostics> {
        self.notes.load_full()
    }

    /// Answers on a socket until `stop` is done, and ends when what was under way is answered.
    ///
    /// # Errors
    /// Where the server fails as a whole.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        serve: Serve,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let extension = Arc::clone(&self);
        // Streams to rate limit services would not end by themselves.
        let stop = async move {
            stop.await;
            extension.quotas.end();
        };
        let router =
            Router { health: Health::new(self.ready.subscribe()), extension: self, serve: serve.clone() };
        let connections = incoming(listener, serve.tls.map(TlsAcceptor::from));
        let connections = stream::unfold(connections, async |mut connections| {
            let next = connections.recv().await?;
            Some((Ok::<_, io::Error>(next), connections))
        });
        Transport::builder()
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .serve_with_incoming_shutdown(router, connections, stop)
            .await
            .map_err(io::Error::other)
    }

    fn route(&self, request: RouteRequest) -> Result<OneReply, Status> {
        count(&self.calls.route);
        let RouteRequest { route, context } = request;
        self.one(translate::post_route(&route, Resources::of(context.as_ref())))
    }

    fn cluster(&self, request: ClusterRequest) -> Result<OneReply, Status> {
        count(&self.calls.cluster);
        let ClusterRequest { cluster, context } = request;
        self.one(translate::post_cluster(&self.plan.load(), &cluster, Resources::of(context.as_ref())))
    }

    fn endpoints(&self, request: PlainRequest) -> Result<OneReply, Status> {
        count(&self.calls.endpoints);
        let plan = self.plan.load();
        let seen = twins::look(&plan, &request.resource).map_err(|malformed| self.failed(malformed))?;
        self.twins.rcu(|twins| twins.after(&seen).map_or_else(|| Arc::clone(twins), Arc::new));
        self.one(translate::post_endpoints(&plan, &request.resource))
    }

    fn translate(&self, request: TranslateRequest) -> Result<Translation, Status> {
        count(&self.calls.translate);
        let plan = self.plan.load();
        let mut all = request.resources();
        self.twins.load().settle(&mut all.clusters).map_err(|malformed| self.failed(malformed))?;
        let mut done = translate::post_translate(&plan, &self.settings, all);
        // Endpoints are asked about before everything else.
        if let (0, Ok((made, notes))) = (self.called().endpoints, &mut done) {
            let unmarked =
                check::unmarked(&plan, &made.clusters).map_err(|malformed| self.failed(malformed))?;
            notes.0.extend(unmarked.0);
        }
        let (made, notes) = done.map_err(|malformed| self.failed(malformed))?;
        for note in &notes {
            let help = note.help.as_deref().unwrap_or_default();
            tracing::error!(code = note.code, help, "{}", note.message);
        }
        self.notes.store(Arc::new(notes));
        Ok(made)
    }

    fn one(&self, made: Result<Option<bytes::Bytes>, Malformed>) -> Result<OneReply, Status> {
        made.map(|resource| OneReply { resource }).map_err(|malformed| self.failed(malformed))
    }

    fn failed(&self, malformed: Malformed) -> Status {
        count(&self.calls.failed);
        tracing::error!(%malformed, "a hook of Envoy Gateway could not be answered");
        Status::invalid_argument(malformed.to_string())
    }
}

fn count(calls: &AtomicU64) {
    calls.fetch_add(1, Ordering::Relaxed);
}

// === impl Serve ===

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("max_message", &self.max_message)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

/// From paths to hooks.
#[derive(Clone)]
struct Router {
    extension: Arc<Extension>,
    health: Health,
    serve: Serve,
}

type Reply = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

// === impl Router ===

impl tower_service::Service<http::Request<Body>> for Router {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Reply {
        let path = request.uri().path().to_owned();
        let own = self.clone();
        let extension = Arc::clone(&self.extension);
        if let Some(hook) = path.strip_prefix(HOOKS) {
            return match hook {
                "PostTranslateModify" => own.unary(request, move |asked| extension.translate(asked)),
                "PostRouteModify" => own.unary(request, move |asked| extension.route(asked)),
                "PostClusterModify" => own.unary(request, move |asked| extension.cluster(asked)),
                "PostEndpointsModify" => own.unary(request, move |asked| extension.endpoints(asked)),
                // Nothing to do there: without a resource in the reply Envoy Gateway keeps its own.
                "PostVirtualHostModify" | "PostHTTPListenerModify" => {
                    own.unary(request, |_: PlainRequest| Ok(OneReply { resource: None }))
                }
                _ => unimplemented(),
            };
        }
        if path == DISCOVERY {
            let discovery = extension.quotas.discovery();
            return Box::pin(async move {
                Ok(Grpc::new(ProstCodec::default()).streaming(discovery, request).await)
            });
        }
        let health = self.health.clone();
        match path.strip_prefix(HEALTH) {
            Some("Check") => own.unary(request, move |asked: HealthRequest| health.check(&asked)),
            Some("List") => own.unary(request, move |_: HealthRequest| Ok(health.list())),
            Some("Watch") => Box::pin(async move {
                Ok(Grpc::new(ProstCodec::default()).server_streaming(health, request).await)
            }),
            Some(_) | None => unimplemented(),
        }
    }
}

impl Router {
    /// Answers a call with one message.
    fn unary<Q, A>(
        self,
        request: http::Request<Body>,
        answer: impl FnMut(Q) -> Result<A, Status> + Send + 'static,
    ) -> Reply
    where
        Q: Message + Default + 'static,
        A: Message + 'static,
    {
        let limit = self.serve.max_message;
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::default())
                .max_decoding_message_size(limit)
                .max_encoding_message_size(limit);
            Ok(grpc.unary(Answer(answer), request).await)
        })
    }
}

fn unimplemented() -> Reply {
    let response = Status::unimplemented("no such method here").into_http();
    Box::pin(std::future::ready(Ok(response)))
}

/// A function as a service.
struct Answer<F>(F);

impl<Q, A, F: FnMut(Q) -> Result<A, Status>> UnaryService<Q> for Answer<F> {
    type Response = A;
    type Future = std::future::Ready<Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        std::future::ready((self.0)(request.into_inner()).map(Response::new))
    }
}
