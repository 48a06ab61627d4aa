use std::sync::Arc;

use tollgate_types::{ListenerId, Secret};

use crate::{AccessLogSettings, ClientSettings, Guard, HostPattern, HostTable, Problem};

/// One local port and every listener that shares it.
#[derive(Debug)]
pub struct Port {
    /// The Gateway's port, before `--port-map`.
    pub number: u16,
    /// Plain or TLS; listeners of one port agree on it.
    pub protocol: PortProtocol,
    /// What holds for its connections as long as it is unknown which listener they are for: for good on plain
    /// ports, and until the server name is there on TLS ports.
    pub client: Arc<ClientSettings>,
    /// Most specific hostname first.
    pub listeners: Vec<Arc<Listener>>,
}

/// What is spoken on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortProtocol {
    /// HTTP/1.1 and HTTP/2 without TLS
    Http,
    /// HTTP/1.1 and HTTP/2 over TLS
    Https,
}

/// One Gateway listener and the routes attached to it.
#[derive(Debug)]
pub struct Listener {
    /// Who it is.
    pub id: ListenerId,
    /// Which hosts it claims.
    pub hostname: HostPattern,
    /// Its certificates; `None` on plain ports.
    pub tls: Option<ListenerTls>,
    /// Who may send requests that no route takes.
    pub guard: Guard,
    /// What holds for connections that ask for its hosts by server name. Plain ports go by [`Port::client`].
    pub client: Arc<ClientSettings>,
    /// What is logged of its requests, where its Gateway's EnvoyProxy says so; else they go to the process's own log.
    pub access_log: Option<Arc<AccessLogSettings>>,
    /// Its routes by host.
    pub hosts: HostTable,
}

/// TLS of one listener.
#[derive(Debug)]
pub enum ListenerTls {
    /// Terminated here.
    Terminate(Vec<Certificate>),
    /// No usable certificate: handshakes for its hosts are refused.
    Invalid(Arc<Problem>),
}

/// A certificate chain and its key, as the Secret has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// `namespace/name` of the Secret.
    pub name: Arc<str>,
    /// `tls.crt`, PEM.
    pub chain: Arc<[u8]>,
    /// `tls.key`, PEM.
    pub key: Secret,
}

// === impl Port ===

impl Port {
    /// The listener that claims this host (lower case, no port), the most specific one.
    #[must_use]
    pub fn listener(&self, host: &str) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| listener.hostname.matches(host))
    }

    /// What holds for a connection: that of the listener which its TLS server name (lower case) asks for, or of the
    /// one for every host where it asks for none; else the port's.
    #[must_use]
    pub fn client(&self, server_name: Option<&str>) -> &Arc<ClientSettings> {
        let named = match self.protocol {
            PortProtocol::Http => None,
            // No host is called the empty string, so only a listener for every host claims it.
            PortProtocol::Https => self.listener(server_name.unwrap_or_default()),
        };
        named.map_or(&self.client, |listener| &listener.client)
    }
}
