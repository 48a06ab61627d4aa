//! Files and batches go back to whoever has them.

mod common;

use std::io::Write as _;

use common::{Answer, Asked, Client, Upstream, World, backend, choice, llm_rule, snapshot};
use tollgate_types::ApiSchema;

const TYPE: (&str, &str) = ("content-type", "multipart/form-data; boundary=X");
const JSON: (&str, &str) = ("content-type", "application/json");
const LINE: &str = r#"{"custom_id":"1","body":{"model":"second"}}"#;

/// A provider that has the file `file-NAME` and the batch `batch_NAME` with its output `file-out-NAME`.
fn provider(name: &'static str) -> Upstream {
    Upstream::start(move |asked: &Asked, stream| {
        let line: Vec<&str> = asked.line.split(' ').collect();
        let path = line[1].split('?').next().unwrap_or_default();
        let own = |text: &str| text.contains(name);
        let file = format!("{{\"id\":\"file-{name}\",\"object\":\"file\"}}");
        let batch = format!(
            "{{\"id\":\"batch_{name}\",\"object\":\"batch\",\"errors\":null,\"output_file_id\":\"file-out-{name}\"}}"
        );
        let (status, body) = match (line[0], path) {
            ("POST" | "GET", "/v1/files") => ("200 OK", file),
            ("POST", "/v1/batches") if own(&String::from_utf8_lossy(&asked.body)) => ("200 OK", batch),
            ("POST", "/v1/batches") => {
                ("400 Bad Request", "{\"error\":{\"message\":\"no such file\"}}".to_owned())
            }
            (_, path) if own(path) && path.ends_with("/content") => {
                ("200 OK", format!("{{}}\n{{\"by\":\"{name}\"}}\n"))
            }
            (_, path) if own(path) && path.starts_with("/v1/files/") => ("200 OK", file),
            (_, path) if own(path) => ("200 OK", batch),
            _ => ("404 Not Found", "{\"error\":{\"message\":\"nobody knows it\"}}".to_owned()),
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    })
}

struct Two {
    one: Upstream,
    two: Upstream,
    world: World,
}

fn providers() -> Two {
    let (one, two) = (provider("one"), provider("two"));
    let first = backend(0, "one", one.address, Some((ApiSchema::OpenAi, "sk-1")));
    let other = backend(1, "claude", one.address, Some((ApiSchema::Anthropic, "sk-a")));
    let second = backend(2, "two", two.address, Some((ApiSchema::OpenAi, "sk-2")));
    let rules = vec![
        ("claude", llm_rule(vec![choice(&other, 0)])),
        ("first", llm_rule(vec![choice(&first, 0), choice(&other, 1)])),
        ("second", llm_rule(vec![choice(&second, 0)])),
    ];
    let world = World::start(snapshot(rules, vec![first, other, second]));
    Two { one, two, world }
}

fn call(world: &World, method: &str, path: &str, header: (&str, &str), body: &str) -> Answer {
    Client::connect(world.address).request(method, path, &[header], body).answer()
}

fn get(world: &World, path: &str) -> Answer {
    call(world, "GET", path, ("accept", "*/*"), "")
}

fn upload(world: &World, path: &str, purpose: &str, file: &str) -> Answer {
    let body = format!(
        "--X\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n\
         --X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{file}\r\n--X--\r\n"
    );
    call(world, "POST", path, TYPE, &body)
}

fn attempts(world: &World) -> usize {
    world.settled().record.attempts.len()
}

#[test]
fn what_was_seen_goes_back_at_once() {
    let Two { one, two, world } = providers();
    assert!(upload(&world, "/v1/files?model=second", "user_data", "x").text().contains("file-two"));
    assert_eq!(attempts(&world), 1);
    assert_eq!(two.asked().line, "POST /v1/files HTTP/1.1");
    for path in ["/v1/files/file-two", "/v1/files?after=file-two&limit=2"] {
        assert!(get(&world, path).text().contains("file-two"), "{path}");
        assert_eq!(attempts(&world), 1, "{path}");
    }
    let made = call(&world, "POST", "/v1/batches", JSON, "{\"input_file_id\":\"file-two\"}");
    assert!(made.text().contains("batch_two"), "{}", made.text());
    assert_eq!(attempts(&world), 1);
    // The reply named what the batch writes.
    let content = get(&world, "/v1/files/file-out-two/content");
    assert_eq!(content.text(), "{}\n{\"by\":\"two\"}\n");
    assert_eq!(attempts(&world), 1);
    let cancelled = call(&world, "POST", "/v1/batches/batch_two/cancel", JSON, "");
    assert_eq!((cancelled.status, attempts(&world)), (200, 1));
    assert!(one.is_quiet());
}

#[test]
fn a_batch_goes_where_its_model_is_served() {
    let Two { one: _one, two, world } = providers();
    assert!(upload(&world, "/v1/files", "batch", LINE).text().contains("file-two"));
    assert_eq!(two.asked().header("authorization"), Some("Bearer sk-2"));
    let elsewhere = LINE.replace("second", "unknown");
    assert!(upload(&world, "/v1/files", "batch", &elsewhere).text().contains("file-one"));
    assert!(upload(&world, "/v1/files", "user_data", "%PDF").text().contains("file-one"));
    assert_eq!(upload(&world, "/v1/files?model=unknown", "user_data", "x").status, 404);
}

#[test]
fn what_nobody_remembers_is_found_by_asking() {
    let Two { one, two, world } = providers();
    assert!(get(&world, "/v1/files/file-two").text().contains("file-two"));
    assert_eq!(attempts(&world), 2);
    assert_eq!(one.asked().header("authorization"), Some("Bearer sk-1"));
    assert_eq!(two.asked().header("authorization"), Some("Bearer sk-2"));
    assert!(get(&world, "/v1/files/file-two").text().contains("file-two"));
    assert_eq!(attempts(&world), 1);
    let Two { one: _one, two: _two, world } = providers();
    let made = call(&world, "POST", "/v1/batches", JSON, "{\"input_file_id\":\"file-two\"}");
    assert_eq!((made.status, attempts(&world)), (200, 2));
    let nowhere = get(&world, "/v1/files/file-three");
    assert_eq!((nowhere.status, attempts(&world)), (404, 2));
    assert!(nowhere.text().contains("nobody knows it"));
    let deleted = call(&world, "DELETE", "/v1/files/..%2fmodels", JSON, "");
    assert_eq!(deleted.status, 404);
}

#[test]
fn other_methods_and_shapes_are_refused() {
    let Two { one, two, world } = providers();
    let answer = call(&world, "DELETE", "/v1/files", JSON, "");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, POST")));
    let answer = call(&world, "POST", "/v1/files", JSON, "{}");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("expected multipart/form-data content type for /v1/files"));
    assert!(one.is_quiet() && two.is_quiet());
}
