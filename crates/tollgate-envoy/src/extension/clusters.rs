//! Clusters of AI backends: whose they are, how they are reached, and the processor in front of every attempt.
use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use super::{
    endpoints,
    fields::{any, cluster, ext_proc, http_filter, protocol_options, socket_match, transport_socket},
    filters,
    metadata::{self, BACKEND, POOL},
    plan::{Key, Place, Plan},
    proto::{self, Address, Any, Empty, ExplicitHttpConfig, Http11Proxy, HttpProtocolOptions},
    wire::{Malformed, Message},
};

#[cfg(test)]
mod tests;

const PROXY_SOCKET: &str = "envoy.transport_sockets.http_11_proxy";

/// Makes a cluster of an AI backend ours; any other stays as it is. `here` are the Gateways that are translated.
pub(super) fn modify(plan: &Plan, here: &BTreeSet<Key>, own: &mut Message) -> Result<(), Malformed> {
    let name = own.text(cluster::NAME).to_owned();
    let Some(place) = plan.cluster(&name) else { return Ok(()) };
    let pool = metadata::get(own, cluster::METADATA, POOL)?.is_some();
    let proxy = plan.proxy(place.route, here).filter(|_| !pool);
    // Where a proxy is wanted and not understood, nobody learns whose the endpoints are, and nothing is sent.
    if !matches!(proxy, Some(None)) {
        identify(place, &name, own)?;
    }
    if let Some(Some((host, port))) = proxy {
        let address = Address::socket(host, *port);
        through(&address, own)?;
        if own.has(cluster::LOAD_ASSIGNMENT) {
            own.edit(cluster::LOAD_ASSIGNMENT, |load| endpoints::through(&address, load))?;
        }
    }
    processed(plan, own)
}

/// Marks the endpoints with their backends, or the cluster as a whole where all of it is one backend's.
fn identify(place: Place<'_>, name: &str, own: &mut Message) -> Result<(), Malformed> {
    if own.has(cluster::LOAD_ASSIGNMENT) && own.uint(cluster::TYPE) != cluster::ORIGINAL_DST_TYPE {
        own.edit(cluster::LOAD_ASSIGNMENT, |load| endpoints::stamp(place, name, load))?;
    }
    let only = match place.backend {
        Some(index) => place.rule.refs.get(index),
        None => place.rule.only(),
    };
    match only {
        Some(only) => metadata::put(own, cluster::METADATA, BACKEND, &only.identity),
        // Endpoints come by themselves (EDS), and bring their marks along.
        None => Ok(()),
    }
}

/// Sends everything through a forward proxy.
fn through(address: &Address, own: &mut Message) -> Result<(), Malformed> {
    own.edit_each(cluster::SOCKET_MATCHES, |_, one| wrap(address, one, socket_match::TRANSPORT_SOCKET))?;
    wrap(address, own, cluster::TRANSPORT_SOCKET)
}

fn wrap(address: &Address, holder: &mut Message, field: u32) -> Result<(), Malformed> {
    let inner = holder.message(field)?;
    if inner.as_ref().is_some_and(|socket| socket.text(transport_socket::NAME) == PROXY_SOCKET) {
        return Ok(());
    }
    let wrapped = Http11Proxy {
        transport_socket: inner.map(|socket| socket.encode()),
        default_proxy_address: Some(address.clone()),
    };
    let socket =
        proto::TransportSocket { name: PROXY_SOCKET.to_owned(), typed_config: Some(Any::of(&wrapped)) };
    holder.set_bytes(field, proto::bytes(&socket));
    Ok(())
}

/// Puts the processor in front of every attempt. It is told what the credentials of the cluster's backends are in.
pub(super) fn processed(plan: &Plan, own: &mut Message) -> Result<(), Malformed> {
    let told = plan.cluster(own.text(cluster::NAME)).map(|place| &place.rule.told);
    let filter = told_of(told.into_iter().flatten(), filters::upstream_level())?;
    own.edit_entry(cluster::PROTOCOL_OPTIONS, filters::HTTP_OPTIONS, |typed| {
        if typed.text(any::TYPE_URL).is_empty() {
            typed.set_bytes(any::TYPE_URL, proto::type_url::<HttpProtocolOptions>());
        } else if !proto::is::<HttpProtocolOptions>(typed) {
            return Ok(());
        }
        typed.edit(any::VALUE, |options| {
            speak_http1(options);
            add_filters(filter, options)
        })
    })
}

/// Options without a protocol are refused by Envoy; HTTP/1.1 is what a cluster without options speaks.
fn speak_http1(options: &mut Message) {
    use protocol_options::{AUTO, DOWNSTREAM, EXPLICIT};
    if [EXPLICIT, DOWNSTREAM, AUTO].iter().any(|protocol| options.has(*protocol)) {
        return;
    }
    let http1 = ExplicitHttpConfig { http_protocol_options: Some(Empty {}), http2_protocol_options: None };
    options.set_bytes(EXPLICIT, proto::bytes(&http1));
}

fn add_filters(filter: Bytes, options: &mut Message) -> Result<(), Malformed> {
    let mut chain = Vec::new();
    for filter in options.messages(protocol_options::HTTP_FILTERS) {
        chain.push(filter?);
    }
    if chain.iter().any(|filter| filter.text(http_filter::NAME) == filters::FILTER) {
        return Ok(());
    }
    let codec = match chain.last() {
        Some(last) if is_codec(last)? => chain.len() - 1,
        Some(_) | None => chain.len(),
    };
    options.insert(protocol_options::HTTP_FILTERS, codec, filter);
    if codec == chain.len() {
        options.push(protocol_options::HTTP_FILTERS, filters::codec());
    }
    Ok(())
}

/// The processor's filter that forwards these namespaces of dynamic metadata. They go with every message, so only those
/// that are needed do.
fn told_of<'a>(namespaces: impl Iterator<Item = &'a Arc<str>>, filter: Bytes) -> Result<Bytes, Malformed> {
    let mut namespaces = namespaces.peekable();
    if namespaces.peek().is_none() {
        return Ok(filter);
    }
    let mut filter = Message::parse(filter)?;
    filter.edit(http_filter::CONFIG, |typed| {
        typed.edit(any::VALUE, |processor| {
            processor.edit(ext_proc::METADATA_OPTIONS, |options| {
                options.edit(ext_proc::FORWARDING, |forwarding| {
                    namespaces.for_each(|name| forwarding.push(ext_proc::UNTYPED, name.as_bytes().to_vec()));
                    Ok(())
                })
            })
        })
    })?;
    Ok(filter.encode())
}

fn is_codec(filter: &Message) -> Result<bool, Malformed> {
    let config = filter.message(http_filter::CONFIG)?.unwrap_or_default();
    Ok(proto::is::<proto::UpstreamCodec>(&config))
}

/// True where the processor stands in front of every attempt.
pub(super) fn is_processed(own: &Message) -> Result<bool, Malformed> {
    let Some(typed) = own.entry(cluster::PROTOCOL_OPTIONS, filters::HTTP_OPTIONS)? else { return Ok(false) };
    let Some(options) = proto::held::<HttpProtocolOptions>(&typed)? else { return Ok(false) };
    for filter in options.messages(protocol_options::HTTP_FILTERS) {
        if filter?.text(http_filter::NAME) == filters::FILTER {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Adds a cluster unless there is one of its name.
pub(super) fn add(clusters: &mut Vec<Message>, bytes: Bytes) -> Result<(), Malformed> {
    let new = Message::parse(bytes)?;
    if !clusters.iter().any(|old| old.text(cluster::NAME) == new.text(cluster::NAME)) {
        clusters.push(new);
    }
    Ok(())
}
