use http::HeaderName;

/// Request headers that become attributes of spans, metrics and log lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderAttributes {
    /// Of spans.
    pub spans: Vec<HeaderAttribute>,
    /// Of the GenAI metrics; whoever sets one decides about their number.
    pub metrics: Vec<HeaderAttribute>,
    /// Of log lines.
    pub log: Vec<HeaderAttribute>,
}

/// One header and the attribute it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderAttribute {
    /// Which header.
    pub header: HeaderName,
    /// The name of its attribute, for example `session.id`.
    pub name: String,
}

/// A mapping that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {pair:?} is no pair of header:attribute")]
pub struct InvalidAttributes {
    variable: &'static str,
    pair: String,
}

const BASE: &str = "OTEL_AIGW_REQUEST_HEADER_ATTRIBUTES";
const SPANS: &str = "OTEL_AIGW_SPAN_REQUEST_HEADER_ATTRIBUTES";
const METRICS: &str = "OTEL_AIGW_METRICS_REQUEST_HEADER_ATTRIBUTES";
const LOG: &str = "OTEL_AIGW_LOG_REQUEST_HEADER_ATTRIBUTES";
/// What spans and log lines take where nothing else is said; an empty setting takes nothing.
const SESSION: &str = "agent-session-id:session.id";

// === impl HeaderAttributes ===

impl HeaderAttributes {
    /// Reads the `OTEL_AIGW_*_REQUEST_HEADER_ATTRIBUTES` variables, as Envoy AI Gateway has them: a base for all
    /// three signals, and one variable per signal that wins where both name the same header.
    ///
    /// # Errors
    /// [`InvalidAttributes`] naming the variable and the pair.
    pub fn from_env(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, InvalidAttributes> {
        let base = parse(BASE, &lookup(BASE).unwrap_or_default())?;
        let of = |variable, default: &str| {
            let own = parse(variable, &lookup(variable).unwrap_or_else(|| default.to_owned()))?;
            let mut all = base.clone();
            all.retain(|attribute| own.iter().all(|other| other.header != attribute.header));
            all.extend(own);
            Ok(all)
        };
        Ok(Self { spans: of(SPANS, SESSION)?, metrics: of(METRICS, "")?, log: of(LOG, SESSION)? })
    }
}

fn parse(variable: &'static str, text: &str) -> Result<Vec<HeaderAttribute>, InvalidAttributes> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|pair| {
            let invalid = || InvalidAttributes { variable, pair: pair.to_owned() };
            let (header, name) = pair.split_once(':').ok_or_else(invalid)?;
            let header = HeaderName::try_from(header.trim().to_ascii_lowercase()).map_err(|_| invalid())?;
            match name.trim() {
                "" => Err(invalid()),
                name => Ok(HeaderAttribute { header, name: name.to_owned() }),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<HeaderAttributes, InvalidAttributes> {
        HeaderAttributes::from_env(&|name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn names(attributes: &[HeaderAttribute]) -> Vec<&str> {
        attributes.iter().map(|attribute| attribute.name.as_str()).collect()
    }

    #[test]
    fn spans_and_log_take_the_session_unless_told_otherwise() {
        let unset = read(&[]).unwrap();
        assert_eq!(names(&unset.spans), ["session.id"]);
        assert_eq!(names(&unset.log), ["session.id"]);
        assert!(unset.metrics.is_empty());
        assert!(read(&[(LOG, "")]).unwrap().log.is_empty());
    }

    #[test]
    fn a_signals_own_mapping_wins_over_the_base() {
        let both = read(&[(BASE, " X-Team : team , x-user:user"), (METRICS, "x-team:squad")]).unwrap();
        assert_eq!(names(&both.metrics), ["user", "squad"]);
        assert_eq!(names(&both.spans), ["team", "user", "session.id"]);
    }

    #[test]
    fn a_pair_without_both_sides_is_refused_and_named() {
        for bad in ["a", "a:", ":b", "a:b,,c:d", "a b:c"] {
            let error = read(&[(BASE, bad)]).unwrap_err();
            assert!(error.to_string().starts_with(BASE), "{error}");
        }
    }
}
