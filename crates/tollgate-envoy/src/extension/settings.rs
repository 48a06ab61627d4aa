use std::{str::FromStr, time::Duration};

/// How Envoy is set up beside what the resources say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where Envoy finds the external processor.
    pub processor: Processor,
    /// Request headers that become attributes of access logs, with the attribute's name.
    pub log_attributes: Vec<(String, String)>,
    /// Who counts quotas for Envoy.
    pub quota: Option<QuotaService>,
}

/// A rate limit service that counts quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaService {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether requests fail where it does not answer.
    pub failure_mode_deny: bool,
}

/// Where Envoy finds the external processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Processor {
    /// A socket in the file system that Envoy and the processor share.
    Unix(String),
    /// A name or an address.
    Tcp {
        /// Host.
        host: String,
        /// Port.
        port: u16,
    },
}

/// An address that is neither `unix:PATH` nor `HOST:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither unix:PATH nor HOST:PORT")]
pub struct NoAddress;

// === impl Settings ===

impl Settings {
    /// Where the external processor listens unless told otherwise.
    pub const SOCKET: &'static str = "/etc/ai-gateway-extproc-uds/run.sock";
    /// The header that names a session, and its attribute.
    pub const SESSION: (&'static str, &'static str) = ("agent-session-id", "session.id");
}

impl Default for Settings {
    fn default() -> Self {
        let (header, attribute) = Self::SESSION;
        Self {
            processor: Processor::Unix(Self::SOCKET.to_owned()),
            log_attributes: vec![(header.to_owned(), attribute.to_owned())],
            quota: None,
        }
    }
}

// === impl Processor ===

impl FromStr for Processor {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return path.starts_with('/').then(|| Self::Unix(path.to_owned())).ok_or(NoAddress);
        }
        let (host, port) = text.rsplit_once(':').ok_or(NoAddress)?;
        let host = host.trim_matches(['[', ']']);
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(NoAddress)?;
        if host.is_empty() { Err(NoAddress) } else { Ok(Self::Tcp { host: host.to_owned(), port }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_listen_on_sockets_or_ports() {
        assert_eq!("unix:/run/a.sock".parse(), Ok(Processor::Unix("/run/a.sock".to_owned())));
        assert_eq!("unix:///run/a.sock".parse(), Ok(Processor::Unix("/run/a.sock".to_owned())));
        let tcp = |host: &str, port| Ok(Processor::Tcp { host: host.to_owned(), port });
        assert_eq!("extproc.ai.svc:1063".parse(), tcp("extproc.ai.svc", 1063));
        assert_eq!("[::1]:1063".parse(), tcp("::1", 1063));
        for wrong in ["", "unix:relative", "host", "host:0", ":1", "host:x"] {
            assert_eq!(wrong.parse::<Processor>(), Err(NoAddress), "{wrong}");
        }
    }
}
