//! Realtime sessions: routed by their query, joined byte for byte, and counted.

mod common;

use std::io::{Read as _, Write as _};

use common::{Asked, Client, Upstream, World, backend, choice, llm_rule, snapshot};
use tollgate_core::End;
use tollgate_types::{ApiSchema, ModelId, Tokens};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                      sec-websocket-accept: a\r\n\r\n";
const HANDSHAKE: [(&str, &str); 6] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-key", "a"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-extensions", "permessage-deflate"),
    ("sec-websocket-protocol", "realtime, openai-insecure-api-key.sk-client"),
];

/// A frame of a server with this text.
fn frame(text: &str) -> Vec<u8> {
    let mut out = vec![0x81, 126];
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(text.as_bytes());
    out
}

fn said() -> Vec<u8> {
    let done = |input: u64, output: u64| {
        frame(&format!(
            "{{\"type\":\"response.done\",\"event_id\":\"e\",\"response\":{{\"id\":\"r\",\"output\":[{}],\"usage\":\
             {{\"total_tokens\":{},\"input_tokens\":{input},\"output_tokens\":{output},\
             \"output_token_details\":{{\"text_tokens\":1,\"audio_tokens\":{}}}}}}}}}",
            "{},".repeat(100) + "{}",
            input + output,
            output - 1
        ))
    };
    let delta =
        frame(&format!("{{\"type\":\"response.output_audio.delta\",\"delta\":\"{}\"}}", "A".repeat(20_000)));
    [
        frame("{\"type\":\"session.created\",\"session\":{\"model\":\"gpt-realtime-2025\"}}"),
        delta.clone(),
        done(10, 5),
        delta,
        done(30, 7),
        vec![0x88, 0],
    ]
    .concat()
}

fn world(provider: &Upstream) -> World {
    let one = backend(0, "one", provider.address, Some((ApiSchema::OpenAi, "sk-one")));
    let mut only = choice(&one, 0);
    only.model_override = Some(ModelId::from("gpt-realtime/eu"));
    World::start(snapshot(vec![("gpt-realtime", llm_rule(vec![only]))], vec![one]))
}

#[test]
fn a_session_is_routed_by_its_model_and_its_responses_add_up() {
    let provider = Upstream::start(|_: &Asked, stream| {
        stream.write_all(SWITCH.as_bytes())?;
        let mut heard = [0; 5];
        stream.read_exact(&mut heard)?;
        assert_eq!(&heard, b"hello");
        stream.write_all(&said())?;
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    let world = world(&provider);
    let mut client = Client::connect(world.address);
    client.request("GET", "/v1/realtime?model=gpt-realtime&safety=1", &HANDSHAKE, "");
    let head = client.head();
    assert_eq!((head.status, head.header("sec-websocket-accept")), (101, Some("a")));
    client.send(b"hello");
    let mut heard = Vec::new();
    client.stream.read_to_end(&mut heard).unwrap();
    assert!(heard == said());
    drop(client);
    let asked = provider.asked();
    assert_eq!(asked.line, "GET /v1/realtime?model=gpt-realtime%2Feu&safety=1 HTTP/1.1");
    assert_eq!(asked.header("authorization"), Some("Bearer sk-one"));
    assert_eq!(asked.header("sec-websocket-protocol"), Some("realtime"));
    assert_eq!(asked.header("sec-websocket-extensions"), None);
    let settled = world.settled();
    assert_eq!(settled.end, End::Complete);
    let usage = settled.record.usage;
    assert_eq!(
        (usage.input, usage.output, usage.total),
        (Some(Tokens(40)), Some(Tokens(12)), Some(Tokens(52)))
    );
    assert_eq!(usage.audio_output, Some(Tokens(10)));
    assert_eq!(settled.record.model_served.as_deref(), Some("gpt-realtime-2025"));
}

#[test]
fn a_session_that_is_none_is_refused_before_anybody_is_asked() {
    let provider = Upstream::fixed(SWITCH);
    let world = world(&provider);
    for (path, headers, status, reason) in [
        ("/v1/realtime?model=gpt-realtime", &[][..], 400, "takes a WebSocket handshake"),
        ("/v1/realtime", &HANDSHAKE[..], 400, "query parameter model is required"),
        ("/v1/realtime?model=other", &HANDSHAKE[..], 404, "model other is not configured"),
    ] {
        let answer = Client::connect(world.address).request("GET", path, headers, "").answer();
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().contains(reason), "{}", answer.text());
    }
    assert!(provider.is_quiet());
}

#[test]
fn what_a_provider_says_in_place_of_a_session_reaches_the_client() {
    let provider = Upstream::fixed(
        "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 33\r\n\r\n\
         {\"error\":{\"message\":\"wrong key.\"}}",
    );
    let world = world(&provider);
    let answer = Client::connect(world.address)
        .request("GET", "/v1/realtime?model=gpt-realtime", &HANDSHAKE, "")
        .answer();
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("wrong key"), "{}", answer.text());
}
