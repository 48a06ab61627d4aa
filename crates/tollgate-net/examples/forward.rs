//! A plain reverse proxy on one core, made of this crate's server, pool and gathering bodies:
//! `forward <listen address> <upstream address>`. Compare with `naive`.

use std::{error::Error, net::SocketAddr, num::NonZeroUsize, sync::Arc};

use http::{Request, Response, StatusCode, header::HeaderName};
use tollgate_net::{
    Drain, Front, FrontHandle, Gathered, Inbound, Listener, Origin, Overrides, Pool, PoolSettings, Protocol,
    Resolver, Server, run_cores,
};

const HOP_BY_HOP: [HeaderName; 2] = [http::header::CONNECTION, http::header::TRANSFER_ENCODING];

/// What the binary uses: allocation is a good part of a small request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (arguments.next(), arguments.next()) else {
        return Err("usage: forward <listen address> <upstream address>".into());
    };
    let (listen, upstream): (SocketAddr, SocketAddr) = (listen.parse()?, upstream.parse()?);
    run_cores(NonZeroUsize::MIN, move |_core| async move {
        if let Err(error) = serve(listen, upstream).await {
            eprintln!("{error}");
        }
    })?;
    Ok(())
}

async fn serve(listen: SocketAddr, upstream: SocketAddr) -> std::io::Result<()> {
    let pool = Pool::new(PoolSettings::default(), Resolver::system(Arc::new(Overrides::default())));
    let origin = Origin::new(&upstream.ip().to_string(), upstream.port(), Protocol::Auto, None);
    let server = Server::new(Drain::new());
    let front = FrontHandle::new(Front::default()).map_err(std::io::Error::other)?;
    for listener in Listener::bind(listen, NonZeroUsize::MIN)? {
        let (pool, origin) = (pool.clone(), origin.clone());
        server
            .run(listener, front.clone(), move |request, _peer| {
                forward(pool.clone(), origin.clone(), request)
            })
            .await?;
    }
    Ok(())
}

async fn forward(pool: Pool, origin: Origin, mut request: Request<Inbound>) -> Response<Body> {
    HOP_BY_HOP.iter().for_each(|name| drop(request.headers_mut().remove(name)));
    match pool.send(&origin, request.map(Into::into)).await {
        Ok(mut response) => {
            HOP_BY_HOP.iter().for_each(|name| drop(response.headers_mut().remove(name)));
            response.map(|body| Body(Some(body.gathered())))
        }
        Err(failure) => {
            eprintln!("{failure}: {:?}", failure.source());
            let mut response = Response::new(Body(None));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

/// What the upstream sends, or nothing.
struct Body(Option<Gathered>);

impl http_body::Body for Body {
    type Data = tollgate_net::Chunks;
    type Error = tollgate_net::Failure;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        match &mut self.get_mut().0 {
            Some(body) => std::pin::Pin::new(body).poll_frame(cx),
            None => std::task::Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.0.as_ref().map_or_else(|| http_body::SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}
