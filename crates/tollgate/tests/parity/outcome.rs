//! What came of a step, in a form in which two hosts can be compared.
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    time::{SystemTime, UNIX_EPOCH},
};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use serde_json::{Map, Value, json};
use tollgate_simulate::Recorded;
use tollgate_testkit::http::Reply;

/// Headers of replies that say how a host works and not what it answers.
const REPLY_OF_HOST: [&str; 12] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "request-id",
    "server",
    "trailer",
    "transfer-encoding",
    "via",
    "x-envoy-decorator-operation",
    "x-envoy-upstream-service-time",
    "x-request-id",
];
/// The same of requests to providers, and when they were signed.
const REQUEST_OF_HOST: [&str; 15] = [
    "connection",
    "content-length",
    "host",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "via",
    "x-amz-date",
    "x-envoy-attempt-count",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

/// A request as a provider got it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) trailers: Vec<(String, String)>,
}

/// The reply, fit to be compared; `unnamed` puts names in the place of what was kept of earlier ones.
pub(crate) fn reply(reply: &Reply, unnamed: &dyn Fn(&str) -> String) -> Value {
    let text = unnamed(&plain(reply));
    let body = match serde_json::from_str(&text) {
        Ok(json) => timeless(json),
        Err(_) => lines(&text),
    };
    json!({
        "status": reply.status,
        "early": reply.early,
        "headers": headers(&reply.headers, &REPLY_OF_HOST),
        "body": body,
        "trailers": headers(&reply.trailers, &[]),
        "whole": reply.whole,
    })
}

/// The body without its compression.
fn plain(reply: &Reply) -> String {
    let mut text = String::new();
    let unpacked = match reply.header("content-encoding") {
        Some("gzip") => MultiGzDecoder::new(&*reply.body).read_to_string(&mut text),
        Some("deflate") => ZlibDecoder::new(&*reply.body).read_to_string(&mut text),
        _ => return reply.text(),
    };
    unpacked.map_or_else(|error| format!("{error}: {}", reply.text()), |_| text)
}

// === impl Seen ===

impl Seen {
    pub(crate) fn outcome(&self, unnamed: &dyn Fn(&str) -> String) -> Value {
        let body = unnamed(&self.body);
        let mut seen = json!({
            "line": unnamed(&format!("{} {}", self.method, self.path)),
            "query": unnamed(&self.query),
            "headers": headers(&self.headers, &REQUEST_OF_HOST),
            "body": serde_json::from_str(&body).unwrap_or_else(|_| Value::from(body)),
        });
        if !self.trailers.is_empty() {
            seen["trailers"] = headers(&self.trailers, &[]);
        }
        seen
    }
}

impl From<&Recorded> for Seen {
    fn from(recorded: &Recorded) -> Self {
        let Recorded { method, path, query, headers, body } = recorded.clone();
        let headers = headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        Self { method, path, query, headers, body, trailers: Vec::new() }
    }
}

/// Joined by commas where several have a name.
fn headers(all: &[(String, String)], without: &[&str]) -> Value {
    let mut joined: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in all.iter().filter(|(name, _)| !without.contains(&&**name)) {
        joined.entry(name).or_default().push(value);
    }
    joined
        .into_iter()
        .map(|(name, values)| (name.to_owned(), undated(&values.join(", ")).into()))
        .collect::<Map<_, _>>()
        .into()
}

/// Texts line by line, JSON behind `data:` as JSON; so differences name what differs.
fn lines(text: &str) -> Value {
    let line = |line: &str| match line.strip_prefix("data:").map(|data| serde_json::from_str(data.trim())) {
        Some(Ok(json)) => json!({ "data": timeless(json) }),
        // A text of a WebSocket, or a line of a batch.
        _ if line.starts_with('{') => serde_json::from_str(line).map_or_else(|_| line.into(), timeless),
        _ => line.into(),
    };
    text.lines().filter(|line| !line.is_empty()).map(line).collect()
}

/// Without the time of its making, which also stands in ids of the simulator.
fn timeless(mut json: Value) -> Value {
    match &mut json {
        Value::String(text) => return undated(text).into(),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let is_time = ["created", "created_at", "createTime", "completed_at"].contains(&&**name);
                *value = if is_time { "(time)".into() } else { timeless(value.take()) };
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| *value = timeless(value.take())),
        _ => {}
    }
    json
}

/// Hexadecimal seconds since 1970 that are of today become words.
fn undated(text: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let is_today = |seconds: u64| now.abs_diff(seconds) < 86_400;
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let seconds = rest.get(..8).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if seconds.is_some_and(is_today) {
            kept.push_str("(time)");
            rest = &rest[8..];
        } else {
            kept.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    kept
}

/// Places where something is not as it should be, and what is there.
pub(crate) type Found = Vec<(String, String)>;

/// Where `have` is not as `want` says. Objects may have more members than are wanted; `*` is anything but nothing,
/// `~word` has the word in it, and null is what is not there.
pub(crate) fn unmet(want: &Value, have: &Value, path: &str, found: &mut Found) {
    match (want, have) {
        (Value::Object(want), Value::Object(have)) => {
            for (name, want) in want {
                unmet(want, have.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}"), found);
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (index, (want, have)) in want.iter().zip(have).enumerate() {
                unmet(want, have, &format!("{path}.{index}"), found);
            }
        }
        (Value::String(want), have) if want == "*" && !have.is_null() => {}
        (Value::String(want), have) if want.strip_prefix('~').is_some_and(|word| says(have, word)) => {}
        (Value::Number(want), Value::Number(have)) if want.as_f64() == have.as_f64() => {}
        (want, have) if want == have => {}
        (want, have) => found.push((path.to_owned(), format!("is {}, not {}", brief(have), brief(want)))),
    }
}

/// As much of it as a reader takes in.
pub(crate) fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

/// True where a text, or the JSON as it is written, has the word in it.
fn says(have: &Value, word: &str) -> bool {
    match have {
        Value::String(text) => text.contains(word),
        Value::Array(lines) => lines.iter().any(|line| says(line, word)),
        json => json.to_string().contains(word),
    }
}

/// Where two outcomes differ, with the path of each place.
pub(crate) fn differences(native: &Value, envoy: &Value, path: &str, found: &mut Found) {
    match (native, envoy) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
            for name in names {
                let [one, other] = [one, other].map(|map| map.get(name).unwrap_or(&Value::Null));
                differences(one, other, &format!("{path}.{name}"), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differences(one, other, &format!("{path}.{index}"), found);
            }
        }
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => {}
        (one, other) if one == other => {}
        (one, other) => {
            found.push((path.to_owned(), format!("natively {}, behind Envoy {}", brief(one), brief(other))))
        }
    }
}

/// True where a documented difference, `reply.headers.x` or `saw.*.headers`, is about this place or about what it is in.
pub(crate) fn covers(known: &str, path: &str) -> bool {
    let mut parts = path.trim_start_matches('.').split('.');
    known.split('.').all(|known| parts.next().is_some_and(|part| known == "*" || known == part))
}
