//! Forms on their way: routed by a field of theirs, streamed, and sent again as long as that is possible.

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
};

use common::{Answer, Asked, Client, Upstream, World, backend, choice, llm_rule, post, snapshot};
use tollgate_core::{End, Refusal};
use tollgate_llm::{BadRequest, BodyEdit, BodyMutation, Delivery};
use tollgate_snapshot::{Action, Rule, Traffic};
use tollgate_types::{ApiSchema, ModelId, Tokens};

const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";
const TYPE: (&str, &str) = ("content-type", "multipart/form-data; boundary=X");
const TEXT: &str = "{\"text\":\"hi\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"output_tokens\":4,\"total_tokens\":18}}";

fn part(name: &str, value: &str) -> String {
    let file = if name == "file" { "; filename=\"a.wav\"\r\nContent-Type: audio/wav" } else { "" };
    format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
}

fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| part(name, value)).collect::<String>() + "--X--\r\n"
}

fn reply(status: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn answering(status: &'static str) -> Upstream {
    Upstream::start(move |_: &Asked, stream| stream.write_all(&reply(status, TEXT)))
}

/// Two providers; the second knows the model by another name.
fn world(first: &Upstream, second: &Upstream, change: impl FnOnce(&mut Rule)) -> World {
    let one = backend(0, "one", first.address, Some((ApiSchema::OpenAi, "sk-1")));
    let two = backend(1, "two", second.address, Some((ApiSchema::OpenAi, "sk-2")));
    let mut other = choice(&two, 1);
    other.model_override = Some(ModelId::from("whisper-large-v3"));
    let mut rule = llm_rule(vec![choice(&one, 0), other]);
    change(&mut rule);
    World::start(snapshot(vec![("whisper-1", rule)], vec![one, two]))
}

fn send(world: &World, body: &str) -> Answer {
    Client::connect(world.address).request("POST", TRANSCRIPTIONS, &[TYPE], body).answer()
}

#[test]
fn a_form_is_routed_by_its_model_and_passes_as_it_came() {
    let (first, second) = (answering("200 OK"), answering("200 OK"));
    let world = world(&first, &second, |_| {});
    let body = form(&[("file", "RIFF"), ("model", "whisper-1"), ("response_format", "json")]);
    let answer = send(&world, &body);
    assert_eq!((answer.status, answer.text().as_str()), (200, TEXT));
    let asked = first.asked();
    assert_eq!(asked.line, "POST /v1/audio/transcriptions HTTP/1.1");
    assert_eq!(asked.header("content-type"), Some(TYPE.1));
    assert_eq!(asked.header("authorization"), Some("Bearer sk-1"));
    assert_eq!(String::from_utf8_lossy(&asked.body), body);
    let settled = world.settled();
    assert_eq!((settled.end, settled.record.bytes_in), (End::Complete, body.len() as u64));
    assert_eq!(
        (settled.record.usage.input, settled.record.usage.output),
        (Some(Tokens(14)), Some(Tokens(4)))
    );
    assert_eq!(settled.record.delivery, Some(Delivery::Whole));
}

#[test]
fn fields_are_changed_for_the_backend_that_wants_it_however_long_the_file_is() {
    let (first, second) = (answering("503 Service Unavailable"), answering("200 OK"));
    let world = world(&first, &second, |rule| {
        let Action::Llm(llm) = &mut rule.action else { return };
        llm.choices[1].body = BodyMutation {
            set: vec![BodyEdit { path: "language".to_owned(), value: "\"de\"".to_owned() }],
            remove: vec!["prompt".to_owned()],
        };
    });
    for length in [10, 300_000] {
        let file = "x".repeat(length);
        let fields = [("model", "whisper-1"), ("file", &*file), ("language", "en"), ("prompt", "hm")];
        let body = form(&fields);
        assert_eq!(send(&world, &body).status, 200, "{length}");
        assert!(first.asked().body == body.into_bytes(), "{length}");
        let wanted = form(&[("language", "de"), ("model", "whisper-large-v3"), ("file", &*file)]);
        assert!(second.asked().body == wanted.into_bytes(), "{length}");
    }
}

#[test]
fn a_form_begins_to_leave_before_all_of_it_is_here() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = backend(0, "one", listener.local_addr().unwrap(), Some((ApiSchema::OpenAi, "sk-1")));
    let world = World::start(snapshot(vec![("whisper-1", llm_rule(vec![choice(&one, 0)]))], vec![one]));
    let file = "x".repeat(400_000);
    let body = form(&[("model", "whisper-1"), ("file", &file)]);
    let (here, later) = body.split_at(200_000);
    let mut client = Client::connect(world.address);
    let length = body.len();
    client.send(
        format!(
            "POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: a\r\ncontent-type: {}\r\ncontent-length: {length}\r\n\r\n{here}",
            TYPE.1
        )
        .as_bytes(),
    );
    let (mut provider, _) = listener.accept().unwrap();
    let mut seen = vec![0; 100_000];
    provider.read_exact(&mut seen).unwrap();
    assert!(String::from_utf8_lossy(&seen).contains("whisper-1"));
    client.send(later.as_bytes());
    let mut last = vec![0; length - 100_000];
    provider.read_exact(&mut last).unwrap();
    provider.write_all(&reply("200 OK", TEXT)).unwrap();
    assert_eq!(client.answer().text(), TEXT);
}

#[test]
fn the_next_backend_gets_the_whole_form_with_its_own_model() {
    let (first, second) = (answering("503 Service Unavailable"), answering("200 OK"));
    let world = world(&first, &second, |_| {});
    for length in [10, 300_000] {
        let file = "x".repeat(length);
        for fields in [[("file", &*file), ("model", "whisper-1")], [("model", "whisper-1"), ("file", &*file)]]
        {
            let answer = send(&world, &form(&fields));
            assert_eq!(answer.status, 200, "{length}: {}", answer.text());
            let wanted =
                fields.map(|(name, value)| (name, if name == "model" { "whisper-large-v3" } else { value }));
            let asked = second.asked();
            assert_eq!(asked.header("authorization"), Some("Bearer sk-2"));
            assert!(asked.body == form(&wanted).into_bytes(), "{length}");
            let settled = world.settled();
            // The first one rests after its 503, unless it is asked again at once.
            assert_eq!(settled.record.model_sent, Some(ModelId::from("whisper-large-v3")));
        }
    }
}

#[test]
fn a_form_that_is_no_more_here_is_not_sent_again() {
    let (first, second) = (answering("503 Service Unavailable"), answering("200 OK"));
    let world = world(&first, &second, |rule| {
        rule.traffic = Arc::new(Traffic { replayed: Some(1000), ..Traffic::default() });
    });
    let file = "x".repeat(300_000);
    let answer = send(&world, &form(&[("model", "whisper-1"), ("file", &file)]));
    assert_eq!(answer.status, 503);
    assert!(second.is_quiet());
    assert_eq!(world.settled().record.attempts.len(), 1);
}

#[test]
fn a_second_model_far_behind_is_not_let_through() {
    let (first, second) = (answering("200 OK"), answering("200 OK"));
    let world = world(&first, &second, |_| {});
    let file = "x".repeat(300_000);
    let answer = send(&world, &form(&[("model", "whisper-1"), ("file", &file), ("model", "secret")]));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("model must not occur twice"), "{}", answer.text());
    let settled = world.settled();
    assert!(
        matches!(settled.end, End::Refused(Refusal::BadRequest(BadRequest::Twice("model")))),
        "{:?}",
        settled.end
    );
    assert!(first.is_quiet() && second.is_quiet());
}

#[test]
fn a_client_that_is_answered_early_is_told_to_connect_anew() {
    let (first, second) = (answering("200 OK"), answering("200 OK"));
    let world = world(&first, &second, |_| {});
    let file = "x".repeat(100_000);
    let body = form(&[("model", "nobody"), ("file", &file)]);
    let length = body.len() + 1_000_000;
    let mut client = Client::connect(world.address);
    client.send(
        format!(
            "POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: a\r\ncontent-type: {}\r\ncontent-length: {length}\r\n\r\n{body}",
            TYPE.1
        )
        .as_bytes(),
    );
    let answer = client.answer();
    assert_eq!((answer.status, answer.header("connection")), (404, Some("close")));
    let short = send(&world, &form(&[("model", "nobody"), ("file", "x")]));
    assert_eq!((short.status, short.header("connection")), (404, None));
}

#[test]
fn bad_forms_are_refused_with_the_reason() {
    let (first, second) = (answering("200 OK"), answering("200 OK"));
    let world = world(&first, &second, |_| {});
    for (body, status, reason) in [
        (form(&[("file", "x")]), 400, "model field is required"),
        (part("model", "whisper-1"), 400, "ends before its last boundary"),
        (form(&[("model", "gpt-nobody")]), 404, "gpt-nobody is not configured"),
        ("no form".to_owned(), 400, "ends before its last boundary"),
        (String::new(), 400, "ends before its last boundary"),
    ] {
        let answer = send(&world, &body);
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.text().contains(reason), "{}", answer.text());
    }
    let answer = post(world.address, TRANSCRIPTIONS, "{\"model\":\"whisper-1\"}");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("expected multipart/form-data content type for /v1/audio/transcriptions"));
    let chat = Client::connect(world.address)
        .request("POST", "/v1/chat/completions", &[TYPE], &form(&[("model", "whisper-1")]))
        .answer();
    assert_eq!(chat.status, 400);
    assert!(chat.text().contains("multipart body not supported for this endpoint"));
    assert!(first.is_quiet() && second.is_quiet());
}
