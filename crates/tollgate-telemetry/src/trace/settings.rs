use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use tollgate_core::Sampler;

/// Where spans go, and what they look like.
#[derive(Clone)]
pub struct TraceSettings {
    /// Scheme, authority and path to send to.
    pub endpoint: Uri,
    /// What is spoken to it.
    pub protocol: OtlpProtocol,
    /// Sent with every batch; may hold credentials, so it is never shown.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For one batch, connecting included.
    pub timeout: Duration,
    /// Which traces are kept: for [`Live::sampling`](tollgate_core::Live::sampling).
    pub sampler: Sampler,
    /// How attributes are named.
    pub vocabulary: Vocabulary,
    /// Attributes of the process, `service.name` among them.
    pub resource: Vec<(String, String)>,
    /// Most spans that wait; further ones are dropped and counted.
    pub queue: usize,
    /// Most spans in a batch.
    pub batch: usize,
    /// How long a span waits for others at most.
    pub delay: Duration,
}

/// How OTLP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Over HTTP/2 with trailers
    Grpc,
    /// One POST per batch
    HttpProtobuf,
}

/// How attributes of spans are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// `llm.*`, the default
    OpenInference,
    /// OpenTelemetry's `gen_ai.*`
    GenAi,
}

/// A variable that cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct InvalidTracing {
    variable: &'static str,
    problem: String,
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SEMCONV: &str = "AI_GATEWAY_TRACING_SEMCONV";

// === impl TraceSettings ===

impl TraceSettings {
    /// Reads the OpenTelemetry variables as Envoy AI Gateway does; `None` where traces are off, which they are
    /// unless an exporter or an endpoint is named.
    ///
    /// # Errors
    /// [`InvalidTracing`] naming the variable.
    pub fn from_env(lookup: Lookup<'_>) -> Result<Option<Self>, InvalidTracing> {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let vocabulary = match set(SEMCONV).as_deref() {
            None | Some("openinference") => Vocabulary::OpenInference,
            Some("gen_ai") => Vocabulary::GenAi,
            Some(other) => {
                return Err(invalid(SEMCONV, format!("{other:?} is neither openinference nor gen_ai")));
            }
        };
        let off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        match set(EXPORTER).as_deref() {
            _ if off => return Ok(None),
            Some("none") => return Ok(None),
            None if set(ENDPOINT).is_none() && set(TRACES_ENDPOINT).is_none() => return Ok(None),
            None | Some("otlp") => {}
            Some(other) => {
                return Err(invalid(EXPORTER, format!("{other:?} is not served; otlp and none are")));
            }
        }
        let either = |own: &str, shared: &str| set(own).or_else(|| set(shared));
        let protocol = match either("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", PROTOCOL).as_deref() {
            Some("grpc") => OtlpProtocol::Grpc,
            None | Some("http/protobuf") => OtlpProtocol::HttpProtobuf,
            Some(other) => return Err(invalid(PROTOCOL, format!("{other:?} is not served"))),
        };
        let headers = either("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS");
        let timeout = either("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
        let number =
            |text: Option<String>, default| text.and_then(|text| text.parse().ok()).unwrap_or(default);
        let positive = |name: &str, default| usize::try_from(number(set(name), default)).unwrap_or(1).max(1);
        Ok(Some(Self {
            endpoint: endpoint(&set, protocol)?,
            protocol,
            headers: parse_headers(&headers.unwrap_or_default())?,
            timeout: Duration::from_millis(number(timeout, 10_000)),
            sampler: sampler(&set)?,
            vocabulary,
            resource: resource(&set),
            queue: positive("OTEL_BSP_MAX_QUEUE_SIZE", 2048).min(1 << 20),
            batch: positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512).min(1 << 14),
            delay: Duration::from_millis(number(set("OTEL_BSP_SCHEDULE_DELAY"), 5000)),
        }))
    }
}

impl std::fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceSettings")
            .field("endpoint", &self.endpoint.authority().map(|authority| authority.host().to_owned()))
            .field("protocol", &self.protocol)
            .field("sampler", &self.sampler)
            .field("vocabulary", &self.vocabulary)
            .finish_non_exhaustive()
    }
}

fn invalid(variable: &'static str, problem: impl Into<String>) -> InvalidTracing {
    InvalidTracing { variable, problem: problem.into() }
}

fn endpoint(set: Lookup<'_>, protocol: OtlpProtocol) -> Result<Uri, InvalidTracing> {
    let (variable, text) = match (set(TRACES_ENDPOINT), set(ENDPOINT), protocol) {
        (Some(own), _, _) => (TRACES_ENDPOINT, own),
        (None, Some(shared), OtlpProtocol::HttpProtobuf) => {
            (ENDPOINT, format!("{}/v1/traces", shared.trim_end_matches('/')))
        }
        (None, Some(shared), OtlpProtocol::Grpc) => (ENDPOINT, shared),
        (None, None, OtlpProtocol::HttpProtobuf) => (ENDPOINT, "http://localhost:4318/v1/traces".to_owned()),
        (None, None, OtlpProtocol::Grpc) => (ENDPOINT, "http://localhost:4317".to_owned()),
    };
    let text = if text.contains("://") { text } else { format!("http://{text}") };
    // The text is not repeated: it may hold a password.
    let uri: Uri = text.parse().map_err(|_| invalid(variable, "this is no address"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(_)) => Ok(uri),
        (Some("https"), Some(_)) => Err(invalid(variable, "https is not served yet; use a local collector")),
        _ => Err(invalid(variable, "this is no http address")),
    }
}

fn sampler(set: Lookup<'_>) -> Result<Sampler, InvalidTracing> {
    let share = || -> Result<f64, InvalidTracing> {
        let text = set("OTEL_TRACES_SAMPLER_ARG").unwrap_or_else(|| "1".to_owned());
        match text.trim().parse::<f64>() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
            _ => Err(invalid("OTEL_TRACES_SAMPLER_ARG", format!("{text:?} is no share between 0 and 1"))),
        }
    };
    match set(SAMPLER).as_deref() {
        None | Some("parentbased_always_on") => Ok(Sampler::ParentOrOn),
        Some("parentbased_always_off") => Ok(Sampler::ParentOrOff),
        Some("parentbased_traceidratio") => Ok(Sampler::ParentOrRatio(share()?)),
        Some("always_on") => Ok(Sampler::AlwaysOn),
        Some("always_off") => Ok(Sampler::AlwaysOff),
        Some("traceidratio") => Ok(Sampler::Ratio(share()?)),
        Some(other) => Err(invalid(SAMPLER, format!("{other:?} is no sampler"))),
    }
}

/// `name=value` pairs with percent-encoded values, as OTLP and W3C Baggage write them.
fn pairs(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, value)| {
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
        (name.trim(), value)
    })
}

fn parse_headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidTracing> {
    pairs(text)
        .map(|(name, value)| {
            let problem = || invalid("OTEL_EXPORTER_OTLP_HEADERS", format!("{name:?} cannot be sent"));
            let header = HeaderName::try_from(name).map_err(|_| problem())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| problem())?;
            value.set_sensitive(true);
            Ok((header, value))
        })
        .collect()
}

fn resource(set: Lookup<'_>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = pairs(&set("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let named = all.iter().any(|(name, _)| name == "service.name");
    match set("OTEL_SERVICE_NAME") {
        Some(name) => {
            all.retain(|(key, _)| key != "service.name");
            all.push(("service.name".to_owned(), name));
        }
        None if !named => all.push(("service.name".to_owned(), "ai-gateway".to_owned())),
        None => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Option<TraceSettings>, InvalidTracing> {
        TraceSettings::from_env(&|name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn traces_are_off_until_an_exporter_or_an_endpoint_is_named() {
        assert!(read(&[]).unwrap().is_none());
        let endpoint = (ENDPOINT, "http://c:4318/");
        assert!(read(&[endpoint, (EXPORTER, "none")]).unwrap().is_none());
        assert!(read(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).unwrap().is_none());
        let on = read(&[endpoint]).unwrap().unwrap();
        assert_eq!(on.endpoint.to_string(), "http://c:4318/v1/traces");
        assert_eq!((on.sampler, on.vocabulary), (Sampler::ParentOrOn, Vocabulary::OpenInference));
        assert_eq!(on.resource, [("service.name".to_owned(), "ai-gateway".to_owned())]);
        assert_eq!(read(&[(EXPORTER, "otlp")]).unwrap().unwrap().endpoint.port_u16(), Some(4318));
    }

    #[test]
    fn what_cannot_be_followed_names_its_variable_and_repeats_no_credential() {
        let on = (EXPORTER, "otlp");
        for (variable, value) in [
            (SEMCONV, "x"),
            (EXPORTER, "console"),
            (SAMPLER, "x"),
            (PROTOCOL, "http/json"),
            (ENDPOINT, "https://u:pw@c"),
        ] {
            let error = read(&[(variable, value), on]).unwrap_err().to_string();
            assert!(error.starts_with(variable) && !error.contains("pw"), "{error}");
        }
        let headers =
            read(&[on, ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20sk-1")]).unwrap().unwrap();
        assert_eq!(headers.headers[0].1, "Bearer sk-1");
        assert!(!format!("{headers:?}").contains("sk-1"));
    }
}
