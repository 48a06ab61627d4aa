//! Envoy's external processor (`ext_proc` v3): the stages of a request, with Envoy as the one who carries its bytes.
//!
//! ```text
//! client ─▶ Envoy ─ head, body ─▶ router level: receive, admit, route, reserve ─ model, "choose the route again" ─▶
//!             │                                                                   │ client's head, in metadata
//!             ├─ for each attempt ─▶ upstream level: the same stages again, then the request for the chosen backend
//!             └─ reply of the last attempt ─▶ router level: read, translated, counted ─▶ settle ─ costs, in metadata ─▶
//! ```
//!
//! Both levels are streams of their own and share no memory: another replica, or this one after a restart, may serve
//! the next attempt. What goes from one to the other goes through Envoy. One stream, that of the router level, settles.

mod answers;
mod attributes;
mod body;
mod carry;
mod handle;
mod heads;
mod health;
mod identity;
mod local;
mod metadata;
mod observer;
mod relay;
mod router;
mod serve;
mod socket;
mod stages;
mod upstream;
mod wire;
mod worker;

pub use self::{
    handle::{Options, Processor},
    identity::{Identity, NoIdentity},
    observer::Observer,
    socket::{Address, InvalidAddress},
};
