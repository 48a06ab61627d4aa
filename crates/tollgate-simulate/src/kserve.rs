//! KServe's protocol, version 1: predictions, explanations and readiness of models that are no language models.

use serde_json::{Value, json};

use crate::reply::Reply;

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Predict,
    Explain,
    Ready,
}

/// The model and the verb at a path, whatever prefix it has.
pub(crate) fn find<'a>(path: &'a str, models: &[String]) -> Option<(&'a str, Verb)> {
    let (_, rest) = path.rsplit_once("/v1/models/")?;
    let (name, verb) = match rest.split_once(':') {
        Some((name, "predict")) => (name, Verb::Predict),
        Some((name, "explain")) => (name, Verb::Explain),
        Some(_) => return None,
        None => (rest, Verb::Ready),
    };
    models.iter().any(|model| model == name).then_some((name, verb))
}

/// A prediction is the number of an instance modulo three, so that it is the same each time.
pub(crate) fn reply(model: &str, verb: Verb, body: &[u8]) -> Result<Reply, (u16, String)> {
    if verb == Verb::Ready {
        return Ok(Reply::json(200, json!({"name": model, "ready": true}).to_string()));
    }
    let unreadable = |error: serde_json::Error| (400, format!("unrecognized request format: {error}"));
    let body: Value = serde_json::from_slice(body).map_err(unreadable)?;
    let Some(instances) = body["instances"].as_array() else {
        return Err((400, "expected \"instances\" to be a list".into()));
    };
    let answers: Vec<_> = (0..instances.len()).map(|index| index % 3).collect();
    let name = if verb == Verb::Predict { "predictions" } else { "explanations" };
    Ok(Reply::json(200, json!({ name: answers }).to_string()))
}

/// The body of an error.
pub(crate) fn error(message: &str) -> Value {
    json!({ "error": message })
}
