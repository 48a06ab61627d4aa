use std::sync::Arc;

use tollgate_auth::{Expression, Root};

use super::{
    error::FormatError,
    header::{LoggedHeaders, Side},
    time::TimeFormat,
};

/// One of Envoy's command operators. Durations are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `START_TIME`
    StartTime(TimeFormat),
    /// `BYTES_RECEIVED`: of the request's body
    BytesReceived,
    /// `BYTES_SENT`: of the reply's body
    BytesSent,
    /// `PROTOCOL`
    Protocol,
    /// `RESPONSE_CODE`; 0 without a reply
    ResponseCode,
    /// `RESPONSE_CODE_DETAILS`
    ResponseCodeDetails,
    /// `RESPONSE_FLAGS`
    ResponseFlags,
    /// `RESPONSE_FLAGS_LONG`
    ResponseFlagsLong,
    /// `UPSTREAM_REQUEST_ATTEMPT_COUNT`
    Attempts,
    /// `DURATION`: from the request's head to the end of the reply
    Duration,
    /// `RESPONSE_DURATION`: from the request's head to that of the reply
    ResponseDuration,
    /// `RESPONSE_TX_DURATION`: from the reply's head to its end
    ResponseTxDuration,
    /// `ROUTE_NAME`: the rule
    RouteName,
    /// `UPSTREAM_HOST`, `UPSTREAM_REMOTE_ADDRESS` and their parts: the address that was asked last
    UpstreamHost(AddressPart),
    /// `UPSTREAM_CLUSTER`: the backend
    UpstreamCluster,
    /// `UPSTREAM_TRANSPORT_FAILURE_REASON`
    UpstreamFailure,
    /// `DOWNSTREAM_REMOTE_ADDRESS` and its kin
    Downstream(Remote, AddressPart),
    /// `DOWNSTREAM_LOCAL_PORT`: the Gateway's port
    LocalPort,
    /// `REQ`
    Request(LoggedHeaders),
    /// `REQ_WITHOUT_QUERY`
    RequestWithoutQuery(LoggedHeaders),
    /// `RESP`
    Response(LoggedHeaders),
    /// `DYNAMIC_METADATA(…)` and `METADATA(DYNAMIC:…)`
    Metadata(MetadataPath),
    /// `REQUESTED_SERVER_NAME`
    ServerName,
    /// `DOWNSTREAM_PEER_…`
    Certificate(CertificatePart),
    /// `TRACE_ID`
    TraceId,
    /// `STREAM_ID`: the request's id
    StreamId,
    /// `FILTER_CHAIN_NAME`: the listener
    Listener,
    /// `ACCESS_LOG_TYPE`: lines are written when requests end
    LogType,
    /// `CEL` and `TYPED_CEL`
    Cel(Arc<Expression>, CelType),
    /// One that is always empty here
    Empty(&'static str),
}

/// What the value of an expression is in a JSON line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CelType {
    /// A text (`CEL`)
    Text,
    /// What it is (`TYPED_CEL`)
    Own,
}

/// Which part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPart {
    /// With its port
    Whole,
    /// Without its port
    Host,
    /// The port alone
    Port,
}

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// The one that the listener believes it to be
    Client,
    /// Who opened the connection
    Peer,
}

/// What of a client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificatePart {
    /// `DOWNSTREAM_PEER_SUBJECT`
    Subject,
    /// `DOWNSTREAM_PEER_FINGERPRINT_256`
    Fingerprint,
    /// `DOWNSTREAM_PEER_URI_SAN`
    Uris,
    /// `DOWNSTREAM_PEER_DNS_SAN`
    DnsNames,
}

/// `namespace:key:…`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataPath {
    /// Whose.
    pub namespace: Namespace,
    /// The way to the value; empty for all of the namespace.
    pub keys: Vec<Box<str>>,
}

/// Whose metadata. Those of other filters of Envoy are always empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// `io.envoy.ai_gateway`: costs, models and attributes
    AiGateway,
    /// `envoy.filters.http.jwt_authn`: verified claims by the name of their provider
    Jwt,
    /// `envoy.filters.http.ext_authz`: what an external authorization service says
    ExtAuth,
}

/// Operators of Envoy for which there is nothing here: connections are not told apart, and their bytes not counted.
const EMPTY: [&str; 52] = [
    "BYTES_RETRANSMITTED",
    "CLUSTER_METADATA",
    "CONNECTION_ID",
    "CONNECTION_TERMINATION_DETAILS",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "FILTER_STATE",
    "GRPC_STATUS",
    "GRPC_STATUS_NUMBER",
    "HOSTNAME",
    "PACKETS_RETRANSMITTED",
    "REQUEST_DURATION",
    "REQUEST_HEADERS_BYTES",
    "REQUEST_TX_DURATION",
    "RESPONSE_HEADERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "ROUNDTRIP_DURATION",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "TRAILER",
    "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_FILTER_STATE",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_LOCAL_PORT",
    "UPSTREAM_METADATA",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PROTOCOL",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_WIRE_BYTES_RECEIVED",
    "UPSTREAM_WIRE_BYTES_SENT",
    "VIRTUAL_CLUSTER_NAME",
    "VIRTUAL_HOST_NAME",
];

/// Operators of Envoy that would not be what somebody asks for if they were empty. The environment holds keys.
const NOT_SERVED: [&str; 7] = [
    "COALESCE",
    "COMMON_DURATION",
    "CUSTOM_FLAGS",
    "DOWNSTREAM_PEER_CERT",
    "ENVIRONMENT",
    "LOCAL_REPLY_BODY",
    "QUERY_PARAM",
];

// === impl Namespace ===

impl Namespace {
    /// As Envoy has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AiGateway => "io.envoy.ai_gateway",
            Self::Jwt => "envoy.filters.http.jwt_authn",
            Self::ExtAuth => "envoy.filters.http.ext_authz",
        }
    }
}

// === impl Operator ===

impl Operator {
    pub(super) fn parse(name: &str, argument: Option<&str>) -> Result<Self, FormatError> {
        let known = |list: &[&'static str]| list.iter().copied().find(|known| *known == name);
        if let Some(name) = known(&NOT_SERVED) {
            return Err(FormatError::NotServed(name));
        }
        if let Some(name) = known(&EMPTY) {
            return Ok(Self::Empty(name));
        }
        match argument {
            Some(argument) => Self::with(name, argument),
            None => Self::alone(name),
        }
    }

    fn alone(name: &str) -> Result<Self, FormatError> {
        use AddressPart::{Host, Port, Whole};

        Ok(match name {
            "START_TIME" => Self::StartTime(TimeFormat::Rfc3339),
            "BYTES_RECEIVED" => Self::BytesReceived,
            "BYTES_SENT" => Self::BytesSent,
            "PROTOCOL" => Self::Protocol,
            "RESPONSE_CODE" => Self::ResponseCode,
            "RESPONSE_CODE_DETAILS" => Self::ResponseCodeDetails,
            "RESPONSE_FLAGS" => Self::ResponseFlags,
            "RESPONSE_FLAGS_LONG" => Self::ResponseFlagsLong,
            "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Self::Attempts,
            "DURATION" => Self::Duration,
            "RESPONSE_DURATION" => Self::ResponseDuration,
            "RESPONSE_TX_DURATION" => Self::ResponseTxDuration,
            "ROUTE_NAME" => Self::RouteName,
            "UPSTREAM_HOST" | "UPSTREAM_HOST_NAME" | "UPSTREAM_REMOTE_ADDRESS" => Self::UpstreamHost(Whole),
            "UPSTREAM_HOST_NAME_WITHOUT_PORT" | "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => {
                Self::UpstreamHost(Host)
            }
            "UPSTREAM_REMOTE_PORT" => Self::UpstreamHost(Port),
            "UPSTREAM_CLUSTER" => Self::UpstreamCluster,
            "UPSTREAM_TRANSPORT_FAILURE_REASON" => Self::UpstreamFailure,
            "DOWNSTREAM_REMOTE_ADDRESS" => Self::Downstream(Remote::Client, Whole),
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Self::Downstream(Remote::Client, Host),
            "DOWNSTREAM_REMOTE_PORT" => Self::Downstream(Remote::Client, Port),
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Self::Downstream(Remote::Peer, Whole),
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => Self::Downstream(Remote::Peer, Host),
            "DOWNSTREAM_DIRECT_REMOTE_PORT" => Self::Downstream(Remote::Peer, Port),
            "DOWNSTREAM_LOCAL_PORT" => Self::LocalPort,
            "REQUESTED_SERVER_NAME" => Self::ServerName,
            "DOWNSTREAM_PEER_SUBJECT" => Self::Certificate(CertificatePart::Subject),
            "DOWNSTREAM_PEER_FINGERPRINT_256" => Self::Certificate(CertificatePart::Fingerprint),
            "DOWNSTREAM_PEER_URI_SAN" => Self::Certificate(CertificatePart::Uris),
            "DOWNSTREAM_PEER_DNS_SAN" => Self::Certificate(CertificatePart::DnsNames),
            "TRACE_ID" => Self::TraceId,
            "STREAM_ID" => Self::StreamId,
            "FILTER_CHAIN_NAME" => Self::Listener,
            "ACCESS_LOG_TYPE" => Self::LogType,
            "REQ" | "REQ_WITHOUT_QUERY" | "RESP" | "DYNAMIC_METADATA" | "METADATA" | "CEL" | "TYPED_CEL" => {
                return Self::with(name, "");
            }
            _ => return Err(FormatError::Unknown(name.to_owned())),
        })
    }

    fn with(name: &str, argument: &str) -> Result<Self, FormatError> {
        let header = |operator, side| LoggedHeaders::parse(operator, side, argument);
        match name {
            "START_TIME" => {
                let wrong = || FormatError::Argument {
                    operator: "START_TIME",
                    said: argument.to_owned(),
                    wanted: "made of known time specifiers",
                };
                TimeFormat::parse(argument).map(Self::StartTime).ok_or_else(wrong)
            }
            // Envoy takes a word there that leaves spaces as they are, which they are here.
            "RESPONSE_CODE_DETAILS" => Ok(Self::ResponseCodeDetails),
            "REQ" => header("REQ", Side::Request).map(Self::Request),
            "REQ_WITHOUT_QUERY" => header("REQ_WITHOUT_QUERY", Side::Request).map(Self::RequestWithoutQuery),
            "RESP" => header("RESP", Side::Response).map(Self::Response),
            "DYNAMIC_METADATA" => metadata("DYNAMIC_METADATA", argument),
            "CEL" => expression("CEL", argument).map(|made| Self::Cel(made, CelType::Text)),
            "TYPED_CEL" => expression("TYPED_CEL", argument).map(|made| Self::Cel(made, CelType::Own)),
            "METADATA" => match argument.split_once(':') {
                Some(("DYNAMIC", path)) => metadata("METADATA", path),
                Some((
                    "CLUSTER"
                    | "ROUTE"
                    | "UPSTREAM_HOST"
                    | "LISTENER"
                    | "LISTENER_FILTER_CHAIN"
                    | "VIRTUAL_HOST",
                    _,
                )) => Ok(Self::Empty("METADATA")),
                _ => Err(FormatError::Argument {
                    operator: "METADATA",
                    said: argument.to_owned(),
                    wanted: "DYNAMIC:namespace:key",
                }),
            },
            name => match Self::alone(name) {
                Ok(_) => Err(FormatError::Surplus(format!("{name}({argument})"))),
                Err(error) => Err(error),
            },
        }
    }

    pub(super) fn headers(&self) -> Option<&LoggedHeaders> {
        match self {
            Self::Request(headers) | Self::RequestWithoutQuery(headers) | Self::Response(headers) => {
                Some(headers)
            }
            _ => None,
        }
    }
}

fn expression(operator: &'static str, source: &str) -> Result<Arc<Expression>, FormatError> {
    let made = Expression::new(source, &Root::ALL);
    made.map(Arc::new).map_err(|error| FormatError::Expression { operator, error: error.reason() })
}

fn metadata(operator: &'static str, path: &str) -> Result<Operator, FormatError> {
    let mut parts = path.split(':');
    let namespace = parts.next().unwrap_or_default();
    let keys: Vec<Box<str>> = parts.map(Box::from).collect();
    if namespace.is_empty() || keys.iter().any(|key| key.is_empty()) {
        let said = path.to_owned();
        return Err(FormatError::Argument { operator, said, wanted: "namespace:key" });
    }
    let all = [Namespace::AiGateway, Namespace::Jwt, Namespace::ExtAuth];
    let Some(namespace) = all.into_iter().find(|known| known.name() == namespace) else {
        return Ok(Operator::Empty(operator));
    };
    Ok(Operator::Metadata(MetadataPath { namespace, keys }))
}
