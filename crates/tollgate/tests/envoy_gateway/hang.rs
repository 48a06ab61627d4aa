//! The hang that people have met with an InferencePool behind other gateways, made anew with a stand-in: what goes
//! wrong there, and what each Envoy makes of it. The same listeners with ours are in `pools.rs`.
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::ClientConfig;
use tempfile::TempDir;
use tollgate_simulate::Simulator;
use tollgate_testkit::{
    envoy::{self, Alone},
    process::free_port,
    processor::{Manner, Place, Processor, Serve},
};

use crate::setting::{Pem, ask_tls, chat};

/// Requests of the report that this repeats.
const REQUESTS: u64 = 7;
/// Of the route, in seconds; 60 in the report.
const ROUTE_TIMEOUT: u64 = 3;
const SOON: Duration = Duration::from_secs(2);

/// A chain of a listener, in the listener's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    /// HTTPS for this name.
    Https(&'static str),
    /// Passes TLS on.
    Tcp,
}

const WILDCARD: Chain = Chain::Https("*.pools.test");
const BARE: Chain = Chain::Https("pools.test");

/// What such a gateway puts into a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Router {
    /// The filter is in the chain, and on.
    On,
    /// The filter is in the chain, and no route switches it on.
    Off,
    Absent,
}

/// The rule of Envoy AI Gateway 0.4: it looks at chains until the first one without HTTP, and switches the filter on in
/// the first route configuration of the listener. The endpoint picker's filter is put into every chain.
fn faulty(chains: &[Chain]) -> Vec<Router> {
    let mut ended = false;
    let mut enabled = false;
    let of = |chain: &Chain| {
        ended |= *chain == Chain::Tcp;
        match (ended, std::mem::replace(&mut enabled, true)) {
            (true, _) => Router::Absent,
            (false, true) => Router::Off,
            (false, false) => Router::On,
        }
    };
    chains.iter().map(of).collect()
}

/// All processes of a test, and what they say.
struct World {
    folder: TempDir,
    port: u16,
    tls: Arc<ClientConfig>,
    envoy: Alone,
    picker: Processor,
    pod: Simulator,
    _processor: Processor,
}

// === impl World ===

impl World {
    fn start(envoy: &Path, chains: &[Chain]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pod = Simulator::start().unwrap();
        let picker = Processor::start(&Place::Port, Manner::Pick(pod.address().to_string())).unwrap();
        let socket = folder.path().join("processor.sock");
        let serve = Serve { model: "llama".to_owned(), fault: None, tied: true };
        let processor = Processor::start(&Place::Socket(socket), Manner::Serve(serve)).unwrap();
        let port = free_port().unwrap();
        let (pem, tls) = Pem::new();
        let config = bootstrap(chains, port, &pem, (folder.path(), picker.port));
        let envoy = Alone::start(envoy, folder.path(), &config).unwrap();
        Self { folder, port, tls, envoy, picker, pod, _processor: processor }
    }

    /// Sends the requests of the report, and gives what all of them were answered with and how long the slowest took.
    fn ask(&self, host: &str) -> (u16, Duration) {
        let ask = chat("llama", &[("x-ai-eg-model", "llama")]);
        let mut statuses = Vec::new();
        let mut slowest = Duration::ZERO;
        for _ in 0..REQUESTS {
            let began = Instant::now();
            statuses.push(ask_tls(&self.tls, self.port, host, &ask).status);
            slowest = slowest.max(began.elapsed());
        }
        statuses.dedup();
        assert_eq!(statuses.len(), 1, "{statuses:?}");
        (statuses[0], slowest)
    }

    fn counted(&self) -> Counted {
        let counters = self.envoy.counters();
        let upstream = |name: &str| {
            let own = |(key, _): &(&String, &u64)| {
                key.starts_with("cluster.pool.") && key.ends_with(&format!("ext_proc.{name}"))
            };
            counters.iter().find(own).map_or(0, |(_, count)| *count)
        };
        Counted {
            sent: upstream("stream_msgs_sent"),
            received: upstream("stream_msgs_received"),
            failed: upstream("streams_failed"),
            asked: counters.get("cluster.extproc.upstream_rq_total").copied().unwrap_or_default(),
            picked: self.picker.streams(),
            served: self.pod.stats().requests,
        }
    }

    fn details(&self) -> BTreeMap<String, usize> {
        let path = self.folder.path().join("access.log");
        let mut counted = BTreeMap::new();
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            *counted.entry(line.to_owned()).or_default() += 1;
        }
        counted
    }
}

/// What was counted, of the upstream level where nothing else is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    sent: u64,
    received: u64,
    failed: u64,
    /// Streams to the processor, of both levels.
    asked: u64,
    /// Streams to the endpoint picker.
    picked: u64,
    /// Requests that reached a pod.
    served: u64,
}

/// Both levels on one cluster, the picker between them, and a pool that goes where the picker's header says.
fn bootstrap(chains: &[Chain], port: u16, pem: &Pem, (folder, picker): (&Path, u16)) -> String {
    let routers = faulty(chains);
    let chains = chains.iter().zip(routers).map(|(chain, router)| match chain {
        Chain::Https(host) => https(host, router, pem, folder),
        Chain::Tcp => "    - filter_chain_match: {server_names: [tcp.pools.test]}
      filters:
      - {name: tcp, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: tcp, cluster: picker}}
"
        .to_owned(),
    });
    format!(
        "static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    listener_filters:
    - {{name: tls, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}}}
    filter_chains:
{chains}  clusters:
  - name: pool
    type: ORIGINAL_DST
    lb_policy: CLUSTER_PROVIDED
    original_dst_lb_config: {{use_http_header: true, http_header_name: x-gateway-destination-endpoint}}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http_protocol_options: {{}}}}
        http_filters:
        - name: envoy.filters.http.ext_proc/aigateway
          typed_config:
            '@type': type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
            grpc_service: {{envoy_grpc: {{cluster_name: extproc}}, timeout: 30s}}
            message_timeout: 10s
            processing_mode: {{request_header_mode: SEND, request_body_mode: NONE, response_header_mode: SKIP, response_body_mode: NONE}}
        - {{name: codec, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec}}}}
{extproc}{picker}",
        chains = chains.collect::<String>(),
        extproc = grpc("extproc", &format!("pipe: {{path: '{}'}}", folder.join("processor.sock").display())),
        picker = grpc("picker", &format!("socket_address: {{address: 127.0.0.1, port_value: {picker}}}")),
    )
}

fn grpc(name: &str, address: &str) -> String {
    format!(
        "  - name: {name}
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{{address}}}}}}}]}}]}}
"
    )
}

fn https(host: &str, router: Router, pem: &Pem, folder: &Path) -> String {
    let on = "envoy.filters.http.ext_proc/aigateway: {'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig, config: {}}";
    let on = if router == Router::On { on } else { "" };
    let filter = "          - name: envoy.filters.http.ext_proc/aigateway
            disabled: true
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
              grpc_service: {envoy_grpc: {cluster_name: extproc}}
              message_timeout: 10s
              processing_mode: {request_header_mode: SEND, request_body_mode: BUFFERED, response_header_mode: SEND, response_body_mode: BUFFERED}
";
    let filter = if router == Router::Absent { "" } else { filter };
    let Pem { certificate, key } = pem;
    format!(
        "    - filter_chain_match: {{server_names: ['{host}']}}
      transport_socket:
        name: tls
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context: {{tls_certificates: [{{certificate_chain: {{inline_string: {certificate:?}}}, private_key: {{inline_string: {key:?}}}}}]}}
      filters:
      - name: http
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
          access_log:
          - name: file
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: '{log}'
              log_format: {{text_format_source: {{inline_string: \"%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\\n\"}}}}
          route_config:
            name: '{host}'
            virtual_hosts:
            - name: any
              domains: ['*']
              routes:
              - match: {{prefix: /, headers: [{{name: x-ai-eg-model, string_match: {{exact: llama}}}}]}}
                route: {{cluster: pool, timeout: {ROUTE_TIMEOUT}s}}
                typed_per_filter_config: {{{on}}}
              - match: {{prefix: /}}
                direct_response: {{status: 404}}
                typed_per_filter_config: {{{on}}}
          http_filters:
{filter}          - name: envoy.filters.http.ext_proc/endpointpicker
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
              grpc_service: {{envoy_grpc: {{cluster_name: picker}}}}
              message_timeout: 300s
              processing_mode: {{request_header_mode: SEND, request_body_mode: FULL_DUPLEX_STREAMED, request_trailer_mode: SEND, response_header_mode: SEND, response_body_mode: FULL_DUPLEX_STREAMED, response_trailer_mode: SEND}}
              metadata_options: {{receiving_namespaces: {{untyped: [envoy.lb]}}}}
          - {{name: router, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}}
",
        log = folder.join("access.log").display()
    )
}

/// Whether an `ext_proc` filter at the upstream level loses its local replies: until Envoy 1.35.
fn swallows(envoy: &Path) -> bool {
    envoy::minor(envoy).is_some_and(|minor| minor < 36)
}

/// Listeners in an order, and a name of each: does it work?
type Case = (&'static [Chain], &'static [(&'static str, bool)]);

const CASES: [Case; 3] = [
    (&[WILDCARD, BARE], &[("a.pools.test", true), ("pools.test", false)]),
    (&[BARE, WILDCARD], &[("pools.test", true), ("a.pools.test", false)]),
    (&[Chain::Tcp, WILDCARD, BARE], &[("a.pools.test", false), ("pools.test", false)]),
];

fn seven_fail_where_the_router_level_is_missing(version: &str) {
    let Some(envoy) = envoy::envoy(version) else {
        return eprintln!(
            "skipped: Envoy {version} is not installed: cargo xtask envoy, or TOLLGATE_ENVOY=PATH"
        );
    };
    for (chains, names) in CASES {
        for (host, works) in names {
            let world = World::start(&envoy, chains);
            let (status, slowest) = world.ask(host);
            let counted = world.counted();
            let about = format!("{chains:?}, {host}: {slowest:?}, {counted:?}, {:?}", world.details());
            eprintln!("{about}");
            let n = REQUESTS;
            let all = Counted { sent: n, received: n, asked: 2 * n, picked: n, served: n, failed: 0 };
            // As in the report: the picker was asked, the processor was asked once, and the pod never.
            let reported = Counted { sent: n, received: 0, failed: n, asked: n, picked: n, served: 0 };
            assert_eq!(counted, if *works { all } else { reported }, "{about}");
            match (*works, swallows(&envoy)) {
                (true, _) => assert_eq!(status, 200, "{about}"),
                (false, false) => assert!(status == 500 && slowest < SOON, "{about}"),
                (false, true) => {
                    assert_eq!(status, 504, "{about}");
                    assert!(slowest >= Duration::from_secs(ROUTE_TIMEOUT), "{about}");
                }
            }
        }
    }
}

#[test]
fn levels_that_are_tied_by_memory_fail_where_one_of_them_is_missing() {
    seven_fail_where_the_router_level_is_missing("1.40");
}

#[test]
fn levels_that_are_tied_by_memory_fail_in_envoy_1_36() {
    seven_fail_where_the_router_level_is_missing("1.36");
}

/// There is no wheel of it: name a binary, or put one where `cargo xtask envoy` puts others.
#[test]
fn levels_that_are_tied_by_memory_hang_in_envoy_1_35() {
    seven_fail_where_the_router_level_is_missing("1.35");
}
