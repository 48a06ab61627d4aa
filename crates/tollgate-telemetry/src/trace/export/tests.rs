use std::{convert::Infallible, net::SocketAddr, path::Path, sync::mpsc};

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer, server::WebPkiClientVerifier};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{KeyValue, any_value},
    logs::v1::LogRecord,
    trace::v1::Span,
};
use tollgate_core::Live;
use tollgate_net::Protocol;
use tollgate_snapshot::{
    AccessLogRule, AccessLogSettings, Address, AddressHost, Format, LogScope, OtlpCollector, Upstream,
    UpstreamProtocol,
};

use super::*;
use crate::trace::Shape;
use crate::{
    Options, Telemetry, TraceSettings,
    testing::{live, live_logging, options, request},
};

type Taken = (HeaderMap, Bytes);

/// A collector on a free port: answers 200 (gRPC: status 0) and tells what it got.
fn collector() -> (SocketAddr, mpsc::Receiver<Taken>) {
    collector_behind(None)
}

fn collector_behind(tls: Option<TlsAcceptor>) -> (SocketAddr, mpsc::Receiver<Taken>) {
    let ((told, address), (take, taken)) = (mpsc::channel(), mpsc::channel());
    // Ends with the test's process.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (take, tls) = (take.clone(), tls.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        let first = &mut [0; 3];
                        stream.peek(first).await.unwrap();
                        // HTTP/2 begins with `PRI`.
                        return take_over(stream, first == b"PRI", take).await;
                    };
                    // Whoever does not believe us, or is not believed, leaves.
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    take_over(stream, http2, take).await;
                });
            }
        });
    });
    (address.recv().unwrap(), taken)
}

async fn take_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    http2: bool,
    take: mpsc::Sender<Taken>,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let take = take.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            take.send((head.headers, body)).unwrap();
            let answer = Response::builder().header("grpc-status", "0");
            Ok::<_, Infallible>(answer.body(Full::new(Bytes::new())).unwrap())
        }
    });
    let io = TokioIo::new(stream);
    let _ = if http2 {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.serve_connection(io, answer).await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(io, answer).await
    };
}

/// TLS with both protocols, for clients with this certificate alone.
fn acceptor(own: &CertifiedKey<rcgen::KeyPair>, client: &CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(client.cert.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(clients.build().unwrap());
    let mut config = config.with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config).into()
}

fn tracing(set: &[(&str, &str)]) -> Telemetry {
    let lookup = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let traces = TraceSettings::from_env(&lookup).unwrap();
    assert!(traces.is_some());
    Telemetry::start(Options { traces, ..options() }).unwrap()
}

fn at_loopback(upstream: &Upstream) -> Vec<Origin> {
    let ports = upstream.addresses.iter().map(|address| address.port);
    ports.map(|port| Origin::new("127.0.0.1", port, Protocol::Http2, None)).collect()
}

/// Telemetry and a snapshot whose listener logs to these ports, the first that answers.
fn logging(format: Format, ports: &[u16]) -> (Telemetry, Arc<Live>) {
    let address = |port: &u16| Address {
        host: AddressHost::Ip(std::net::Ipv4Addr::LOCALHOST.into()),
        port: *port,
        hostname: None,
        zone: None,
    };
    let upstream = Upstream {
        addresses: ports.iter().map(address).collect(),
        tls: None,
        protocol: UpstreamProtocol::Http2,
    };
    let collector = OtlpCollector {
        upstream,
        resource: vec![("env".into(), "test".into())],
        headers: vec![("x-tenant".parse().unwrap(), "a".parse().unwrap())],
    };
    let rule = AccessLogRule {
        scope: LogScope::All,
        filters: Vec::new(),
        format,
        files: Vec::new(),
        collectors: vec![Arc::new(collector)],
    };
    let telemetry = Telemetry::start(Options { origins: at_loopback, ..options() }).unwrap();
    let live = live_logging(Some(Arc::new(AccessLogSettings::new(vec![rule]))));
    telemetry.publish(&live);
    (telemetry, live)
}

fn logs_of(body: &[u8]) -> (Vec<KeyValue>, Vec<LogRecord>) {
    // gRPC's prefix goes before.
    let mut request = ExportLogsServiceRequest::decode(&body[5..]).unwrap();
    let mut logs = request.resource_logs.remove(0);
    (logs.resource.unwrap().attributes, logs.scope_logs.remove(0).log_records)
}

fn pairs(attributes: &[KeyValue]) -> Vec<(&str, &str)> {
    let value = |one: &KeyValue| match one.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|one| (&*one.key, &*value(one).leak())).collect()
}

#[test]
fn lines_of_a_listener_go_to_the_first_collector_that_answers() {
    let (address, taken) = collector();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let format = Format::json([("code", "%RESPONSE_CODE%"), ("missing", "%REQ(X-MISSING)%")]).unwrap();
    let (telemetry, live) = logging(format, &[nobody, address.port()]);
    telemetry.observe(&request(&live).answered(0, 200).settled());
    telemetry.observe(&request(&live).answered(0, 404).settled());
    telemetry.flush(Duration::from_secs(20));
    let (headers, body) = taken.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(
        (&headers["x-tenant"], &headers["content-type"]),
        (&"a".parse().unwrap(), &"application/grpc".parse().unwrap())
    );
    let (resource, lines) = logs_of(&body);
    assert_eq!(pairs(&resource), [("env", "test"), ("service.name", "ai-gateway")]);
    let said: Vec<_> = lines.iter().map(|line| pairs(&line.attributes)).collect();
    assert_eq!(said, [[("code", "200"), ("missing", "-")], [("code", "404"), ("missing", "-")]]);
    assert_eq!(lines[0].trace_id, [0xab; 16]);
    assert_eq!(lines[0].observed_time_unix_nano - lines[0].time_unix_nano, 120_000_000);
    assert!(telemetry.metrics().contains("tollgate_access_log_dropped_total 0\n"));
}

#[test]
fn a_line_that_is_a_text_is_the_body_and_one_that_nobody_takes_is_counted() {
    let (address, taken) = collector();
    let (telemetry, live) =
        logging(Format::parse("%RESPONSE_CODE% for %REQ(:METHOD)%").unwrap(), &[address.port()]);
    telemetry.observe(&request(&live).answered(0, 200).settled());
    telemetry.flush(Duration::from_secs(20));
    let (_, lines) = logs_of(&taken.recv_timeout(Duration::from_secs(10)).unwrap().1);
    let text = any_value::Value::StringValue("200 for POST".to_owned());
    assert_eq!(lines[0].body.as_ref().unwrap().value, Some(text));
    let (telemetry, live) = logging(Format::parse("%RESPONSE_CODE%").unwrap(), &[]);
    telemetry.observe(&request(&live).answered(0, 200).settled());
    telemetry.flush(Duration::from_secs(20));
    assert!(telemetry.metrics().contains("tollgate_access_log_dropped_total 1\n"));
}

fn metrics_of(message: &[u8]) -> (Vec<KeyValue>, Vec<String>) {
    let mut request = ExportMetricsServiceRequest::decode(message).unwrap();
    let mut metrics = request.resource_metrics.remove(0);
    let names = metrics.scope_metrics.remove(0).metrics.into_iter().map(|metric| metric.name);
    (metrics.resource.unwrap().attributes, names.collect())
}

#[test]
fn counts_are_sent_to_the_collector_of_the_environment() {
    let (address, taken) = collector();
    let endpoint = format!("http://{address}");
    let set = [
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", endpoint.as_str()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_SERVICE_NAME", "edge"),
    ];
    let lookup = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let metrics = crate::MetricSettings::from_env(&lookup).unwrap();
    let telemetry = Arc::new(Telemetry::start(Options { metrics, ..options() }).unwrap());
    telemetry.push_metrics().unwrap();
    // Again and again, without anybody asking.
    for _ in 0..2 {
        let (headers, body) = taken.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let (resource, names) = metrics_of(&body);
        assert_eq!(pairs(&resource), [("service.name", "edge")]);
        assert!(names.iter().any(|name| name == "tollgate_ready"), "{names:?}");
    }
    assert!(telemetry.metrics().contains("tollgate_metrics_pushed_total{result=\"sent\"}"));
}

#[test]
fn counts_are_sent_to_sinks_of_the_resources_as_long_as_they_are_named() {
    let (address, taken) = collector();
    let place = Address {
        host: AddressHost::Ip(std::net::Ipv4Addr::LOCALHOST.into()),
        port: address.port(),
        hostname: None,
        zone: None,
    };
    let upstream = Upstream { addresses: vec![place], tls: None, protocol: UpstreamProtocol::Http2 };
    let headers = vec![("x-tenant".parse().unwrap(), "a".parse().unwrap())];
    let collector = OtlpCollector { upstream, resource: Vec::new(), headers };
    let sink = tollgate_snapshot::MetricSink { collector, counter_deltas: true, histogram_deltas: false };
    let telemetry = Telemetry::start(Options { origins: at_loopback, ..options() }).unwrap();
    let mut sending = live();
    Arc::get_mut(&mut sending).unwrap().snapshot.settings.reports.metric_sinks = vec![sink];
    telemetry.publish(&sending);
    telemetry.observe(&request(&sending).asks("gpt-4o-mini").answered(0, 200).settled());
    telemetry.flush(Duration::from_secs(20));
    let (headers, body) = taken.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(
        (&headers["x-tenant"], &headers["content-type"]),
        (&"a".parse().unwrap(), &"application/grpc".parse().unwrap())
    );
    let (resource, names) = metrics_of(&body[5..]);
    assert_eq!(pairs(&resource), [("service.name", "ai-gateway")]);
    assert!(names.iter().any(|name| name == "gen_ai.server.request.duration"), "{names:?}");
    telemetry.publish(&live());
    telemetry.flush(Duration::from_secs(20));
    assert!(taken.try_recv().is_err());
    // What was sent to one that is gone stays counted.
    assert!(telemetry.metrics().contains("tollgate_metrics_pushed_total{result=\"sent\"}"));
}

fn send_one(telemetry: &Telemetry) {
    let live = live();
    let settled = request(&live)
        .header("authorization", b"Bearer sk-1")
        .asks("gpt-4o-mini")
        .fails(0, tollgate_core::Failure::Reset)
        .answered(1, 200)
        .served("claude-opus", [12, 34])
        .streamed();
    telemetry.observe(&settled.settled());
    telemetry.flush(Duration::from_secs(10));
}

fn spans_of(message: &[u8]) -> Vec<Span> {
    let mut request = ExportTraceServiceRequest::decode(message).unwrap();
    request.resource_spans.remove(0).scope_spans.remove(0).spans
}

#[test]
fn a_request_becomes_a_span_with_one_below_it_per_attempt() {
    let (address, taken) = collector();
    let telemetry = tracing(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b"),
    ]);
    send_one(&telemetry);
    let (headers, body) = taken.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(
        (&headers["x-tenant"], &headers["content-type"]),
        (&"a b".parse().unwrap(), &"application/x-protobuf".parse().unwrap())
    );
    assert!(!String::from_utf8_lossy(&body).contains("sk-1"));
    let spans = spans_of(&body);
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["ChatCompletion", "attempt 1", "attempt 2"]);
    assert_eq!(spans[0].trace_id, [0xab; 16]);
    assert!(spans[1..].iter().all(|span| span.parent_span_id == spans[0].span_id));
    assert_ne!(spans[1].span_id, spans[2].span_id);
    assert_eq!(spans[0].end_time_unix_nano - spans[0].start_time_unix_nano, 120_000_000);
    let keys: Vec<_> = spans[0].attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert!(keys.contains(&"llm.token_count.prompt") && keys.contains(&"llm.model_name"), "{keys:?}");
    assert!(telemetry.metrics().contains("tollgate_spans_total{result=\"sent\"} 3\n"));
}

#[test]
fn a_failed_request_is_an_exception_and_a_stream_tells_when_it_began() {
    let live = live();
    let events = |settled: &tollgate_core::Settled| -> Vec<(String, u64, Vec<String>)> {
        let shape = Shape { vocabulary: crate::Vocabulary::OpenInference, hidden: crate::Hidden::default() };
        let span = crate::trace::spans(settled, shape, &[]).remove(0);
        let start = span.start_time_unix_nano;
        let values = |event: &opentelemetry_proto::tonic::trace::v1::span::Event| {
            event.attributes.iter().map(|attribute| format!("{:?}", attribute.value)).collect()
        };
        span.events.iter().map(|e| (e.name.clone(), e.time_unix_nano - start, values(e))).collect()
    };
    let stream = request(&live).asks("gpt-4o-mini").answered(0, 200).streamed().settled();
    assert_eq!(events(&stream), [("First Token Stream Event".to_owned(), 20_000_000, Vec::new())]);
    let refused = tollgate_core::End::Refused(tollgate_core::Refusal::NoModel("gpt-9".into()));
    let failed = events(&request(&live).asks("gpt-9").ends(refused).settled()).remove(0);
    assert_eq!((failed.0.as_str(), failed.1), ("exception", 120_000_000));
    assert!(
        failed.2[0].contains("NotFoundError") && failed.2[1].contains("Error code: 404 - "),
        "{failed:?}"
    );
    let limited = events(&request(&live).asks("gpt-4o-mini").answered(0, 429).settled()).remove(0);
    assert!(limited.2[0].contains("RateLimitError"), "{limited:?}");
}

#[test]
fn spans_with_much_in_them_go_out_in_several_messages_and_are_bounded() {
    let (address, taken) = collector();
    let telemetry = tracing(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true"),
        ("OTEL_BSP_SCHEDULE_DELAY", "60000"),
    ]);
    let live = live();
    let observe = |bytes: usize| {
        let mut request = request(&live).asks("m").answered(0, 200);
        let input = Some(tollgate_core::Kept { bytes: vec![b'x'; bytes], cut: false });
        request.record.content = Some(Box::new(tollgate_core::Content { input, ..Default::default() }));
        telemetry.observe(&request.settled());
    };
    (0..3).for_each(|_| observe(MESSAGE / 2));
    telemetry.flush(Duration::from_secs(10));
    let messages: Vec<_> = taken.try_iter().map(|(_, body)| body.len()).collect();
    assert!(messages.len() >= 2 && messages.iter().all(|length| *length < MESSAGE * 2), "{messages:?}");
    assert!(telemetry.metrics().contains("tollgate_spans_total{result=\"sent\"} 6\n"));
    // More than may wait is dropped at once; afterwards there is room again.
    observe(HELD + 1);
    observe(10);
    telemetry.flush(Duration::from_secs(10));
    let metrics = telemetry.metrics();
    assert!(metrics.contains("tollgate_spans_total{result=\"sent\"} 8\n"), "{metrics}");
    assert!(metrics.contains("tollgate_spans_total{result=\"dropped\"} 2\n"), "{metrics}");
}

#[test]
fn grpc_carries_the_same_message_behind_five_bytes() {
    let (address, taken) = collector();
    let telemetry = tracing(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("AI_GATEWAY_TRACING_SEMCONV", "gen_ai"),
    ]);
    send_one(&telemetry);
    let (headers, body) = taken.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(headers["content-type"], "application/grpc");
    assert_eq!(body[..5], [&[0][..], &u32::try_from(body.len() - 5).unwrap().to_be_bytes()].concat());
    assert_eq!(spans_of(&body[5..])[0].name, "chat gpt-4o-mini");
    assert!(telemetry.metrics().contains("tollgate_spans_total{result=\"sent\"} 3\n"));
}

#[test]
fn spans_that_nobody_takes_are_dropped_and_counted() {
    // A port that was free a moment ago; nobody listens there.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let telemetry = tracing(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))]);
    send_one(&telemetry);
    assert!(telemetry.metrics().contains("tollgate_spans_total{result=\"dropped\"} 3\n"));
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_collector_over_https_is_verified_and_sees_our_certificate() {
    let [own, client] =
        ["localhost", "gateway"].map(|name| generate_simple_self_signed([name.to_owned()]).unwrap());
    let (address, taken) = collector_behind(Some(acceptor(&own, &client)));
    let folder = tempfile::tempdir().unwrap();
    let authority = write(folder.path(), "ca.pem", &own.cert.pem());
    let chain = write(folder.path(), "cert.pem", &client.cert.pem());
    let key = write(folder.path(), "key.pem", &client.signing_key.serialize_pem());
    let endpoint = format!("https://localhost:{}", address.port());
    for protocol in ["http/protobuf", "grpc"] {
        let telemetry = tracing(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &authority),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &chain),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", &key),
        ]);
        send_one(&telemetry);
        taken.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(telemetry.metrics().contains("tollgate_spans_total{result=\"sent\"} 3\n"), "{protocol}");
    }
    // Another authority: nobody is told anything.
    let telemetry = tracing(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", &chain),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &chain),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &key),
    ]);
    send_one(&telemetry);
    assert!(telemetry.metrics().contains("tollgate_spans_total{result=\"dropped\"} 3\n"));
    assert!(taken.try_recv().is_err());
}

#[test]
fn tls_files_that_cannot_be_used_are_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let broken = write(folder.path(), "broken.pem", "no certificate");
    for (path, want) in [(missing.to_str().unwrap(), "missing.pem"), (&*broken, "TLS to the collector")] {
        let set = [("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c"), ("OTEL_EXPORTER_OTLP_CERTIFICATE", path)];
        let lookup =
            |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let traces = TraceSettings::from_env(&lookup).unwrap();
        let error = Telemetry::start(Options { traces, ..options() }).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}
