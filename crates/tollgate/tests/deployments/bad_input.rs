//! What nobody should send, and neighbours that fail: the gateway answers, in time, and serves on.
#![expect(clippy::disallowed_types, reason = "one value, held for a copy by two threads")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tollgate_simulate::Simulator;
use tollgate_testkit::{
    redis::Redis,
    resources::{GATEWAY, web},
};

use crate::{
    gateway::{Answer, Ask, Gateway, PATIENCE},
    plans::{ANN, BOB, KEYS},
};

/// How a key server treats those who ask it.
#[derive(Clone, Debug)]
enum Manner {
    /// Hangs up.
    Down,
    /// Takes the request and says nothing for as long as anybody waits.
    Silent,
    Says(&'static str),
}

/// Somebody whom the gateway asks for keys.
struct KeyServer {
    port: u16,
    manner: Arc<Mutex<Manner>>,
}

// === impl KeyServer ===

impl KeyServer {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let manner = Arc::new(Mutex::new(manner));
        let now = Arc::clone(&manner);
        thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let (mut stream, manner) = (stream.unwrap(), now.lock().unwrap().clone());
                match manner {
                    Manner::Down => {}
                    Manner::Silent => silent.push(stream),
                    Manner::Says(body) => {
                        let mut line = String::new();
                        let mut lines = BufReader::new(&stream);
                        while lines.read_line(&mut line).is_ok_and(|size| size > 2) {
                            line.clear();
                        }
                        let length = body.len();
                        let head =
                            format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}");
                        let (Ok(()) | Err(_)) = write!(stream, "{head}\r\n\r\n{body}");
                    }
                }
            }
        });
        Self { port, manner }
    }

    fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }
}

/// A plain route to the simulator under these policies.
fn start(simulator: &Simulator, policies: &str, options: &[&str]) -> (Gateway, tempfile::TempDir) {
    let web = web(simulator.address().port());
    let text = format!("{GATEWAY}{web}{policies}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("gateway.yaml"), text).unwrap();
    let gateway = Gateway::start(&folder.path().join("gateway.yaml"), |command| {
        command.args(options);
    });
    (gateway, folder)
}

fn tokens(keys: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: tokens}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}}]
  jwt: {{providers: [{{name: auth, {keys}}}]}}
"
    )
}

/// As many requests a year, for each value of a header.
fn limit(amount: u32) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {{name: limit}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: web}}]
  rateLimit:
    global:
      rules:
        - clientSelectors: [{{headers: [{{name: x-user, type: Distinct}}]}}]
          limit: {{requests: {amount}, unit: Year}}
"
    )
}

fn ask(gateway: &Gateway, token: &str) -> Answer {
    Ask::get("localhost", "/health").bearer(token).send(gateway.port(1975)).read()
}

/// A request with a header of any bytes; its status.
fn with_bytes(gateway: &Gateway, value: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port(1975))).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let start = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-user: ";
    // The gateway may hang up before it has taken all of it.
    let (Ok(()) | Err(_)) = stream.write_all(&[start, value, b"\r\n\r\n"].concat());
    let mut reply = Vec::new();
    let (Ok(_) | Err(_)) = stream.read_to_end(&mut reply);
    String::from_utf8_lossy(&reply).split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default()
}

#[test]
fn a_token_of_any_length_is_refused_and_none_is_repeated() {
    let simulator = Simulator::start().unwrap();
    let (gateway, _folder) = start(&simulator, &tokens(&format!("localJWKS: {{inline: '{KEYS}'}}")), &[]);
    let [header, claims, signature] = ANN.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let long = |bytes: usize| format!("{header}.{}.{signature}", "A".repeat(bytes));
    let none = format!("eyJhbGciOiJub25lIn0.{claims}.");
    let swapped = format!("{header}.{claims}.{}", BOB.rsplit('.').next().unwrap());
    for (token, wanted) in [
        (ANN.to_owned(), 200),
        (none, 401),
        (swapped, 401),
        (long(40 << 10), 401),
        // More than any head may be.
        (long(1 << 20), 431),
        (BOB.to_owned(), 200),
    ] {
        let answer = ask(&gateway, &token);
        assert_eq!(answer.status, wanted, "{} bytes: {}", token.len(), answer.body);
        assert!(!answer.body.contains(&token[..40]), "{}", answer.body);
    }
}

#[test]
fn a_key_server_may_be_down_silent_or_mad_and_is_believed_once_it_is_well() {
    for bad in [Manner::Down, Manner::Silent, Manner::Says("<html>"), Manner::Says(r#"{"keys":{"a":1}}"#)] {
        let (simulator, server) = (Simulator::start().unwrap(), KeyServer::start(bad.clone()));
        let keys = format!("remoteJWKS: {{uri: 'http://127.0.0.1:{}/keys'}}", server.port);
        let (gateway, _folder) = start(&simulator, &tokens(&keys), &[]);
        let began = Instant::now();
        let answer = ask(&gateway, ANN);
        assert_eq!(answer.status, 401, "{bad:?}: {answer:?}");
        assert!(began.elapsed() < PATIENCE, "{bad:?}: {:?}", began.elapsed());
        server.behave(Manner::Says(KEYS));
        let began = Instant::now();
        while ask(&gateway, ANN).status != 200 {
            assert!(began.elapsed() < PATIENCE, "{bad:?}: never well");
        }
        // What it does later takes nothing away.
        server.behave(bad);
        assert_eq!(ask(&gateway, BOB).status, 200);
    }
}

#[test]
fn control_characters_are_no_header_and_other_bytes_are_a_counter_of_their_own() {
    let simulator = Simulator::start().unwrap();
    let (gateway, _folder) = start(&simulator, &limit(1), &["--access-log", "json"]);
    for bad in [&b"a\0b"[..], b"a\x01b", b"a\x7fb", b"a\x0bb", b"a\rb"] {
        assert_eq!(with_bytes(&gateway, bad), 400, "{bad:?}");
    }
    // A line end begins the next header, and nothing else.
    assert_eq!(with_bytes(&gateway, b"a\r\nx-other: b"), 200);
    assert_eq!(with_bytes(&gateway, b"a"), 429);
    for good in [&b"tab\tinside"[..], "Ève".as_bytes(), b"\xff\xfe", b"{\"quoted\": \\u0001}", b""] {
        // Backends may not like all of them.
        assert_ne!(with_bytes(&gateway, good), 429, "{good:?}");
        assert_eq!(with_bytes(&gateway, good), 429, "{good:?}");
    }
}

#[test]
fn a_redis_that_is_full_stands_still_dies_and_comes_back_stops_nobody() {
    let Some(mut redis) = Redis::start_or_skip() else { return };
    let simulator = Simulator::start().unwrap();
    let url = redis.url();
    let (gateway, _folder) = start(&simulator, &limit(1), &["--redis-url", &url, "--access-log", "off"]);
    let (strict, _other) = start(
        &simulator,
        &limit(1),
        &["--redis-url", &url, "--redis-outage", "closed", "--access-log", "off"],
    );
    let user = |gateway: &Gateway, name: &str| {
        let began = Instant::now();
        let ask = Ask::get("localhost", "/health").with("x-user", name);
        let status = ask.send(gateway.port(1975)).read().status;
        assert!(began.elapsed() < Duration::from_secs(10), "{name}: {:?}", began.elapsed());
        status
    };
    let until = |name: &str, status: u16| {
        let began = Instant::now();
        for number in 0.. {
            // Each time somebody new.
            if user(&strict, &format!("{name}-{number}")) == status {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{name}: never {status}");
        }
    };
    assert_eq!((user(&gateway, "before"), user(&strict, "before")), (200, 429), "they count together");
    redis.lines("CONFIG SET maxmemory 1").unwrap();
    until("full", 500);
    assert_eq!((user(&gateway, "full"), user(&gateway, "full")), (200, 429), "it counts by itself");
    redis.lines("CONFIG SET maxmemory 0").unwrap();
    until("roomy", 200);
    redis.stop().unwrap();
    until("still", 500);
    assert_eq!((user(&gateway, "still"), user(&gateway, "still")), (200, 429));
    redis.go_on().unwrap();
    until("moving", 200);
    redis.restart().unwrap();
    until("anew", 200);
    let began = Instant::now();
    for number in 0.. {
        let name = format!("together-{number}");
        if (user(&gateway, &name), user(&strict, &name)) == (200, 429) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "they never count together again");
    }
}
