use std::sync::Arc;

use tollgate_auth::{Expression, Root};
use tollgate_resources::{
    AccessLog, AccessLogFormat, AccessLogFormatType, AccessLogSetting, AccessLogSink, AccessLogSinkType,
    AccessLogType, OpenTelemetrySink,
};
use tollgate_snapshot::{AccessLogRule, AccessLogSettings, Format, FormatError, LogScope, OtlpCollector};

use crate::{
    Fault,
    collector::{self, Making, Wanted},
    notes::{At, Broken, Notes},
};

/// Where a log without sinks goes.
const STDOUT: &str = "/dev/stdout";
/// Where the lines of one log go.
#[derive(Default)]
struct Sinks {
    files: Vec<Arc<str>>,
    collectors: Vec<Arc<OtlpCollector>>,
}

/// What is logged of the requests to a Gateway; None where they stay in the process's own log, since nothing is said,
/// or nothing that can be done.
pub(crate) fn settings(
    log: &AccessLog,
    at: &At<'_>,
    (making, notes): (&Making<'_, '_>, &mut Notes),
) -> Option<AccessLogSettings> {
    let AccessLog { disable, settings } = log;
    if *disable {
        return Some(AccessLogSettings::default());
    }
    let each = settings.iter().enumerate();
    let logs: Vec<_> = each
        .filter_map(|(i, setting)| rule(setting, &at.to(format!(".settings[{i}]")), making, notes))
        .collect();
    (!logs.is_empty()).then(|| AccessLogSettings::new(logs))
}

/// One log; none where some of it is broken, which is said.
fn rule(
    setting: &AccessLogSetting,
    at: &At<'_>,
    making: &Making<'_, '_>,
    notes: &mut Notes,
) -> Option<AccessLogRule> {
    let AccessLogSetting { format, matches, sinks, log_type } = setting;
    let scope = scope(*log_type, at, notes);
    let format = line_format(format.as_ref(), &at.to(".format"), notes);
    let filters = filters(matches, at, notes);
    let Sinks { files, collectors } = self::sinks(sinks, at, making, notes)?;
    Some(AccessLogRule { scope: scope?, filters: filters?, format: format?, files, collectors })
}

fn scope(log_type: Option<AccessLogType>, at: &At<'_>, notes: &mut Notes) -> Option<LogScope> {
    match log_type {
        None => Some(LogScope::All),
        Some(AccessLogType::Route) => Some(LogScope::Routed),
        Some(AccessLogType::Listener) => Some(LogScope::Unrouted),
        Some(AccessLogType::Upstream) => {
            let fault = Fault::not_served("a log of attempts (type Upstream)");
            notes.warning(&at.to(".type"), fault.help("this log is left out; type Route logs requests"));
            None
        }
    }
}

fn line_format(format: Option<&AccessLogFormat>, at: &At<'_>, notes: &mut Notes) -> Option<Format> {
    let Some(AccessLogFormat { format_type, text, json }) = format else { return Some(Format::default()) };
    let (parsed, field) = match (text, format_type) {
        (Some(text), Some(AccessLogFormatType::Text) | None) => (Format::parse(text), ".text"),
        (None, Some(AccessLogFormatType::Text)) => return Some(Format::default()),
        (_, Some(AccessLogFormatType::Json) | None) if json.is_empty() => return Some(Format::default()),
        (_, Some(AccessLogFormatType::Json) | None) => {
            (Format::json(json.iter().map(|(key, text)| (key.as_str(), text.as_str()))), ".json")
        }
    };
    let at = at.to(field);
    match parsed {
        Ok(format) => {
            warn(&format, &at, notes);
            Some(format)
        }
        Err(error) => {
            let at = match &error {
                FormatError::Member { key, error: _ } => at.to(format!("[\"{key}\"]")),
                _ => at,
            };
            notes.error(&at, left_out("invalid-log-format", format!("the format cannot be used: {error}")));
            None
        }
    }
}

/// What a format asks for and never gets.
fn warn(format: &Format, at: &At<'_>, notes: &mut Notes) {
    for name in format.empty_operators() {
        let message = format!("command operator %{name}% is always empty here");
        notes.warning(at, Fault::new("empty-operator", message));
    }
    for header in format.hidden_headers() {
        let message = format!("the value of header {header} is a credential and is written as ***");
        notes.warning(at, Fault::new("hidden-header", message));
    }
}

fn filters(matches: &[String], at: &At<'_>, notes: &mut Notes) -> Option<Vec<Expression>> {
    let (mut filters, mut broken) = (Vec::with_capacity(matches.len()), false);
    for (i, source) in matches.iter().enumerate() {
        match Expression::condition(source, &Root::ALL) {
            Ok(filter) => filters.push(filter),
            Err(error) => {
                let words = format!("invalid CEL expression: {}", error.reason());
                notes.error(&at.to(format!(".matches[{i}]")), left_out("invalid-cel", words));
                broken = true;
            }
        }
    }
    (!broken).then_some(filters)
}

/// None where nothing of what is given can be served.
fn sinks(given: &[AccessLogSink], at: &At<'_>, making: &Making<'_, '_>, notes: &mut Notes) -> Option<Sinks> {
    let mut sinks = Sinks::default();
    if given.is_empty() {
        sinks.files.push(Arc::from(STDOUT));
        return Some(sinks);
    }
    for (i, sink) in given.iter().enumerate() {
        let at = at.to(format!(".sinks[{i}]"));
        match sink.sink_type {
            AccessLogSinkType::File => {
                sinks.files.extend(sink.file.as_ref().map(|file| Arc::from(file.path.as_str())));
            }
            AccessLogSinkType::Als => {
                let fault = Fault::not_served("an access log sink of type ALS (Envoy's own gRPC service)");
                let help = "no line goes there; sinks of type File and OpenTelemetry are served";
                notes.warning(&at.to(".type"), fault.help(help));
            }
            AccessLogSinkType::OpenTelemetry => {
                let at = at.to(".openTelemetry");
                match sink.open_telemetry.as_ref().map(|sink| collector(sink, &at, making, notes)) {
                    Some(Ok(collector)) => sinks.collectors.push(Arc::new(collector)),
                    Some(Err(broken)) => drop(notes.broken(&at, broken)),
                    None => {}
                }
            }
        }
    }
    (!sinks.files.is_empty() || !sinks.collectors.is_empty()).then_some(sinks)
}

fn collector(
    sink: &OpenTelemetrySink,
    at: &At<'_>,
    making: &Making<'_, '_>,
    notes: &mut Notes,
) -> Result<OtlpCollector, Broken> {
    let OpenTelemetrySink {
        backend_ref,
        backend_refs,
        backend_settings,
        host,
        port,
        resources,
        resource_attributes,
        headers,
    } = sink;
    let wanted = Wanted {
        reference: backend_refs.first().or(backend_ref.as_ref()),
        host: host.as_ref().map(|host| (host.as_str(), *port)),
        headers,
        settings: backend_settings.is_some(),
    };
    collector::collector(&wanted, resources.iter().chain(resource_attributes), at, (making, notes))
}

fn left_out(code: &'static str, message: String) -> Fault {
    Fault::new(code, message).help(
        "this log is left out until it is corrected; where no log is left, requests stay in the process's own log",
    )
}
