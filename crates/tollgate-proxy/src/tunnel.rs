use std::rc::Rc;

use http::Request;
use hyper::upgrade::OnUpgrade;
use tokio::task::spawn_local;
use tollgate_core::{End, Exchange, Failure};
use tollgate_net::{Tunnelled, on_upgrade, watched_tunnel};

use crate::worker::Worker;

/// A request whose connection has become a tunnel; settled when the tunnel ends, or is cut.
struct Tunnel {
    exchange: Option<Exchange>,
    worker: Rc<Worker>,
}

/// Joins both connections once the 101 has passed.
pub(crate) fn spawn(
    worker: &Rc<Worker>,
    exchange: Exchange,
    client: Option<OnUpgrade>,
    upstream: Option<Tunnelled>,
) {
    let mut this = Tunnel { exchange: Some(exchange), worker: Rc::clone(worker) };
    let (Some(client), Some(upstream)) = (client, upstream) else {
        // The backend switched protocols although nobody had asked it to.
        return this.settle(End::UpstreamBroke(Failure::Protocol("unexpected upgrade".to_owned())), 0);
    };
    let idle = worker.options().stream_idle;
    spawn_local(async move {
        let Ok(client) = taken(client).await else { return this.settle(End::ClientGone, 0) };
        let seen = |piece: &[u8]| {
            if let Some(exchange) = &mut this.exchange {
                exchange.first_byte(this.worker.now().instant);
                exchange.see(piece);
            }
        };
        match watched_tunnel(client, upstream, idle, seen).await {
            Ok((_, down)) => this.settle(End::Complete, down),
            Err(error) => this.settle(End::UpstreamBroke(Failure::Protocol(error.to_string())), 0),
        }
    });
}

async fn taken(upgrade: OnUpgrade) -> hyper::Result<Tunnelled> {
    let mut carrier = Request::new(());
    carrier.extensions_mut().insert(upgrade);
    on_upgrade(&mut carrier).await
}

// === impl Tunnel ===

impl Tunnel {
    fn settle(&mut self, end: End, down: u64) {
        let Some(mut exchange) = self.exchange.take() else { return };
        exchange.sent(usize::try_from(down).unwrap_or(usize::MAX));
        self.worker.settle(exchange.settle(end, self.worker.now().instant));
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let end = self.worker.gone();
        self.settle(end, 0);
    }
}
