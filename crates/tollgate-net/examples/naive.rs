//! The plainest reverse proxy hyper allows, on one core: `naive <listen address> <upstream address>`.
//! The floor of our benchmarks; `forward` is the same with this crate.

use std::{cell::RefCell, error::Error, net::SocketAddr, rc::Rc};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{LocalSet, spawn_local},
};

type Idle = Rc<RefCell<Vec<SendRequest<Incoming>>>>;

/// What the binary uses: allocation is a good part of a small request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (arguments.next(), arguments.next()) else {
        return Err("usage: naive <listen address> <upstream address>".into());
    };
    let (listen, upstream) = (listen.parse()?, upstream.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(listen, upstream))
}

async fn serve(listen: SocketAddr, upstream: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(listen).await?;
    let idle = Idle::default();
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let idle = Rc::clone(&idle);
        let service = service_fn(move |request| forward(Rc::clone(&idle), upstream, request));
        spawn_local(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn forward(
    idle: Idle,
    upstream: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
    let kept = idle.borrow_mut().pop();
    let mut sender = match kept {
        Some(sender) if !sender.is_closed() => sender,
        _ => {
            let socket = TcpStream::connect(upstream).await?;
            socket.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(socket)).await?;
            spawn_local(connection);
            sender
        }
    };
    let response = sender.send_request(request).await?;
    spawn_local(async move {
        if sender.ready().await.is_ok() {
            idle.borrow_mut().push(sender);
        }
    });
    Ok(response)
}
