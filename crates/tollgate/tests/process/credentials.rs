//! What a provider sees of the gateway: tokens, signatures, clients' own keys, and connections through a proxy.
use std::{
    io::{Read as _, Write as _, copy},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use http::request::Parts;
use tollgate_simulate::{Grant, Issuer, Simulator};

use crate::{
    gateway::{Answer, Gateway, PATIENCE, chat, read, resources, send},
    upstream::Upstream,
};

/// [`resources`] with another policy for the one backend, which is at `provider`.
fn with_policy(provider: SocketAddr, policy: &str, secret: &str) -> String {
    let simulator = Simulator::start().unwrap();
    let text = resources(&simulator, 0);
    let port = format!("port: {}}}", simulator.address().port());
    let (before, after) = text.split_once("  type: APIKey\n").unwrap();
    let (_, after) = after.split_once("stringData: ").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    let before = before.replace(&port, &format!("port: {}}}", provider.port()));
    format!(
        "{before}{policy}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: openai}}\nstringData: {secret}\n{after}"
    )
}

fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// A token endpoint which refuses until it is told to be good.
fn token_endpoint(good: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        loop {
            let (mut socket, _) = listener.accept().unwrap();
            let head = read_head(&mut socket);
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            // To its end: a connection that is closed with something unread takes the answer away.
            socket.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
            let (status, body) = match good.load(SeqCst) {
                true => ("200 OK", r#"{"access_token":"the-token","expires_in":3600}"#),
                false => ("401 Unauthorized", r#"{"error":"invalid_client"}"#),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    address
}

fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name).and_then(|value| value.to_str().ok())
}

fn ask_with(gateway: &Gateway, headers: &str) -> Answer {
    // The body of `send` is behind a head that takes no further headers, so they stand behind the path.
    let line = format!("POST /v1/chat/completions HTTP/1.1\r\n{headers}x-rest:");
    read(send(gateway.port, &line, &chat("m", false)))
}

const AZURE: &str = "  type: AzureCredentials
  azureCredentials: {clientID: c-1, tenantID: t-1, clientSecretRef: {name: openai}}";

/// A gateway whose provider wants tokens of Azure.
fn with_azure(good: &Arc<AtomicBool>) -> (Gateway, Upstream) {
    let provider = Upstream::http1();
    let resources = with_policy(provider.address, AZURE, "{client-secret: s3cret}");
    let authority = format!("http://{}", token_endpoint(Arc::clone(good)));
    let variables = [("AZURE_AUTHORITY_HOST", authority.as_str())];
    (Gateway::start_with(&resources, &["--access-log", "off"], &variables), provider)
}

/// Asks the admin server until it says that.
fn wait_for(gateway: &Gateway, path: &str, words: &str) -> Answer {
    let began = Instant::now();
    loop {
        let answer = gateway.admin(path);
        if answer.text.contains(words) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "no {words} in {}", answer.text);
    }
}

#[test]
fn the_first_request_has_a_token() {
    let (gateway, provider) = with_azure(&Arc::new(AtomicBool::new(true)));
    gateway.chat("m");
    assert_eq!(header(&provider.asked(), "authorization"), Some("Bearer the-token"));
}

#[test]
fn a_token_that_cannot_be_had_is_said_everywhere_until_it_is_there() {
    let good = Arc::new(AtomicBool::new(false));
    let (gateway, provider) = with_azure(&good);
    let ready = wait_for(&gateway, "/readyz", "it refuses: invalid_client; there is no token");
    assert_eq!(ready.status, 200);
    assert!(!ready.text.contains("s3cret"), "{}", ready.text);
    let answer = gateway.chat("m");
    assert_eq!(answer.status, 503);
    assert!(answer.text.contains("no upstream credential: none could be fetched for default/openai t-1/c-1"));
    assert!(answer.text.contains("CredentialUnavailable"), "{}", answer.text);
    good.store(true, SeqCst);
    wait_for(&gateway, "/metrics", "tollgate_credential_held{credential=\"default/openai t-1/c-1\"} 1");
    gateway.chat("m");
    assert_eq!(header(&provider.asked(), "authorization"), Some("Bearer the-token"));
    assert!(!gateway.admin("/readyz").text.contains("credentials_failed"));
}

#[test]
fn amazon_gets_a_signature_of_the_host_that_it_is_asked_as() {
    let provider = Upstream::http1();
    let policy = "  type: AWSCredentials
  awsCredentials: {region: eu-west-1, credentialsFile: {secretRef: {name: openai}}}";
    let file =
        r#"{credentials: "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = s3cret\n"}"#;
    let gateway = Gateway::start(&with_policy(provider.address, policy, file), &["--access-log", "off"]);
    ask_with(&gateway, "authorization: Bearer of-the-client\r\nx-amz-security-token: of-the-client\r\n");
    let asked = provider.asked();
    let signed = header(&asked, "authorization").unwrap();
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signed}");
    assert!(signed.contains("/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, "), "{signed}");
    assert_eq!(header(&asked, "x-amz-date").map(str::len), Some(16));
    assert_eq!(header(&asked, "x-amz-security-token"), None);
    assert_eq!(header(&asked, "host"), Some(provider.address.to_string().as_str()));

    let provider = Upstream::http1();
    let policy = "  type: AWSCredentials\n  awsCredentials: {region: eu-west-1}";
    let variables =
        [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "session")];
    let resources = with_policy(provider.address, policy, "{}");
    let gateway = Gateway::start_with(&resources, &["--access-log", "off"], &variables);
    gateway.chat("m");
    let asked = provider.asked();
    let signed = header(&asked, "authorization").unwrap();
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDENV/"), "{signed}");
    assert!(signed.contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "), "{signed}");
    assert_eq!(header(&asked, "x-amz-security-token"), Some("session"));
}

#[test]
fn a_client_brings_its_own_key_and_no_provider_sees_where_it_stood() {
    let provider = Upstream::http1();
    let policy = "  type: APIKey
  apiKey: {secretRef: {name: openai}}
  credentialOverride: {fromRequestHeaders: {fallbackToConfigured: false}}";
    let resources = with_policy(provider.address, policy, "{apiKey: ours}");
    let gateway = Gateway::start(&resources, &["--access-log", "off"]);
    ask_with(&gateway, "x-aigw-api-key:  sk-theirs \r\n");
    let asked = provider.asked();
    assert_eq!(header(&asked, "authorization"), Some("Bearer sk-theirs"));
    assert!(asked.headers.keys().all(|name| !name.as_str().starts_with("x-aigw")));
    let answer = gateway.chat("m");
    assert_eq!(answer.status, 401);
    assert!(answer.text.contains("missing upstream credential"), "{}", answer.text);
}

#[test]
fn a_verified_claim_may_be_the_key() {
    let provider = Upstream::http1();
    let policy = "  type: APIKey
  apiKey: {secretRef: {name: openai}}
  credentialOverride:
    fromDynamicMetadata: {namespace: envoy.filters.http.jwt_authn, key: corp.tenant}";
    let issuer = Issuer::new("corp", &[], None).unwrap();
    let keys = issuer.jwks().to_string();
    let security = serde_json::json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "callers"},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "tollgate"}],
            "jwt": {"providers": [{"name": "corp", "issuer": "corp", "localJWKS": {"type": "Inline", "inline": keys}}]},
        },
    });
    let resources = format!("{}---\n{security}\n", with_policy(provider.address, policy, "{apiKey: ours}"));
    let gateway = Gateway::start(&resources, &["--access-log", "off"]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let token =
        issuer.token(&Grant { tenant: "sk-of-the-claim".to_owned(), ..Grant::default() }, now).unwrap();
    ask_with(&gateway, &format!("authorization: Bearer {token}\r\n"));
    assert_eq!(header(&provider.asked(), "authorization"), Some("Bearer sk-of-the-claim"));
}

/// A proxy that leads to where it is asked, and says what it was asked.
fn proxy(answer: &'static str) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, asked) = channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, tell) = (socket.unwrap(), tell.clone());
            thread::spawn(move || {
                let head = read_head(&mut socket);
                let target = head.split(' ').nth(1).unwrap().to_owned();
                // A test that has what it wants no longer listens.
                let (Ok(()) | Err(_)) = tell.send(head);
                socket.write_all(answer.as_bytes()).unwrap();
                if answer.contains("200") {
                    join(socket, TcpStream::connect(target).unwrap());
                }
            });
        }
    });
    (address, asked)
}

fn join(client: TcpStream, upstream: TcpStream) {
    let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
    thread::spawn(move || {
        let (Ok(_) | Err(_)) = copy(&mut from, &mut to);
        let (Ok(()) | Err(_)) = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (upstream, client);
    let (Ok(_) | Err(_)) = copy(&mut from, &mut to);
    let (Ok(()) | Err(_)) = to.shutdown(Shutdown::Write);
}

fn proxied(simulator: &Simulator, proxy: SocketAddr) -> String {
    let text = resources(simulator, 0).replace(
        "metadata: {name: tollgate}\nspec: {gatewayClassName",
        "metadata: {name: tollgate, annotations: {aigateway.envoyproxy.io/gateway-config: proxied}}\nspec: {gatewayClassName",
    );
    format!(
        "{text}---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: GatewayConfig
metadata: {{name: proxied, annotations: {{tollgate.dev/forward-proxy-secret: proxy}}}}
spec: {{forwardProxy: {{address: \"{proxy}\"}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: proxy}}
stringData: {{username: gateway, password: pass}}
"
    )
}

#[test]
fn a_provider_is_reached_through_the_proxy_of_its_gateway() {
    let simulator = Simulator::start().unwrap();
    let (address, asked) = proxy("HTTP/1.1 200 OK\r\n\r\n");
    let gateway = Gateway::start(&proxied(&simulator, address), &["--access-log", "off"]);
    assert_eq!(gateway.chat("m").status, 200);
    let target = format!("127.0.0.1:{}", simulator.address().port());
    assert_eq!(
        asked.recv_timeout(PATIENCE).unwrap(),
        format!(
            "CONNECT {target} HTTP/1.1\r\nhost: {target}\r\nproxy-authorization: Basic Z2F0ZXdheTpwYXNz\r\n\r\n"
        )
    );
    let (address, asked) = proxy("HTTP/1.1 403 Forbidden\r\n\r\n");
    let gateway = Gateway::start(&proxied(&simulator, address), &["--access-log", "off"]);
    let answer = gateway.chat("m");
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.text.contains("connection failure"), "{}", answer.text);
    assert!(asked.try_iter().count() >= 2, "a connection that failed is tried again");
}
