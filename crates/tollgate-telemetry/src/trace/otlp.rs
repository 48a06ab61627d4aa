use std::{fmt, fs, io, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Uri};
use tollgate_net::{ClientIdentity, Origin, Protocol, Trust, UpstreamTls};
use tollgate_snapshot::OtlpCollector;
use tollgate_types::Secret;

use super::variables::{InvalidVariable, Lookup, SERVICE, invalid, pairs};

/// Where spans or counts are sent over OTLP.
#[derive(Clone)]
pub struct CollectorSettings {
    /// Scheme, authority and path to send to.
    pub endpoint: Uri,
    /// What is spoken to it.
    pub protocol: OtlpProtocol,
    /// Sent with every batch; may hold credentials, so it is never shown.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For one batch, connecting included.
    pub timeout: Duration,
    /// PEM file of the authorities that are believed; `None` for those of the operating system.
    pub authorities: Option<PathBuf>,
    /// PEM files of our own certificate and its key, where the collector asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How OTLP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Over HTTP/2 with trailers
    Grpc,
    /// One POST per batch
    HttpProtobuf,
}

pub(super) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Which of the signals: each has variables of its own, which win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Traces,
    Metrics,
}

/// How long a collector that resources name may take over a batch.
const PATIENCE: Duration = Duration::from_secs(10);
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CLIENT_CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const CLIENT_KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";

// === impl Of ===

impl Of {
    pub(super) const fn endpoint(self) -> &'static str {
        match self {
            Self::Traces => "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            Self::Metrics => "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        }
    }

    /// The form of a shared variable for this signal alone.
    fn own(self, shared: &str) -> String {
        let word = match self {
            Self::Traces => "_OTLP_TRACES_",
            Self::Metrics => "_OTLP_METRICS_",
        };
        shared.replace("_OTLP_", word)
    }

    /// What HTTP puts behind the shared endpoint.
    const fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }
}

// === impl CollectorSettings ===

impl fmt::Debug for CollectorSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the address, which may hold a password, nor the headers.
        f.debug_struct("CollectorSettings")
            .field("host", &self.endpoint.host())
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl CollectorSettings {
    /// A collector that resources name: gRPC has a path of its own, and the host is the origin's.
    pub(crate) fn named(collector: &OtlpCollector) -> Self {
        Self {
            endpoint: Uri::from_static("/"),
            protocol: OtlpProtocol::Grpc,
            headers: collector.headers.clone(),
            timeout: PATIENCE,
            authorities: None,
            identity: None,
        }
    }

    /// `set` gives variables that are not blank.
    pub(super) fn from_env(of: Of, set: Lookup<'_>) -> Result<Self, InvalidVariable> {
        let either = |shared: &str| set(&of.own(shared)).or_else(|| set(shared));
        let protocol = match either(PROTOCOL).as_deref() {
            Some("grpc") => OtlpProtocol::Grpc,
            None | Some("http/protobuf") => OtlpProtocol::HttpProtobuf,
            Some(other) => return Err(invalid(PROTOCOL, format!("{other:?} is not served"))),
        };
        let identity = match (either(CLIENT_CERTIFICATE), either(CLIENT_KEY)) {
            (Some(chain), Some(key)) => Some((chain.into(), key.into())),
            (None, None) => None,
            (Some(_), None) => return Err(invalid(CLIENT_CERTIFICATE, format!("{CLIENT_KEY} is not set"))),
            (None, Some(_)) => return Err(invalid(CLIENT_KEY, format!("{CLIENT_CERTIFICATE} is not set"))),
        };
        let timeout = either("OTEL_EXPORTER_OTLP_TIMEOUT").and_then(|text| text.parse().ok());
        Ok(Self {
            endpoint: endpoint(of, set, protocol)?,
            protocol,
            headers: parse_headers(&either(HEADERS).unwrap_or_default())?,
            timeout: Duration::from_millis(timeout.unwrap_or(10_000)),
            authorities: either(CERTIFICATE).map(PathBuf::from),
            identity,
        })
    }

    /// Reads the files.
    pub(crate) fn origin(&self) -> io::Result<Origin> {
        let secure = self.endpoint.scheme_str() == Some("https");
        let tls = if secure { Some(self.tls()?) } else { None };
        let protocol = match self.protocol {
            OtlpProtocol::Grpc => Protocol::Http2,
            OtlpProtocol::HttpProtobuf => Protocol::Auto,
        };
        let port = self.endpoint.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Origin::new(self.endpoint.host().unwrap_or("localhost"), port, protocol, tls))
    }

    fn tls(&self) -> io::Result<UpstreamTls> {
        let trust = match &self.authorities {
            Some(path) => Trust::Pem(read(CERTIFICATE, path)?.into()),
            None => Trust::System,
        };
        let identity = match &self.identity {
            Some((chain, key)) => Some(Arc::new(ClientIdentity {
                chain: read(CLIENT_CERTIFICATE, chain)?.into(),
                key: Secret::new(read(CLIENT_KEY, key)?),
            })),
            None => None,
        };
        let tls = UpstreamTls { trust, identity, ..UpstreamTls::default() };
        let wrong =
            |error| io::Error::new(io::ErrorKind::InvalidInput, format!("TLS to the collector: {error}"));
        tls.check().map_err(wrong)?;
        Ok(tls)
    }
}

/// What a collector that resources name is told of us.
pub(crate) fn named_resource(collector: &OtlpCollector) -> Vec<(String, String)> {
    let mut resource: Vec<_> =
        collector.resource.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    if !resource.iter().any(|(name, _)| name == "service.name") {
        resource.push(("service.name".to_owned(), SERVICE.to_owned()));
    }
    resource
}

fn read(variable: &str, path: &PathBuf) -> io::Result<Vec<u8>> {
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("{variable}: cannot read {}: {error}", path.display()))
    };
    fs::read(path).map_err(named)
}

fn endpoint(of: Of, set: Lookup<'_>, protocol: OtlpProtocol) -> Result<Uri, InvalidVariable> {
    let own = of.endpoint();
    let (variable, text) = match (set(own), set(ENDPOINT), protocol) {
        (Some(text), _, _) => (own, text),
        (None, Some(shared), OtlpProtocol::HttpProtobuf) => {
            (ENDPOINT, format!("{}{}", shared.trim_end_matches('/'), of.path()))
        }
        (None, Some(shared), OtlpProtocol::Grpc) => (ENDPOINT, shared),
        (None, None, OtlpProtocol::HttpProtobuf) => (ENDPOINT, format!("http://localhost:4318{}", of.path())),
        (None, None, OtlpProtocol::Grpc) => (ENDPOINT, "http://localhost:4317".to_owned()),
    };
    let text = if text.contains("://") { text } else { format!("http://{text}") };
    // The text is not repeated: it may hold a password.
    let uri: Uri = text.parse().map_err(|_| invalid(variable, "this is no address"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) => Ok(uri),
        _ => Err(invalid(variable, "this is no http address")),
    }
}

fn parse_headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidVariable> {
    pairs(text)
        .map(|(name, value)| {
            let problem = || invalid(HEADERS, format!("{name:?} cannot be sent"));
            let header = HeaderName::try_from(name).map_err(|_| problem())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| problem())?;
            value.set_sensitive(true);
            Ok((header, value))
        })
        .collect()
}
