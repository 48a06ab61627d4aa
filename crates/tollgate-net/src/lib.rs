//! Listeners, TLS, HTTP/1 and HTTP/2 server and client, connection pools, drain. No LLM word in it.
//!
//! ```text
//! run_cores ─▶ Listener ─▶ Server::run ─▶ handler(Request<Inbound>, Peer) ─▶ Response<B>
//!                                              │
//!                                  Pool::send(&Origin, Request<Payload>) ─▶ Response<UpstreamBody>
//! ```
//!
//! Everything on the data path is `!Send` and lives on one core: sockets, pools, timers. What the cores share is
//! read-only (certificates) or a counter ([`Drain`]).

mod cores;
mod drain;
mod few;
mod listener;
mod stream;

mod certs;
mod client_auth;
mod client_facts;
mod front;
mod inbound;
mod proxy_header;
mod server;
mod suites;
mod tracked;
mod watch;

mod dial;
mod dns;
mod failure;
mod h1;
mod idle;
mod origin;
mod payload;
mod pool;
mod upstream_body;
mod upstream_tls;
mod via;

mod chunks;
mod tunnel;

#[doc(hidden)]
pub use self::h1::{ReadReply, read_reply};
pub use self::{
    certs::{CertError, CertTable, Resumption, ServerKey, ServerTls, certified_key},
    chunks::Chunks,
    client_auth::{ClientAuth, ClientName},
    cores::{join_cores, run_cores},
    dns::{BadOverride, Family, Lookup, Naming, Overrides, Resolver},
    drain::{Drain, Load},
    failure::{Failure, Safety},
    few::serve_few,
    front::{Front, FrontHandle, Keepalive, Named, ProxyProtocol, ServerSettings},
    inbound::{Inbound, InboundError},
    listener::Listener,
    origin::{Introduction, Origin, Protocol, ProxyVersion, Tuning},
    payload::Payload,
    pool::{Pool, PoolSettings, PoolStats},
    proxy_header::ProxyHeader,
    server::{Peer, Server},
    tunnel::{Tunnelled, on_upgrade, watched_tunnel},
    upstream_body::{Gathered, UpstreamBody},
    upstream_tls::{ClientIdentity, Trust, UpstreamTls, Version},
    via::{BadProxy, Via},
};
