use std::time::Duration;

use tollgate_core::{Capture, Sampler};

use super::{
    content::{self, Hidden},
    otlp::{CollectorSettings, ENDPOINT, Of},
    variables::{InvalidVariable, Lookup, invalid, number, resource},
    vocabulary::Vocabulary,
};

/// Where spans go, and what they look like.
#[derive(Clone)]
pub struct TraceSettings {
    /// Who takes them over OTLP.
    pub collector: Option<CollectorSettings>,
    /// True to write them to standard output as well, a JSON object a line.
    pub console: bool,
    /// Which traces are kept: for [`Live::sampling`](tollgate_core::Live::sampling).
    pub sampler: Sampler,
    /// What is kept of prompts and replies: for [`Live::capturing`](tollgate_core::Live::capturing).
    pub capture: Option<Capture>,
    /// What of it is left out all the same.
    pub hidden: Hidden,
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

const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SEMCONV: &str = "AI_GATEWAY_TRACING_SEMCONV";

// === impl TraceSettings ===

impl TraceSettings {
    /// Reads the OpenTelemetry variables as Envoy AI Gateway does; `None` where traces are off, which they are
    /// unless an exporter or an endpoint is named.
    ///
    /// # Errors
    /// [`InvalidVariable`] naming the variable.
    pub fn from_env(lookup: Lookup<'_>) -> Result<Option<Self>, InvalidVariable> {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let vocabulary = match set(SEMCONV).as_deref() {
            None | Some("openinference") => Vocabulary::OpenInference,
            Some("gen_ai") => Vocabulary::GenAi,
            Some(other) => {
                return Err(invalid(SEMCONV, format!("{other:?} is neither openinference nor gen_ai")));
            }
        };
        let (otlp, console) = exporters(Of::Traces, (EXPORTER, &["none"]), &set)?;
        if !(otlp || console) {
            return Ok(None);
        }
        let positive = |name: &str, default| usize::try_from(number(set(name), default)).unwrap_or(1).max(1);
        Ok(Some(Self {
            collector: if otlp { Some(CollectorSettings::from_env(Of::Traces, &set)?) } else { None },
            console,
            sampler: sampler(&set)?,
            capture: content::capture(&set, vocabulary)?,
            hidden: Hidden::from_env(&set)?,
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
            .field("collector", &self.collector)
            .field("console", &self.console)
            .field("sampler", &self.sampler)
            .field("vocabulary", &self.vocabulary)
            .finish_non_exhaustive()
    }
}

/// Whether something goes to a collector, and whether to standard output; `nowhere` are names that mean neither.
pub(super) fn exporters(
    of: Of,
    (variable, nowhere): (&'static str, &[&str]),
    set: Lookup<'_>,
) -> Result<(bool, bool), InvalidVariable> {
    let named = set(ENDPOINT).is_some() || set(of.endpoint()).is_some();
    let exporters = set(variable).unwrap_or_else(|| if named { "otlp" } else { "none" }.to_owned());
    let (mut otlp, mut console) = (false, false);
    for exporter in exporters.split(',').map(str::trim) {
        match exporter {
            "otlp" => otlp = true,
            "console" => console = true,
            other if nowhere.contains(&other) => {}
            other => {
                let problem =
                    format!("{other:?} is not served; otlp, console and {} are", nowhere.join(" and "));
                return Err(invalid(variable, problem));
            }
        }
    }
    let off = set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    Ok((otlp && !off, console && !off))
}

fn sampler(set: Lookup<'_>) -> Result<Sampler, InvalidVariable> {
    let share = || -> Result<f64, InvalidVariable> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Option<TraceSettings>, InvalidVariable> {
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
        assert_eq!(on.collector.unwrap().endpoint.to_string(), "http://c:4318/v1/traces");
        assert_eq!((on.sampler, on.vocabulary), (Sampler::ParentOrOn, Vocabulary::OpenInference));
        assert_eq!(on.resource, [("service.name".to_owned(), "ai-gateway".to_owned())]);
        let local = read(&[(EXPORTER, "otlp")]).unwrap().unwrap().collector.unwrap();
        assert_eq!(local.endpoint.port_u16(), Some(4318));
    }

    #[test]
    fn several_exporters_may_be_named_and_the_console_needs_no_collector() {
        let to = |names| read(&[(EXPORTER, names)]).unwrap().map(|on| (on.collector.is_some(), on.console));
        assert_eq!(to("console"), Some((false, true)));
        assert_eq!(to("otlp, console"), Some((true, true)));
        assert_eq!(to("none"), None);
    }

    #[test]
    fn what_cannot_be_followed_names_its_variable_and_repeats_no_credential() {
        let on = (EXPORTER, "otlp");
        for (variable, value) in [
            (SEMCONV, "x"),
            (EXPORTER, "zipkin"),
            (SAMPLER, "x"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            (ENDPOINT, "ftp://u:pw@c"),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem"),
        ] {
            let error = read(&[(variable, value), on]).unwrap_err().to_string();
            assert!(error.starts_with(variable) && !error.contains("pw"), "{error}");
        }
        let headers =
            read(&[on, ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20sk-1")]).unwrap().unwrap();
        assert_eq!(headers.collector.as_ref().unwrap().headers[0].1, "Bearer sk-1");
        assert!(!format!("{headers:?}").contains("sk-1"));
    }
}
