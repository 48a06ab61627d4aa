//! The native host: `tollgate-core` over `tollgate-net`.
//!
//! ```text
//! Gateway::publish(Live) ─▶ Served ─▶ one load per request
//! Server ─▶ Worker::serve ─▶ receive, admit, route ─▶ forward ─▶ attempts ─▶ Relay ─▶ settle ─▶ Observer
//! ```
//!
//! Everything below [`Gateway`] lives on one core: no lock and no hand-over between threads while a request is
//! served.

mod client;
mod failure;
mod forward;
mod gateway;
mod health;
mod lent;
mod mirror;
mod observer;
mod options;
mod paced;
mod packed;
mod ports;
mod prelude;
mod relay;
mod reply;
mod serve;
mod served;
mod timer;
mod tls;
mod tuning;
mod tunnel;
mod upload;
mod worker;

pub use self::{
    gateway::{Gateway, NotServed, Published},
    observer::Observer,
    options::Options,
    reply::{Broken, ReplyBody},
    served::origins,
};
