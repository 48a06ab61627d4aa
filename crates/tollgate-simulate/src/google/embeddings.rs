//! `…:embedContent`, `…:batchEmbedContents`, and `…:predict` of embedding models.

use serde_json::{Value, json};

use super::{Refused, chat::listed, strict::document as parse};
use crate::{
    answer::Usage,
    behaviour::Behaviour,
    openai::embeddings::{Form, vector_of},
    reply::Reply,
    state::State,
    text::count,
};

pub(crate) fn one(body: &[u8], behaviour: &Behaviour, state: &State) -> Result<Reply, Refused> {
    let body = parse(body)?;
    let input = tokens(&body)?;
    let values = values(&config(&body)["outputDimensionality"], behaviour, state);
    let reply = format!(
        r#"{{"embedding":{{"values":{values}}},"usageMetadata":{{"promptTokenCount":{input},"totalTokenCount":{input}}}}}"#
    );
    Ok(done(reply, input))
}

pub(crate) fn batch(body: &[u8], behaviour: &Behaviour, state: &State) -> Result<Reply, Refused> {
    let body = parse(body)?;
    let (mut all, mut input) = (Vec::new(), 0);
    for request in listed(&body["requests"]) {
        input += tokens(request)?;
        let values = values(&config(request)["outputDimensionality"], behaviour, state);
        all.push(format!(r#"{{"values":{values}}}"#));
    }
    Ok(done(format!(r#"{{"embeddings":[{}]}}"#, all.join(",")), input))
}

pub(crate) fn predict(body: &[u8], behaviour: &Behaviour, state: &State) -> Result<Reply, Refused> {
    let body = parse(body)?;
    let (mut all, mut input) = (Vec::new(), 0);
    for instance in listed(&body["instances"]) {
        let Some(text) = instance["content"].as_str() else {
            return Err((400, "Invalid instance: content is required".into()));
        };
        let tokens = count(text.len()).max(1);
        input += tokens;
        let values = values(&body["parameters"]["outputDimensionality"], behaviour, state);
        all.push(format!(
            r#"{{"embeddings":{{"statistics":{{"truncated":false,"token_count":{tokens}}},"values":{values}}}}}"#
        ));
    }
    let characters = json!({"billableCharacterCount": input * 4});
    Ok(done(format!(r#"{{"predictions":[{}],"metadata":{characters}}}"#, all.join(",")), input))
}

/// Vertex AI keeps the options apart.
fn config(body: &Value) -> &Value {
    body.get("embedContentConfig").unwrap_or(body)
}

fn tokens(request: &Value) -> Result<u64, Refused> {
    let parts = listed(&request["content"]["parts"]);
    if parts.is_empty() {
        return Err((400, "content is empty".into()));
    }
    let bytes: usize = parts.iter().filter_map(|part| part["text"].as_str()).map(str::len).sum();
    Ok(count(bytes).max(1))
}

/// A vector as JSON.
fn values(dimensions: &Value, behaviour: &Behaviour, state: &State) -> String {
    let vector = vector_of((dimensions.as_u64(), Form::Numbers), behaviour, state);
    String::from_utf8_lossy(&vector).into_owned()
}

fn done(body: String, input: u64) -> Reply {
    Reply::json(200, body).with_usage(Usage { input, ..Usage::default() })
}
