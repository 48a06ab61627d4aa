use std::sync::Arc;

use http::uri::Authority;
use tollgate_resources::{Gateway, GatewayConfig, Object};
use tollgate_snapshot::{ForwardProxy, Problem};
use tollgate_types::Secret;

use crate::{
    Fault,
    listeners::CONFIG_ANNOTATION,
    notes::{At, Notes},
    tls::keys_of,
    world::World,
};

/// The annotation by which a GatewayConfig names the Secret of its namespace that has `username` and `password` for
/// its proxy. The API has no field for them.
const SECRET_ANNOTATION: &str = "tollgate.dev/forward-proxy-secret";

/// What requests for providers go through; a problem where that is wanted and cannot be.
pub(crate) type Proxy = Result<Option<Arc<ForwardProxy>>, Arc<Problem>>;

/// The proxy that the GatewayConfig of a Gateway names.
pub(crate) fn of(world: &World<'_>, gateway: &Object<Gateway>, notes: &mut Notes) -> Proxy {
    let name = gateway.meta.annotations.get(CONFIG_ANNOTATION);
    let config = name.and_then(|name| world.gateway_configs.find(&gateway.meta.namespace, name));
    let Some(config) = config else { return Ok(None) };
    let Some(spec) = &config.spec.forward_proxy else { return Ok(None) };
    let at = At::new(config, "spec.forwardProxy.address");
    let (host, port) = address(&spec.address).map_err(|fault| notes.error(&at, fault))?;
    let at = At::new(config, format!("metadata.annotations[\"{SECRET_ANNOTATION}\"]"));
    let user = user(world, config).map_err(|fault| notes.error(&at, fault))?;
    Ok(Some(Arc::new(ForwardProxy { host, port, user })))
}

fn address(text: &str) -> Result<(Arc<str>, u16), Fault> {
    let authority = text.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@'));
    let host = authority.as_ref().map(Authority::host).filter(|host| !host.is_empty());
    let port = authority.as_ref().and_then(Authority::port_u16).filter(|port| *port != 0);
    match (host, port) {
        (Some(host), Some(port)) => Ok((host.trim_matches(['[', ']']).to_ascii_lowercase().into(), port)),
        _ => Err(Fault::new("invalid-address", "the address of a forward proxy is host:port")),
    }
}

fn user(world: &World<'_>, config: &Object<GatewayConfig>) -> Result<Option<(Secret, Secret)>, Fault> {
    let Some(name) = config.meta.annotations.get(SECRET_ANNOTATION) else { return Ok(None) };
    let namespace = &*config.meta.namespace;
    let secret = world.secrets.get(namespace, name)?;
    let key = |key: &str| {
        secret.spec.data.get(key).cloned().ok_or_else(|| {
            Fault::new("secret-key-not-found", format!("Secret {namespace}/{name} has no key {key}"))
                .help(keys_of(&secret.spec))
        })
    };
    Ok(Some((key("username")?, key("password")?)))
}
