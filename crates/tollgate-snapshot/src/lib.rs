//! What requests read: immutable tables and compiled matchers. Made by `tollgate-compile`, never changed.
//!
//! ```text
//! Snapshot ─▶ Port ─▶ Listener ─▶ HostTable ─▶ Table ─▶ Entry{Matcher, Rule} ─▶ Choice ─▶ Backend
//! ```
//!
//! Broken configuration is a value here ([`Problem`]): it answers with a 500 that names it, and only itself.

mod backend;
mod check;
mod client;
mod cost;
mod fault;
mod filter;
mod host;
mod limits;
mod listener;
mod logging;
mod matcher;
mod policy;
mod problem;
mod quota;
mod reply_override;
mod report;
mod rule;
mod service;
mod snapshot;
mod table;
mod traffic;
mod trail;
mod words;

pub use self::{
    backend::{
        Address, AddressHost, Backend, CaCertificates, ClientCertificate, ForwardProxy, Upstream,
        UpstreamProtocol, UpstreamTls,
    },
    check::{HealthCheck, HttpProbe, Probe, TcpProbe},
    client::{
        CertificateDetails, ClientAddress, ClientCertificates, ClientHeaderEdit, ClientSettings,
        ClientTimeouts, ClientTls, ConnectionRules, EscapedSlashes, ForwardedCertificate, HeadRules,
        Http1Rules, Http2Rules, Http10, NameMatch, ProxyProtocol, RequestIds, Revocation, SanMatch,
        TcpKeepalive, TlsVersion, Underscores, Verification,
    },
    cost::{Cost, CostInputs, CostKind, CostProgram, InvalidCost},
    fault::{Abort, Faults},
    filter::{
        DirectResponse, Filter, ForwardedHost, HeaderEdit, HostRewrite, Mirror, PathRewrite, Redirect,
        UrlRewrite,
    },
    host::{HostPattern, HostTable},
    limits::{GlobalLimit, Limits},
    listener::{Certificate, Listener, ListenerTls, Port, PortProtocol},
    logging::{
        AccessLogRule, AccessLogSettings, AddressPart, CelType, CertificatePart, Field, Format, FormatError,
        LogScope, LoggedHeader, LoggedHeaders, MetadataPath, Namespace, Operator, OtlpCollector, Piece,
        Remote, Shape, TimeFormat, is_credential,
    },
    matcher::{HeaderMatch, Matcher, ModelMatch, PathMatch, QueryMatch, RequestView, TextMatch},
    policy::{Guard, PolicyLevel, PolicyUse},
    problem::Problem,
    quota::{Budget, Quota},
    reply_override::{OverrideWith, ReplyHeader, ReplyOverride, ReplySource},
    report::{LogLevel, LogPart, MetricSink, Reports},
    rule::{Action, Choice, LlmAction, ModelEntry, Retry, RetryScope, Rule, Service, Timeouts},
    service::{Authorizer, KeySource},
    snapshot::{Prefixes, Settings, Shutdown, Snapshot},
    table::{Entry, Found, Table},
    traffic::{
        AdmissionControl, Bandwidth, Came, Compressor, Connections, HashOn, LookupFamily, Packing,
        ProxyVersion, RetryPolicy, StickyCookie, Traffic, Trigger,
    },
    trail::{Candidacy, Candidate, Decision, Outcome, Question, Trail, Verdict, explain},
};
