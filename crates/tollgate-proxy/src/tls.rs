use tollgate_net::{CertTable, ServerTls, certified_key};
use tollgate_snapshot::{HostPattern, Listener, ListenerTls, Port, PortProtocol};
use tollgate_types::ListenerId;

/// The TLS settings of a port, and what of its certificates cannot be used. `None` on plain ports.
pub(crate) fn of_port(port: &Port) -> (Option<ServerTls>, Vec<(ListenerId, String)>) {
    let mut problems = Vec::new();
    if port.protocol == PortProtocol::Http {
        return (None, problems);
    }
    let mut certs = CertTable::default();
    for listener in &port.listeners {
        add(listener, &mut certs, &mut problems);
    }
    (Some(ServerTls { certs, ..ServerTls::default() }), problems)
}

fn add(listener: &Listener, certs: &mut CertTable, problems: &mut Vec<(ListenerId, String)>) {
    let Some(ListenerTls::Terminate(certificates)) = &listener.tls else { return };
    let name = match &listener.hostname {
        HostPattern::Any => String::new(),
        HostPattern::Wildcard(suffix) => format!("*{suffix}"),
        HostPattern::Exact(name) => name.to_string(),
    };
    for certificate in certificates {
        match certified_key(&certificate.chain, certificate.key.expose()) {
            Ok(key) => certs.insert(&name, key),
            Err(error) => {
                problems.push((listener.id.clone(), format!("secret {}: {error}", certificate.name)))
            }
        }
    }
}
