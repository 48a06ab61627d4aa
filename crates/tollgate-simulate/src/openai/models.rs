//! `GET /v1/models` and `GET /v1/models/{id}`.

use serde_json::{Value, json};

/// When the listed models were made, in seconds since 1970.
const CREATED: u64 = 1_735_689_600;

pub(crate) fn list(models: &[String]) -> Value {
    json!({"object": "list", "data": models.iter().map(|id| one(id)).collect::<Vec<_>>()})
}

pub(crate) fn one(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED, "owned_by": "simulator"})
}
