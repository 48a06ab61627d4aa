//! What requests read: immutable tables and compiled matchers. Made by `tollgate-compile`, never changed.
//!
//! ```text
//! Snapshot ─▶ Port ─▶ Listener ─▶ HostTable ─▶ Table ─▶ Entry{Matcher, Rule} ─▶ Choice ─▶ Backend
//! ```
//!
//! Broken configuration is a value here ([`Problem`]): it answers with a 500 that names it, and only itself.

mod backend;
mod cost;
mod filter;
mod host;
mod listener;
mod matcher;
mod problem;
mod rule;
mod snapshot;
mod table;
mod traffic;
mod trail;
mod words;

pub use self::{
    backend::{
        Address, AddressHost, Backend, CaCertificates, ClientCertificate, Upstream, UpstreamProtocol,
        UpstreamTls,
    },
    cost::{Cost, CostInputs, CostKind, CostProgram, InvalidCost},
    filter::{
        DirectResponse, Filter, ForwardedHost, HeaderEdit, HostRewrite, Mirror, PathRewrite, Redirect,
        UrlRewrite,
    },
    host::{HostPattern, HostTable},
    listener::{Certificate, Listener, ListenerTls, Port, PortProtocol},
    matcher::{HeaderMatch, Matcher, ModelMatch, PathMatch, QueryMatch, RequestView, TextMatch},
    problem::Problem,
    rule::{Action, Choice, LlmAction, ModelEntry, Retry, RetryScope, Rule, Service, Timeouts},
    snapshot::{Prefixes, Settings, Snapshot},
    table::{Entry, Found, Table},
    traffic::{Came, Connections, HashOn, RetryPolicy, Traffic, Trigger},
    trail::{Candidacy, Candidate, Decision, Outcome, Question, Trail, Verdict, explain},
};
