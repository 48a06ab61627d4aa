//! `/v1/files` and `/v1/batches`: what is uploaded is kept in memory, and a batch is done at once.

use serde_json::{Value, json};

use crate::{
    form::{self, Part},
    reply::Reply,
    request::Request,
    state::State,
};

/// Files that are kept; the oldest go first.
pub(crate) const MOST_FILES: usize = 256;

/// What was uploaded, or made.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// As the API shows it.
    pub(crate) object: Value,
    /// Of a file.
    pub(crate) content: Vec<u8>,
}

type Refused = (u16, String);

/// The reply to a call about files or batches; `None` for other calls.
pub(crate) fn answer(request: &Request<'_>, state: &State) -> Option<Result<Reply, Refused>> {
    let tail = |name: &str| {
        let (_, rest) = request.path.split_once(name)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_matches('/'))
    };
    if let Some(rest) = tail("/files") {
        return Some(files(request, rest, state));
    }
    let rest = tail("/batches")?;
    Some(batches(request, rest, state))
}

fn files(request: &Request<'_>, rest: &str, state: &State) -> Result<Reply, Refused> {
    match (request.method, rest, rest.split_once('/')) {
        ("POST", "", _) => {
            let parts = form::parts(request.header("content-type").unwrap_or_default(), request.body);
            upload(&parts.ok_or((400, "a form is expected".to_owned()))?, state)
        }
        ("GET", "", _) => Ok(list("file", state)),
        ("GET", id, None) => item(id, state).map(|item| shown(&item.object)),
        ("DELETE", id, None) => {
            item(id, state)?;
            state.forget(id);
            Ok(shown(&json!({"id": id, "object": "file", "deleted": true})))
        }
        ("GET", _, Some((id, "content"))) => {
            let content = item(id, state)?.content;
            Ok(Reply { content_type: "application/octet-stream", ..Reply::json(200, content) })
        }
        _ => Err((405, format!("method {} is not allowed here", request.method))),
    }
}

fn upload(parts: &[Part<'_>], state: &State) -> Result<Reply, Refused> {
    let missing = |name: &str| (400, format!("missing required parameter: {name}"));
    let purpose = form::field(parts, "purpose").ok_or_else(|| missing("purpose"))?;
    let file = parts.iter().find(|part| part.filename.is_some()).ok_or_else(|| missing("file"))?;
    let name = file.filename.unwrap_or_default();
    Ok(shown(&keep(state, purpose, (name, file.value.to_vec()))))
}

fn keep(state: &State, purpose: &str, (name, content): (&str, Vec<u8>)) -> Value {
    let object = json!({
        "id": id("file-", state), "object": "file", "bytes": content.len(), "created_at": state.now(),
        "filename": name, "purpose": purpose, "status": "processed", "expires_at": null,
    });
    state.keep(Item { object: object.clone(), content });
    object
}

fn batches(request: &Request<'_>, rest: &str, state: &State) -> Result<Reply, Refused> {
    match (request.method, rest, rest.split_once('/')) {
        ("POST", "", _) => batch(request, state),
        ("GET", "", _) => Ok(list("batch", state)),
        ("GET", id, None) => item(id, state).map(|item| shown(&item.object)),
        ("POST", _, Some((id, "cancel"))) => {
            let mut object = item(id, state)?.object;
            object["status"] = json!("cancelled");
            state.keep(Item { object: object.clone(), content: Vec::new() });
            Ok(shown(&object))
        }
        _ => Err((405, format!("method {} is not allowed here", request.method))),
    }
}

fn batch(request: &Request<'_>, state: &State) -> Result<Reply, Refused> {
    let asked: Value = serde_json::from_slice(request.body)
        .map_err(|_| (400, "we could not parse the JSON body".to_owned()))?;
    let input = asked["input_file_id"].as_str().unwrap_or_default();
    let file = item(input, state).map_err(|_| (400, format!("invalid input_file_id: no file {input}")))?;
    let lines = file.content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let replies: Vec<String> = lines.enumerate().map(|(at, line)| replied(at, line)).collect();
    let total = replies.len();
    let content = replies.concat().into_bytes();
    let output = keep(state, "batch_output", ("output.jsonl", content));
    let now = state.now();
    let object = json!({
        "id": id("batch_", state), "object": "batch", "endpoint": asked["endpoint"], "errors": null,
        "input_file_id": input, "completion_window": asked["completion_window"], "status": "completed",
        "output_file_id": output["id"], "error_file_id": null, "created_at": now, "completed_at": now,
        "request_counts": {"total": total, "completed": total, "failed": 0}, "metadata": asked["metadata"],
    });
    state.keep(Item { object: object.clone(), content: Vec::new() });
    Ok(shown(&object))
}

/// One line of a batch's output.
fn replied(at: usize, line: &[u8]) -> String {
    let request: Value = serde_json::from_slice(line).unwrap_or_default();
    let reply = json!({
        "id": format!("batch_req_{at}"), "custom_id": request["custom_id"], "error": null,
        "response": {"status_code": 200, "request_id": format!("req_{at}"), "body": {
            "object": "chat.completion", "model": request["body"]["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Done."}}],
        }},
    });
    format!("{reply}\n")
}

fn item(id: &str, state: &State) -> Result<Item, Refused> {
    state.kept(id).ok_or_else(|| (404, format!("no such file or batch: {id}")))
}

fn list(object: &str, state: &State) -> Reply {
    let data = state.all_kept(|item| item.object["object"] == object);
    let end = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    let (first, last) = (end(data.first()), end(data.last()));
    shown(&json!({"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": false}))
}

fn shown(object: &Value) -> Reply {
    Reply::json(200, object.to_string())
}

/// Another one at each provider, whenever it is made.
fn id(prefix: &str, state: &State) -> String {
    let name =
        state.options.name.bytes().fold(0_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{prefix}{:012x}{name:04x}{:08x}", state.now(), state.serial())
}
