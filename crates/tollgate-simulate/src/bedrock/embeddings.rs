//! Titan and Cohere embeddings (Amazon Bedrock user guide, inference parameters).

use serde_json::{Value, json};

use super::request::invalid;
use crate::{Behaviour, answer::Usage, openai::embeddings::vector, reply::Reply, text::count};

type Replied = Result<Reply, (u16, String)>;

pub(super) fn titan(body: &Value, behaviour: &Behaviour) -> Replied {
    let Some(text) = body["inputText"].as_str() else {
        return Err(invalid("required key [inputText] not found"));
    };
    let dimensions = match body.get("dimensions") {
        None => u64::from(behaviour.dimensions.unwrap_or(8)),
        Some(asked) => match asked.as_u64() {
            Some(known @ (256 | 512 | 1024)) => known,
            _ => return Err(invalid("dimensions is not one of 256, 512 and 1024")),
        },
    };
    let input = count(text.len()).max(1);
    let vector = vector(dimensions);
    let reply =
        json!({"embedding": vector, "embeddingsByType": {"float": vector}, "inputTextTokenCount": input});
    Ok(counted(&reply, input))
}

pub(super) fn cohere(body: &Value, behaviour: &Behaviour) -> Replied {
    let texts = body["texts"].as_array().filter(|texts| !texts.is_empty() && texts.len() <= 96);
    let Some(texts) = texts else { return Err(invalid("texts has not from 1 to 96 elements")) };
    if !body["input_type"].is_string() {
        return Err(invalid("required key [input_type] not found"));
    }
    let dimensions =
        body["output_dimension"].as_u64().unwrap_or_else(|| behaviour.dimensions.unwrap_or(8).into());
    let vectors: Vec<_> = texts.iter().map(|_| vector(dimensions.min(1536))).collect();
    let (kind, embeddings) = match body.get("embedding_types") {
        Some(_) => ("embeddings_by_type", json!({"float": vectors})),
        None => ("embeddings_floats", json!(vectors)),
    };
    let input = texts.iter().map(|text| count(text.as_str().map_or(0, str::len)).max(1)).sum();
    let reply = json!({"id": "simulated", "response_type": kind, "embeddings": embeddings, "texts": texts});
    Ok(counted(&reply, input))
}

fn counted(reply: &Value, input: u64) -> Reply {
    let headers = vec![("x-amzn-bedrock-input-token-count", input.to_string())];
    let reply = Reply { headers, ..Reply::json(200, reply.to_string()) };
    reply.with_usage(Usage { input, ..Usage::default() })
}
