use prost::Message as _;

use super::*;
use crate::extension::{
    proto::{Cluster, ExternalProcessor, HttpFilter},
    testing::{PROXIED, dns_cluster, eds_cluster, group, plan, route_yaml},
};

const NAME: &str = "httproute/prod/chat/rule/0";

fn dns() -> Message {
    let regions = [0, 1].map(|index| format!("{NAME}/backend/{index}"));
    dns_cluster(NAME, &[group(&regions[0], &["a.example"]), group(&regions[1], &["b.example"])])
}

fn modified(yaml: &str, mut own: Message) -> Message {
    modify(&plan(yaml), &BTreeSet::new(), &mut own).unwrap();
    own
}

fn two() -> String {
    route_yaml(&[("a", 1, 0), ("b", 1, 1)], "")
}

/// The HTTP filters of a cluster.
fn chain(own: &Message) -> Vec<HttpFilter> {
    let typed = own.entry(cluster::PROTOCOL_OPTIONS, filters::HTTP_OPTIONS).unwrap().unwrap();
    let options = proto::held::<HttpProtocolOptions>(&typed).unwrap().unwrap();
    options
        .all(protocol_options::HTTP_FILTERS)
        .map(|filter| HttpFilter::decode(filter.clone()).unwrap())
        .collect()
}

fn names(own: &Message) -> Vec<String> {
    chain(own).into_iter().map(|filter| filter.name).collect()
}

#[test]
fn the_processor_stands_in_front_of_every_attempt() {
    let own = modified(&two(), dns());
    assert_eq!(names(&own), [filters::FILTER, filters::CODEC]);
    assert!(is_processed(&own).unwrap());
    // HTTP/1.1, since Envoy wants a protocol said.
    let options = Cluster::decode(own.encode()).unwrap().typed_extension_protocol_options;
    let options = HttpProtocolOptions::decode(options[filters::HTTP_OPTIONS].value.clone()).unwrap();
    assert!(options.explicit_http_config.unwrap().http_protocol_options.is_some());
    let config = ExternalProcessor::decode(chain(&own)[0].typed_config.clone().unwrap().value).unwrap();
    assert!(!config.failure_mode_allow);
    // Else an upgrade, whose body does not end, would wait for it.
    assert!(config.allow_mode_override);
    let attributes = config.request_attributes.join("\n");
    assert!(attributes.contains("['aigateway.envoy.io']['per_route_rule_backend_name']"), "{attributes}");
    // Envoy 1.40 ends with a segmentation fault when it is asked for this one there.
    assert!(!attributes.contains("xds.node"));
    // What we know nothing of is still there.
    assert_eq!(own.text(4000), "later");
}

#[test]
fn a_second_time_changes_nothing() {
    let once = modified(&two(), dns());
    let twice = modified(&two(), Message::parse(once.encode()).unwrap());
    assert!(!twice.is_changed());
}

#[test]
fn filters_and_protocols_that_are_there_stay() {
    let mut own = dns();
    let mut options = Message::default();
    options.set_bytes(protocol_options::AUTO, "");
    for name in ["envoy.filters.http.credential_injector", filters::CODEC] {
        let typed = if name == filters::CODEC {
            filters::codec()
        } else {
            Bytes::from_static(b"\x0a\x26envoy.filters.http.credential_injector")
        };
        options.push(protocol_options::HTTP_FILTERS, typed);
    }
    let mut typed = Message::default();
    typed.set_bytes(any::TYPE_URL, proto::type_url::<HttpProtocolOptions>());
    typed.set_bytes(any::VALUE, options.encode());
    own.set_entry(cluster::PROTOCOL_OPTIONS, filters::HTTP_OPTIONS, typed.encode()).unwrap();
    let own = modified(&two(), own);
    let want = ["envoy.filters.http.credential_injector", filters::FILTER, filters::CODEC];
    assert_eq!(names(&own), want);
    let options = Cluster::decode(own.encode()).unwrap().typed_extension_protocol_options;
    let options = Message::parse(options[filters::HTTP_OPTIONS].value.clone()).unwrap();
    assert!(options.has(protocol_options::AUTO) && !options.has(protocol_options::EXPLICIT));
}

#[test]
fn clusters_of_others_come_back_as_they_are() {
    let plan = plan(&two());
    for name in ["httproute/prod/web/rule/0", "prometheus", "httproute/prod/chat/rule/7"] {
        let mut own = dns_cluster(name, &[group("", &["x.example"])]);
        modify(&plan, &BTreeSet::new(), &mut own).unwrap();
        assert!(!own.is_changed(), "{name}");
    }
}

#[test]
fn a_cluster_is_one_backends_only_where_there_is_no_other() {
    let whole = |own: &Message| metadata::get(own, cluster::METADATA, BACKEND).unwrap();
    // The endpoints bring their marks; one for all of them would be the wrong one for some.
    assert_eq!(whole(&modified(&two(), eds_cluster(NAME))), None);
    let one = route_yaml(&[("a", 1, 0), ("b", 0, 0)], "");
    let identity = |name: &str, index| Some(format!("prod/{name}/route/chat/rule/0/ref/{index}"));
    assert_eq!(whole(&modified(&one, eds_cluster(NAME))), identity("a", 0));
    let own = format!("{NAME}/backend/1");
    assert_eq!(whole(&modified(&two(), eds_cluster(&own))), identity("b", 1));
}

#[test]
fn a_forward_proxy_wraps_every_socket_once() {
    let yaml = route_yaml(&[("a", 1, 0), ("b", 1, 1)], PROXIED);
    let mut own = dns();
    let tls = proto::TransportSocket { name: "envoy.transport_sockets.tls".to_owned(), typed_config: None };
    let mut matched = Message::default();
    matched.set_bytes(1, "tls/0");
    matched.set_bytes(socket_match::TRANSPORT_SOCKET, proto::bytes(&tls));
    own.push(cluster::SOCKET_MATCHES, matched.encode());
    let own = modified(&yaml, own);
    let own = modified(&yaml, Message::parse(own.encode()).unwrap());
    let sockets = own.messages(cluster::SOCKET_MATCHES).map(|one| one.unwrap().message(3).unwrap().unwrap());
    let mut wrapped: Vec<_> = sockets.collect();
    wrapped.extend(own.message(cluster::TRANSPORT_SOCKET).unwrap());
    let inner: Vec<_> = wrapped
        .into_iter()
        .map(|socket| {
            let socket = proto::TransportSocket::decode(socket.encode()).unwrap();
            assert_eq!(socket.name, PROXY_SOCKET);
            let wrapper = Http11Proxy::decode(socket.typed_config.unwrap().value).unwrap();
            assert_eq!(wrapper.default_proxy_address, Some(Address::socket("proxy.example", 3128)));
            wrapper.transport_socket.map(|inner| proto::TransportSocket::decode(inner).unwrap().name)
        })
        .collect();
    assert_eq!(inner, [Some(tls.name), None]);
}

#[test]
fn nothing_goes_around_a_proxy_that_is_not_understood() {
    let yaml = route_yaml(&[("a", 1, 0)], &PROXIED.replace("proxy.example:3128", "proxy.example"));
    let own = modified(&yaml, eds_cluster(NAME));
    // The processor refuses what belongs to nobody.
    assert!(is_processed(&own).unwrap());
    assert_eq!(metadata::get(&own, cluster::METADATA, BACKEND).unwrap(), None);
}

#[test]
fn the_processor_is_told_what_credentials_are_in_and_no_more() {
    let policy = "apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {name: keys, namespace: prod}
spec:
  type: APIKey
  apiKey: {secretRef: {name: key}}
  credentialOverride: {fromDynamicMetadata: {namespace: envoy.filters.http.jwt_authn, key: login.key}}
  targetRefs: [{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: b}]
";
    let forwarded = |yaml: &str| {
        let filter = chain(&modified(yaml, dns())).remove(0);
        let options = ExternalProcessor::decode(filter.typed_config.unwrap().value).unwrap().metadata_options;
        let options = options.unwrap();
        assert!(options.receiving_namespaces.is_some_and(|namespaces| !namespaces.untyped.is_empty()));
        options.forwarding_namespaces.map(|namespaces| namespaces.untyped)
    };
    let told = route_yaml(&[("a", 1, 0), ("b", 1, 1)], policy);
    assert_eq!(forwarded(&told), Some(vec!["envoy.filters.http.jwt_authn".to_owned()]));
    assert_eq!(forwarded(&route_yaml(&[("a", 1, 0)], policy)), None);
}
