//! The hooks over gRPC, as Envoy Gateway calls them.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{net::SocketAddr, sync::Arc};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;
use tollgate_envoy::extension::{Extension, Made, Message, Plan, Serve, Settings, tls};
use tollgate_resources::{Source, load};

const ROUTE: &str = "
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: chat, namespace: prod}
spec:
  parentRefs: [{name: gw}]
  rules: [{backendRefs: [{name: a}, {name: b, priority: 1}]}]
";
const HOOKS: &str = "/envoygateway.extension.EnvoyGatewayExtension";
const HEALTH: &str = "/grpc.health.v1.Health";

fn plan() -> Plan {
    let set = load(&[Source { name: "-", text: ROUTE }], &|_| None).set;
    let key = (Arc::from("prod"), Arc::from("chat"));
    Plan::new(
        &set,
        [Made {
            http_route: key.clone(),
            rule: 0,
            source: key,
            source_rule: 0,
            refs: vec![0, 1],
            attempts: None,
        }],
    )
}

struct Running {
    extension: Arc<Extension>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn start(max_message: usize) -> Running {
    start_with(Serve { max_message, tls: None }).await
}

async fn start_with(serve: Serve) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let extension = Arc::new(Extension::new(Settings::default()));
    let (stop, stopped) = oneshot::channel();
    let server = Arc::clone(&extension);
    let server = tokio::spawn(async move {
        let stopped = async { stopped.await.unwrap() };
        server.serve(listener, serve, stopped).await.unwrap();
    });
    Running { extension, address, stop, server }
}

async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    speak(TcpStream::connect(address).await.unwrap()).await
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> SendRequest<Bytes> {
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async move {
        // Ends with the server.
        let _ = connection.await;
    });
    client
}

/// Calls a method; the reply's message and the call's status.
async fn call(client: &SendRequest<Bytes>, path: &str, message: &Message) -> (Option<Bytes>, String) {
    let mut client = client.clone().ready().await.unwrap();
    let request = http::Request::post(format!("http://extension{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    let message = message.encode();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.extend_from_slice(&message);
    body.send_data(frame.freeze(), true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut all = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    let status = head.headers.get("grpc-status").or(trailers.get("grpc-status")).unwrap();
    let reply = (!all.is_empty()).then(|| all.freeze().slice(5..));
    (reply, status.to_str().unwrap().to_owned())
}

fn text(number: u32, value: &str) -> Message {
    let mut message = Message::default();
    message.set_bytes(number, value.to_owned());
    message
}

#[tokio::test]
async fn hooks_answer_what_envoy_gateway_asks() {
    let running = start(1 << 20).await;
    running.extension.publish(plan(), Vec::new());
    let client = connect(running.address).await;
    // Two clusters: ours comes back with the processor in it, the other as it was, and the processor's own behind.
    let mut asked = Message::default();
    asked.push(2, text(1, "prometheus").encode());
    asked.push(2, text(1, "httproute/prod/chat/rule/0").encode());
    asked.push(3, text(1, "secret").encode());
    let (reply, status) = call(&client, &format!("{HOOKS}/PostTranslateModify"), &asked).await;
    assert_eq!(status, "0");
    let reply = Message::parse(reply.unwrap()).unwrap();
    let clusters: Vec<_> = reply.messages(1).map(|cluster| cluster.unwrap().text(1).to_owned()).collect();
    assert_eq!(clusters, ["prometheus", "httproute/prod/chat/rule/0", "ai-gateway-extproc-uds"]);
    assert_eq!(reply.all(1).next(), Some(&text(1, "prometheus").encode()));
    assert_eq!(reply.all(2).next(), Some(&text(1, "secret").encode()));

    // Hooks that have nothing to do leave the resource out, and Envoy Gateway keeps its own.
    for hook in ["PostRouteModify", "PostClusterModify", "PostEndpointsModify", "PostVirtualHostModify"] {
        let mut asked = Message::default();
        asked.push(1, text(1, "other").encode());
        let (reply, status) = call(&client, &format!("{HOOKS}/{hook}"), &asked).await;
        assert_eq!((reply, &*status), (Some(Bytes::new()), "0"), "{hook}");
    }
    let (_, status) = call(&client, &format!("{HOOKS}/PostSomethingNew"), &Message::default()).await;
    assert_eq!(status, "12");
    let called = running.extension.called();
    assert_eq!((called.translate, called.route, called.cluster, called.endpoints), (1, 1, 1, 1));

    running.stop.send(()).unwrap();
    drop(client);
    running.server.await.unwrap();
}

#[tokio::test]
async fn health_waits_for_something_to_know() {
    let running = start(1 << 20).await;
    let client = connect(running.address).await;
    let status = async |name: &str| call(&client, &format!("{HEALTH}/Check"), &text(1, name)).await;
    let serving = |reply: Option<Bytes>| Message::parse(reply.unwrap()).unwrap().uint(1) == 1;
    assert!(!serving(status("").await.0));
    running.extension.publish(plan(), Vec::new());
    assert!(serving(status("").await.0));
    assert!(serving(status("envoygateway.extension.EnvoyGatewayExtension").await.0));
    assert_eq!(status("other").await.1, "5");
    let (list, _) = call(&client, &format!("{HEALTH}/List"), &Message::default()).await;
    let list = Message::parse(list.unwrap()).unwrap();
    assert!(list.entry(1, "envoy-gateway-extension-server").unwrap().is_some());
}

#[tokio::test]
async fn what_is_too_large_or_no_resource_is_refused_with_a_status() {
    let running = start(100).await;
    running.extension.publish(plan(), Vec::new());
    let client = connect(running.address).await;
    let path = format!("{HOOKS}/PostTranslateModify");
    let mut large = Message::default();
    large.push(2, vec![0_u8; 200]);
    assert_eq!(call(&client, &path, &large).await.1, "11");
    let mut wrong = Message::default();
    wrong.push(2, vec![0xff_u8]);
    assert_eq!(call(&client, &path, &wrong).await.1, "3");
    assert_eq!(running.extension.called().failed, 1);
}

#[tokio::test]
async fn over_tls_nobody_waits_for_who_does_not_shake_hands() {
    let own = rcgen::generate_simple_self_signed(["extension".to_owned()]).unwrap();
    let tls = tls(own.cert.pem().as_bytes(), own.signing_key.serialize_pem().as_bytes()).unwrap();
    let running = start_with(Serve { max_message: 1 << 20, tls: Some(tls) }).await;
    let silent = TcpStream::connect(running.address).await.unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(running.address).await.unwrap();
    let name = ServerName::try_from("extension").unwrap();
    let client = speak(TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()).await;
    let (reply, status) = call(&client, &format!("{HEALTH}/Check"), &Message::default()).await;
    assert_eq!((reply.is_some(), &*status), (true, "0"));
    drop(silent);
}
