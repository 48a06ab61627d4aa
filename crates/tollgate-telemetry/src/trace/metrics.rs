use std::time::Duration;

use super::{
    otlp::{CollectorSettings, Of},
    settings::exporters,
    variables::{InvalidVariable, Lookup, invalid, number, resource},
};

/// Where counts are sent, beside what Prometheus fetches.
#[derive(Clone)]
pub struct MetricSettings {
    /// Who takes them over OTLP.
    pub collector: Option<CollectorSettings>,
    /// True to write them to standard output as well, a JSON object a line.
    pub console: bool,
    /// Attributes of the process, `service.name` among them.
    pub resource: Vec<(String, String)>,
    /// How often.
    pub every: Duration,
    /// True for what has come since the last time, false for all since the start.
    pub deltas: bool,
}

const EXPORTER: &str = "OTEL_METRICS_EXPORTER";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";

// === impl MetricSettings ===

impl MetricSettings {
    /// Reads the OpenTelemetry variables as Envoy AI Gateway does; `None` where counts are fetched and not sent, which
    /// they are unless an exporter or an endpoint is named.
    ///
    /// # Errors
    /// [`InvalidVariable`] naming the variable.
    pub fn from_env(lookup: Lookup<'_>) -> Result<Option<Self>, InvalidVariable> {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let (otlp, console) = exporters(Of::Metrics, (EXPORTER, &["prometheus", "none"]), &set)?;
        if !(otlp || console) {
            return Ok(None);
        }
        let deltas = match set(TEMPORALITY).map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("cumulative") => false,
            Some("delta") => true,
            Some(other) => {
                return Err(invalid(TEMPORALITY, format!("{other:?} is neither cumulative nor delta")));
            }
        };
        Ok(Some(Self {
            collector: if otlp { Some(CollectorSettings::from_env(Of::Metrics, &set)?) } else { None },
            console,
            resource: resource(&set),
            every: Duration::from_millis(number(set("OTEL_METRIC_EXPORT_INTERVAL"), 60_000).max(100)),
            deltas,
        }))
    }
}

impl std::fmt::Debug for MetricSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetricSettings")
            .field("collector", &self.collector)
            .field("console", &self.console)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Option<MetricSettings>, InvalidVariable> {
        MetricSettings::from_env(&|name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn counts_are_sent_once_an_exporter_or_an_endpoint_is_named() {
        assert!(read(&[]).unwrap().is_none());
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
        for exporter in ["none", "prometheus", "prometheus,none"] {
            assert!(read(&[endpoint, (EXPORTER, exporter)]).unwrap().is_none());
        }
        assert!(read(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).unwrap().is_none());
        let on = read(&[endpoint]).unwrap().unwrap();
        assert_eq!(on.collector.unwrap().endpoint.to_string(), "http://c:4318/v1/metrics");
        assert_eq!((on.every, on.deltas), (Duration::from_secs(60), false));
        let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m:9");
        let on = read(&[endpoint, own, (TEMPORALITY, "Delta")]).unwrap().unwrap();
        assert_eq!((on.collector.unwrap().endpoint.host(), on.deltas), (Some("m"), true));
        assert!(read(&[(EXPORTER, "console")]).unwrap().unwrap().collector.is_none());
    }

    #[test]
    fn what_cannot_be_followed_names_its_variable() {
        for (variable, value) in [(EXPORTER, "statsd"), (TEMPORALITY, "lowmemory")] {
            let error = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), (variable, value)]).unwrap_err();
            assert!(error.to_string().starts_with(variable), "{error}");
        }
    }
}
