//! What the process logs of itself, on standard error.
use std::{
    env, fmt,
    io::{self, IsTerminal as _},
};

use tollgate_snapshot::{LogLevel, LogPart};
use tracing_subscriber::EnvFilter;

/// What is logged where nobody says so.
const DEFAULT: &str = "info";
/// The variable that other programs of this kind read, too.
const VARIABLE: &str = "RUST_LOG";

/// The log filter in force. Levels of an EnvoyProxy count where neither the command line nor the environment has a word.
pub(crate) struct Logging {
    /// Puts a filter in force; none where it is fixed.
    change: Option<Change>,
}

type Change = Box<dyn Fn(EnvFilter) -> Result<(), tracing_subscriber::reload::Error> + Send>;

// === impl Logging ===

impl Logging {
    /// Begins to log.
    ///
    /// # Errors
    /// A filter that cannot be read.
    pub(crate) fn start(asked: Option<&str>) -> io::Result<Self> {
        let variable = env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
        let given = asked.map(|text| ("--log-level", text));
        let given = given.or(variable.as_deref().map(|text| (VARIABLE, text)));
        let (from, text) = given.unwrap_or(("", DEFAULT));
        let filter = EnvFilter::try_new(text).map_err(|error| {
            let help = "expected a level such as debug, or a filter such as info,tollgate_net=debug";
            io::Error::new(io::ErrorKind::InvalidInput, format!("{from}: {error}; {help}"))
        })?;
        let subscriber = tracing_subscriber::fmt()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none())
            .with_env_filter(filter)
            .with_filter_reloading();
        let handle = subscriber.reload_handle();
        subscriber.init();
        let change: Change = Box::new(move |filter| handle.reload(filter));
        Ok(Self { change: given.is_none().then_some(change) })
    }

    /// For commands that say themselves what they log.
    pub(crate) fn fixed() -> Self {
        Self { change: None }
    }

    /// Puts the levels of the resources in force, where they have a say.
    pub(crate) fn follow(&self, levels: &[(LogPart, LogLevel)]) {
        let Some(change) = &self.change else { return };
        let text = directives(levels);
        let filter = EnvFilter::try_new(&text);
        let changed = filter.map_err(|error| error.to_string());
        let changed = changed.and_then(|filter| change(filter).map_err(|error| error.to_string()));
        if let Err(error) = changed {
            tracing::error!("levels of an EnvoyProxy cannot be put in force: {error}");
        }
    }
}

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").field("fixed", &self.change.is_none()).finish()
    }
}

/// A log filter: the level of everything, and those of parts, of which the longest name that fits counts.
fn directives(levels: &[(LogPart, LogLevel)]) -> String {
    let default = levels.iter().find(|(part, _)| *part == LogPart::Default);
    let mut text = default.map_or(DEFAULT, |(_, level)| level.name()).to_owned();
    for (part, level) in levels {
        for target in targets(*part) {
            text.push_str(&format!(",{target}={}", level.name()));
        }
    }
    text
}

/// Who does here what Envoy's component does there.
fn targets(part: LogPart) -> &'static [&'static str] {
    match part {
        LogPart::Default => &[],
        LogPart::Admin => &["tollgate_telemetry::admin"],
        LogPart::Client => &["tollgate_ports"],
        LogPart::Connection => &["tollgate_net"],
        LogPart::Filter => &["tollgate_ports::ext_auth", "tollgate_proxy::mirror"],
        LogPart::Http => &["tollgate_net::server"],
        LogPart::Main => &["tollgate::"],
        LogPart::Router => &["tollgate_core", "tollgate_proxy"],
        LogPart::Runtime => &["tollgate::serving", "tollgate::watch"],
        LogPart::Upstream => &[
            "tollgate_net::dns",
            "tollgate_net::pool",
            "tollgate_net::upstream_tls",
            "tollgate_proxy::health",
        ],
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::mpsc};

    use super::*;

    struct Lines(mpsc::Sender<Vec<u8>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What passes the filter of these levels.
    fn logged(levels: &[(LogPart, LogLevel)]) -> String {
        let (to, lines) = mpsc::channel();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::try_new(directives(levels)).unwrap())
            .with_writer(move || Lines(to.clone()))
            .without_time()
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "tollgate_net::pool::http1", "pool info");
            tracing::debug!(target: "tollgate_net::pool::http1", "pool debug");
            tracing::debug!(target: "tollgate_net::server", "server debug");
            tracing::debug!(target: "tollgate::serving", "serving debug");
            tracing::warn!(target: "tollgate_core::attempt::answer", "core warn");
        });
        lines.try_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn levels_of_components_are_those_of_who_does_the_same_here() {
        let none = logged(&[]);
        assert!(
            none.contains("pool info") && none.contains("core warn") && !none.contains("debug"),
            "{none}"
        );
        let upstream = logged(&[(LogPart::Default, LogLevel::Error), (LogPart::Upstream, LogLevel::Debug)]);
        assert!(upstream.contains("pool debug") && !upstream.contains("server debug"), "{upstream}");
        assert!(!upstream.contains("core warn"), "{upstream}");
        let main = logged(&[(LogPart::Main, LogLevel::Debug)]);
        assert!(main.contains("serving debug") && !main.contains("pool debug"), "{main}");
        // The narrower of two counts.
        let both = logged(&[(LogPart::Connection, LogLevel::Debug), (LogPart::Upstream, LogLevel::Warn)]);
        assert!(both.contains("server debug") && !both.contains("pool info"), "{both}");
    }

    #[test]
    fn every_component_makes_a_filter_that_can_be_read() {
        for part in LogPart::ALL {
            let text = directives(&[(part, LogLevel::Trace)]);
            assert!(EnvFilter::try_new(&text).is_ok(), "{text}");
        }
    }
}
