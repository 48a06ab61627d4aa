#[path = "../../tests/support/mod.rs"]
mod support;

use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    num::NonZeroUsize,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderName, Method};
use http_body::{Body, Frame};
use prost::Message as _;
use tokio::task::spawn_local;
use tollgate_auth::{Arrival, BodyToAuth, ExtAuthId, HttpPath, OnFailure};
use tollgate_net::{Drain, Front, FrontHandle, Listener, Protocol, Server};
use tollgate_types::Secret;

use self::support::{Manner, Scripted, pool, with_jumping_clock};
use super::{messages as pb, *};

fn name(text: &str) -> HeaderName {
    text.parse().unwrap()
}

fn settings(protocol: ExtAuthProtocol) -> ExtAuth {
    ExtAuth {
        id: ExtAuthId("infra/policy".into()),
        protocol,
        headers: None,
        body: Some(BodyToAuth { max_bytes: 100 }),
        timeout: Duration::from_secs(10),
        on_failure: OnFailure::Refuse(StatusCode::FORBIDDEN),
        context: vec![("tenant".into(), Secret::new("a"))],
        recompute_route: false,
    }
}

fn over_http(path: HttpPath) -> ExtAuth {
    settings(ExtAuthProtocol::Http { path, to_backend: vec![name("x-user"), name("x-role"), name("host")] })
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (key, value) in pairs {
        headers.append(name(key), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

/// Asks about `POST /v1/chat?x=1`.
async fn check(settings: &ExtAuth, origins: Vec<Origin>, headers: &HeaderMap) -> ExtAuthVerdict {
    let target = ExtAuthTarget { origins, authority: HeaderValue::from_static("auth.infra:8080") };
    let caller = Caller {
        method: &Method::POST,
        secure: true,
        host: "gw.example",
        path: "/v1/chat",
        query: Some("x=1"),
        headers,
        client_ip: [192, 0, 2, 1].into(),
        arrival: Arrival {
            peer: ([192, 0, 2, 1], 4711).into(),
            port: 443,
            version: Version::HTTP_2,
            server_name: None,
            certificate: None,
            id: "id-1",
            unix_ms: 1500,
            vetted: None,
        },
    };
    let request = ExtAuthRequest {
        settings,
        target: &target,
        caller,
        body: settings.body.map(|_| Bytes::from_static(b"{}")),
        client: ([192, 0, 2, 1], 4711).into(),
        local: ([127, 0, 0, 1], 443).into(),
        version: Version::HTTP_2,
        id: "id-1",
        received: SystemTime::UNIX_EPOCH + Duration::from_millis(1500),
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    ExtAuthClient::new(pool()).check(&request, deadline.into_std()).await
}

#[test]
fn an_http_service_sees_what_it_needs_and_its_headers_replace_the_clients() {
    with_jumping_clock(async {
        let answer = "200 OK\r\nx-user: alice\r\nx-other: b\r\nhost: evil";
        let service = Scripted::start(Manner::Says(answer.to_owned(), Vec::new())).await;
        let mut settings = over_http(HttpPath::Prefix("/auth".into()));
        settings.headers = Some(vec![name("x-seen"), name("transfer-encoding")]);
        let mut sent = headers(&[
            ("authorization", "Bearer t"),
            ("x-seen", "1"),
            ("x-unseen", "1"),
            ("x-user", "root"),
            ("x-role", "admin"),
            ("host", "gw.example"),
        ]);
        let ExtAuthVerdict::Allowed(edits) = check(&settings, vec![service.origin()], &sent).await else {
            panic!("denied");
        };
        let asked = service.last();
        assert!(asked.starts_with("POST /auth/v1/chat?x=1 HTTP/1.1\r\n"), "{asked}");
        for line in
            ["authorization: Bearer t", "x-seen: 1", "host: auth.infra:8080", "x-forwarded-host: gw.example"]
        {
            assert!(asked.contains(&format!("{line}\r\n")), "{asked}");
        }
        assert!(asked.contains("x-envoy-auth-partial-body: false\r\n"), "{asked}");
        assert!(asked.ends_with("\r\n\r\n{}") && !asked.contains("x-unseen"), "{asked}");
        edits.apply(&mut sent);
        assert_eq!(sent["x-user"], "alice");
        assert!(!sent.contains_key("x-role"), "the client cannot say what the service does not say");
        assert!(!sent.contains_key("x-other"));
        assert_eq!(sent["host"], "gw.example");
        check(&over_http(HttpPath::Fixed("/check".into())), vec![service.origin()], &sent).await;
        assert!(service.last().starts_with("POST /check HTTP/1.1\r\n"));
    });
}

#[test]
fn an_http_service_that_says_no_answers_the_client() {
    with_jumping_clock(async {
        let answer =
            "302 Found\r\nlocation: /login\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nkeep-alive: timeout=5";
        let service = Scripted::start(Manner::Says(answer.to_owned(), b"go".to_vec())).await;
        let settings = over_http(HttpPath::Prefix("".into()));
        let verdict = check(&settings, vec![service.origin()], &HeaderMap::new()).await;
        let ExtAuthVerdict::Denied(denial) = verdict else { panic!("{verdict:?}") };
        assert_eq!((denial.status, &denial.body[..]), (StatusCode::FOUND, &b"go"[..]));
        assert_eq!(denial.headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(denial.headers["location"], "/login");
        for gone in ["content-length", "connection", "keep-alive"] {
            assert!(!denial.headers.contains_key(gone), "{gone}");
        }
    });
}

#[test]
fn a_service_that_breaks_stalls_or_is_not_there_has_said_nothing() {
    with_jumping_clock(async {
        let service = Scripted::start(Manner::Down).await;
        let settings = over_http(HttpPath::Prefix("".into()));
        for manner in [
            Manner::Down,
            Manner::Silent,
            Manner::Says("503 Service Unavailable".to_owned(), Vec::new()),
            Manner::Says("403 Forbidden".to_owned(), vec![b'a'; MAX_ANSWER + 1]),
            Manner::Says("nonsense".to_owned(), Vec::new()),
        ] {
            service.behave(manner);
            let verdict = check(&settings, vec![service.origin()], &HeaderMap::new()).await;
            assert_eq!(verdict, ExtAuthVerdict::Failed);
        }
        assert_eq!(check(&settings, vec![], &HeaderMap::new()).await, ExtAuthVerdict::Failed);
    });
}

/// A body of one chunk and trailers.
struct Framed(VecDeque<Frame<Bytes>>);

impl Body for Framed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// Headers and body of the last question.
type Asked = Rc<RefCell<Option<(HeaderMap, Bytes)>>>;

/// A gRPC service that answers this, and what it was asked last.
fn grpc_service(answer: impl Fn() -> (Vec<u8>, &'static str) + 'static) -> (Origin, Asked) {
    let asked = Asked::default();
    let seen = Rc::clone(&asked);
    let answer = Rc::new(answer);
    let server = Server::new(Drain::new());
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), NonZeroUsize::MIN).unwrap().remove(0);
    let port = listener.address().port();
    spawn_local(async move {
        let handler = move |request: Request<tollgate_net::Inbound>, _| {
            let (seen, answer) = (Rc::clone(&seen), Rc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                assert_eq!(parts.uri.path(), "/envoy.service.auth.v3.Authorization/Check");
                let body = body.collect(1 << 20).await.unwrap();
                *seen.borrow_mut() = Some((parts.headers, body));
                let (message, status) = answer();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static(status));
                let data = Frame::data(Bytes::from(message));
                let mut response = Response::new(Framed([data, Frame::trailers(trailers)].into()));
                response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
                response
            }
        };
        server.run(listener, FrontHandle::new(Front::default()).unwrap(), handler).await.unwrap();
    });
    (Origin::new("127.0.0.1", port, Protocol::Http2, None), asked)
}

fn framed(response: &pb::CheckResponse) -> Vec<u8> {
    let message = response.encode_to_vec();
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

fn option(key: &str, value: &str, append: Option<bool>, append_action: i32) -> pb::HeaderOption {
    pb::HeaderOption {
        header: Some(pb::Header { key: key.to_owned(), value: value.to_owned(), raw_value: Vec::new() }),
        append: append.map(|value| pb::BoolValue { value }),
        append_action,
    }
}

#[test]
fn a_grpc_service_is_told_who_asks_for_what() {
    with_jumping_clock(async {
        let (origin, asked) = grpc_service(|| (framed(&pb::CheckResponse::default()), "0"));
        let sent = headers(&[("x-a", "1"), ("x-a", "2"), ("content-length", "2")]);
        let mut settings = settings(ExtAuthProtocol::Grpc);
        let verdict = check(&settings, vec![origin.clone()], &sent).await;
        assert_eq!(verdict, ExtAuthVerdict::Allowed(Vetted::default()));
        let (head, body) = asked.take().unwrap();
        assert_eq!(
            (&head["content-type"], &head["te"], &head["grpc-timeout"]),
            (
                &HeaderValue::from_static("application/grpc"),
                &HeaderValue::from_static("trailers"),
                &HeaderValue::from_static("10000m"),
            )
        );
        let request = pb::CheckRequest::decode(&body[5..]).unwrap().attributes.unwrap();
        assert_eq!(request.context_extensions["tenant"], "a");
        let source = request.source.unwrap().address.unwrap().socket_address.unwrap();
        assert_eq!((source.address.as_str(), source.port_value), ("192.0.2.1", Some(4711)));
        let asked_request = request.request.unwrap();
        assert_eq!(asked_request.time, Some(pb::Timestamp { seconds: 1, nanos: 500_000_000 }));
        let http = asked_request.http.unwrap();
        assert_eq!(
            (http.method.as_str(), http.path.as_str(), http.host.as_str()),
            ("POST", "/v1/chat?x=1", "gw.example")
        );
        assert_eq!(
            (http.scheme.as_str(), http.protocol.as_str(), http.id.as_str()),
            ("https", "HTTP/2", "id-1")
        );
        assert_eq!((http.size, http.body.as_str()), (2, "{}"));
        assert_eq!((http.headers["x-a"].as_str(), http.headers[":path"].as_str()), ("1,2", "/v1/chat?x=1"));
        settings.headers = Some(vec![name("content-length")]);
        check(&settings, vec![origin], &sent).await;
        let (_, body) = asked.take().unwrap();
        let http =
            pb::CheckRequest::decode(&body[5..]).unwrap().attributes.unwrap().request.unwrap().http.unwrap();
        let mut names: Vec<_> = http.headers.keys().collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "x-envoy-auth-partial-body"]);
    });
}

#[test]
fn a_grpc_service_changes_headers_as_it_says_but_none_that_frame_a_message() {
    with_jumping_clock(async {
        let ok = pb::OkResponse {
            headers: vec![
                option("x-set", "new", None, 0),
                option("x-append", "new", Some(true), 0),
                option("x-add", "new", None, 1),
                option("x-added", "new", None, 1),
                option("x-over", "new", None, 3),
                option("x-overwritten", "new", None, 3),
                option("x-false", "new", Some(false), 0),
                option("content-length", "7", None, 0),
                option("x-bad", "a\nb", None, 0),
                option("bad name", "a", None, 0),
            ],
            headers_to_remove: vec!["x-gone".to_owned(), "host".to_owned(), ":path".to_owned()],
            response_headers_to_add: vec![
                option("set-cookie", "a=1", None, 0),
                option("set-cookie", "b=2", None, 0),
            ],
        };
        let response = pb::CheckResponse { ok: Some(ok), ..pb::CheckResponse::default() };
        let (origin, _) = grpc_service(move || (framed(&response), "0"));
        let verdict = check(&settings(ExtAuthProtocol::Grpc), vec![origin], &HeaderMap::new()).await;
        let ExtAuthVerdict::Allowed(edits) = verdict else { panic!("{verdict:?}") };
        let names = ["x-set", "x-append", "x-add", "x-overwritten", "x-false", "x-gone", "x-bad", "host"];
        let mut sent = headers(&names.map(|name| (name, "old")));
        edits.apply(&mut sent);
        let wanted = headers(&[
            ("x-set", "new"),
            ("x-append", "old"),
            ("x-append", "new"),
            ("x-add", "old"),
            ("x-added", "new"),
            ("x-overwritten", "new"),
            ("x-false", "new"),
            ("x-bad", "old"),
            ("host", "old"),
        ]);
        assert_eq!(sent, wanted);
        let mut reply = HeaderMap::new();
        edits.apply_to_reply(&mut reply);
        assert_eq!(reply.get_all("set-cookie").iter().count(), 2);
    });
}

#[test]
fn a_grpc_service_that_says_no_answers_the_client_with_403_or_as_it_likes() {
    with_jumping_clock(async {
        for (code, wanted) in
            [(None, 403), (Some(401), 401), (Some(302), 302), (Some(0), 403), (Some(7777), 403)]
        {
            let denied = pb::DeniedResponse {
                status: code.map(|code| pb::HttpStatus { code }),
                headers: vec![option("x-why", "because", None, 0)],
                body: "no".to_owned(),
            };
            let response = pb::CheckResponse {
                status: Some(pb::Status { code: 7 }),
                denied: Some(denied),
                ..pb::CheckResponse::default()
            };
            let (origin, _) = grpc_service(move || (framed(&response), "0"));
            let verdict = check(&settings(ExtAuthProtocol::Grpc), vec![origin], &HeaderMap::new()).await;
            let ExtAuthVerdict::Denied(denial) = verdict else { panic!("{verdict:?}") };
            assert_eq!((denial.status.as_u16(), &denial.body[..]), (wanted, &b"no"[..]), "{code:?}");
            assert_eq!(denial.headers["x-why"], "because");
        }
    });
}

fn value(kind: pb::Kind) -> pb::Value {
    pb::Value { kind: Some(kind) }
}

#[test]
fn what_a_grpc_service_says_of_a_request_is_kept_whatever_it_decides() {
    with_jumping_clock(async {
        let list = pb::ListValue { values: vec![value(pb::Kind::Flag(true)), value(pb::Kind::Null(0))] };
        let inner = pb::Struct { fields: [("list".to_owned(), value(pb::Kind::List(list)))].into() };
        let metadata = pb::Struct {
            fields: [
                ("tenant".to_owned(), value(pb::Kind::Text("a".to_owned()))),
                ("limit".to_owned(), value(pb::Kind::Number(10.0))),
                ("share".to_owned(), value(pb::Kind::Number(0.5))),
                ("inner".to_owned(), value(pb::Kind::Object(inner))),
            ]
            .into(),
        };
        let wanted = serde_json::json!({
            "tenant": "a", "limit": 10, "share": 0.5, "inner": {"list": [true, null]},
        });
        for code in [0, 7] {
            let response = pb::CheckResponse {
                status: Some(pb::Status { code }),
                metadata: Some(metadata.clone()),
                ..pb::CheckResponse::default()
            };
            let (origin, _) = grpc_service(move || (framed(&response), "0"));
            let said = match check(&settings(ExtAuthProtocol::Grpc), vec![origin], &HeaderMap::new()).await {
                ExtAuthVerdict::Allowed(vetted) => vetted.metadata,
                ExtAuthVerdict::Denied(denial) => denial.metadata,
                ExtAuthVerdict::Failed => panic!("it said nothing"),
            };
            assert_eq!(serde_json::Value::Object(said), wanted, "{code}");
        }
    });
}

#[test]
fn what_is_no_grpc_answer_is_none() {
    with_jumping_clock(async {
        let fine = framed(&pb::CheckResponse::default());
        for (message, status) in [
            (fine.clone(), "14"),
            (fine.clone(), "zero"),
            (Vec::new(), "0"),
            (vec![1, 0, 0, 0, 0], "0"),
            (vec![0, 0, 0, 0, 9], "0"),
            (vec![0, 0, 0, 0, 2, 0xff, 0xff], "0"),
            ([fine.clone(), fine].concat(), "0"),
        ] {
            let (origin, _) = grpc_service(move || (message.clone(), status));
            let verdict = check(&settings(ExtAuthProtocol::Grpc), vec![origin], &HeaderMap::new()).await;
            assert_eq!(verdict, ExtAuthVerdict::Failed);
        }
    });
}

#[test]
fn messages_have_the_numbers_of_envoys() {
    let denied = [0x0a, 2, 0x08, 7, 0x12, 9, 0x0a, 3, 0x08, 0x91, 3, 0x1a, 2, b'n', b'o'];
    let response = pb::CheckResponse::decode(&denied[..]).unwrap();
    assert_eq!(response.status.unwrap().code, 7);
    let denied = response.denied.unwrap();
    assert_eq!((denied.status.unwrap().code, denied.body.as_str()), (401, "no"));
    // ok_response { headers { header { key: "a" value: "b" } append { value: true } } headers_to_remove: "c" }
    let ok = [0x1a, 17, 0x12, 12, 0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b', 0x12, 2, 0x08, 1, 0x2a, 1, b'c'];
    let ok = pb::CheckResponse::decode(&ok[..]).unwrap().ok.unwrap();
    assert_eq!(
        (ok.headers[0].clone(), ok.headers_to_remove),
        (option("a", "b", Some(true), 0), vec!["c".to_owned()])
    );
    let address = pb::SocketAddress { address: "::1".to_owned(), port_value: Some(80) };
    assert_eq!(address.encode_to_vec(), [0x12, 3, b':', b':', b'1', 0x18, 80]);
}
