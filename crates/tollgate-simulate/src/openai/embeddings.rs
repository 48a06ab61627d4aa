//! `POST /v1/embeddings`.

use std::{io::Write as _, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    answer::Usage,
    ask::Ask,
    behaviour::Behaviour,
    reply::Reply,
    scan,
    state::State,
    text::{count, escape},
};

const MOST_DIMENSIONS: u64 = 65_536;
const MOST_INPUTS: usize = 2048;

/// How an embedding is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Numbers,
    Base64,
}

pub(crate) fn reply(ask: &Ask<'_>, behaviour: &Behaviour, (body, state): (&[u8], &State)) -> Reply {
    let input =
        scan::members(body).find(|(key, _)| *key == b"input").map_or(&b"\"\""[..], |(_, value)| value);
    let inputs: Vec<u64> = match serde_json::from_slice(input) {
        Ok(Value::Array(list)) if list.iter().all(Value::is_number) => vec![list.len() as u64],
        Ok(Value::Array(list)) => list.iter().map(tokens).collect(),
        Ok(single) => vec![tokens(&single)],
        Err(_) => vec![1],
    };
    let form = if ask.rich("encoding_format") == "base64" { Form::Base64 } else { Form::Numbers };
    let vector = vector_of((ask.rich("dimensions").as_u64(), form), behaviour, state);
    let mut out = Vec::with_capacity(256 + (vector.len() + 64) * inputs.len());
    out.extend_from_slice(br#"{"object":"list","data":["#);
    for index in 0..inputs.len().min(MOST_INPUTS) {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(out, r#"{comma}{{"object":"embedding","index":{index},"embedding":"#);
        out.extend_from_slice(&vector);
        out.push(b'}');
    }
    out.extend_from_slice(br#"],"model":""#);
    escape(&ask.model, &mut out);
    let input: u64 = inputs.iter().sum();
    let _ = write!(out, r#"","usage":{{"prompt_tokens":{input},"total_tokens":{input}}}}}"#);
    Reply::json(200, out).with_usage(Usage { input, ..Usage::default() })
}

/// A vector as JSON, of so many dimensions or of as many as are usual here.
pub(crate) fn vector_of(
    (dimensions, form): (Option<u64>, Form),
    behaviour: &Behaviour,
    state: &State,
) -> Arc<[u8]> {
    let dimensions = dimensions.unwrap_or_else(|| u64::from(behaviour.dimensions.unwrap_or(8)));
    let dimensions = dimensions.min(MOST_DIMENSIONS);
    state.vector((dimensions, form), || render(&vector(dimensions), form))
}

fn tokens(input: &Value) -> u64 {
    match input {
        Value::String(text) => count(text.len()).max(1),
        Value::Array(ids) => ids.len() as u64,
        _ => 1,
    }
}

/// A vector as a JSON list.
pub(crate) fn numbers_of(dimensions: u64) -> String {
    String::from_utf8_lossy(&numbers(&vector(dimensions.min(MOST_DIMENSIONS)))).into_owned()
}

fn render(vector: &[f32], form: Form) -> Vec<u8> {
    match form {
        Form::Numbers => numbers(vector),
        Form::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            format!("\"{}\"", STANDARD.encode(bytes)).into_bytes()
        }
    }
}

/// A unit vector whose numbers have eight digits, as real ones do.
pub(crate) fn vector(dimensions: u64) -> Vec<f32> {
    let mut seed = 0x9e37_79b9_u32;
    let raw = (0..dimensions).map(|_| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        f32::from(u16::try_from(seed >> 16).unwrap_or(0)) / 32_768.0 - 1.0
    });
    let raw: Vec<f32> = raw.collect();
    let norm = raw.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    raw.into_iter().map(|number| number / norm).collect()
}

fn numbers(vector: &[f32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(vector.len() * 13 + 2);
    out.push(b'[');
    for (index, number) in vector.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(out, "{comma}{number:.8}");
    }
    out.push(b']');
    out
}
