//! One request, seven stages: receive, admit, route, reserve, attempt, reply, settle.
//!
//! ```text
//! RequestHead ─▶ Received ─▶ Admitted ─▶ Routed ─▶ Plan ─▶ Attempt ─▶ Exchange ─▶ Settled
//!               receive     admit       route     reserve  next_attempt  accept     settle
//! ```
//!
//! Each stage consumes the one before, so their order cannot be got wrong. A refusal carries the record of the
//! request with it and is settled too: one [`Settled`] per request, whatever happens. Nothing here knows a
//! server, a socket or a timer; clocks and randomness are arguments.

mod admit;
mod attempt;
mod client;
mod content;
mod entries;
mod exchange;
mod failure;
mod form;
mod gate;
mod head;
mod headers;
mod in_hand;
mod items;
mod limit;
mod live;
mod local;
mod mirror;
mod packing;
mod path;
mod places;
mod ports;
mod prelude;
mod quota;
mod receive;
mod record;
mod redirect;
mod refuse;
mod reserve;
mod route;
mod routed;
mod sampler;
mod settle;
mod sticky;
mod stow;
mod trace;
mod unread;

pub use self::{
    admit::{Admission, Admitted},
    attempt::{Again, Attempt, AttemptBody, Chosen, Outgoing, Patience, ReplyReader, Verdict},
    client::HeadFault,
    content::{Capture, Content, Kept},
    exchange::Exchange,
    failure::Failure,
    form::{AwaitingForm, FormRest},
    gate::Gate,
    head::{Now, RequestHead},
    in_hand::{InHand, Ledger, Unfinished},
    live::{Live, Paces},
    local::{Answered, LocalReply},
    mirror::Mirrored,
    places::Places,
    ports::{Answer, Asking, ExtAuthVerdict, Ports, Question},
    prelude::Prelude,
    receive::{Received, receive},
    record::{AttemptRecord, Record},
    refuse::{Refusal, Refused},
    reserve::{Plan, Reserved},
    route::{AwaitingBody, Step},
    routed::Routed,
    sampler::Sampler,
    settle::{End, Settled},
    sticky::Issued,
    trace::TraceContext,
    unread::Unread,
};
