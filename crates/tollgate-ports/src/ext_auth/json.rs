use serde_json::{Map, Number, Value as Json};

use super::messages::{Kind, ListValue, Struct, Value};

/// Whole numbers up to this one are told apart by a float.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// What a message says as JSON. Its depth is bounded by the decoder.
pub(super) fn object(message: Struct) -> Map<String, Json> {
    message.fields.into_iter().map(|(key, value)| (key, json(value))).collect()
}

fn json(value: Value) -> Json {
    match value.kind {
        None | Some(Kind::Null(_)) => Json::Null,
        Some(Kind::Number(float)) => number(float),
        Some(Kind::Text(text)) => Json::String(text),
        Some(Kind::Flag(flag)) => Json::Bool(flag),
        Some(Kind::Object(members)) => Json::Object(object(members)),
        Some(Kind::List(ListValue { values })) => Json::Array(values.into_iter().map(json).collect()),
    }
}

/// Messages know floats only; what is whole is meant so.
fn number(float: f64) -> Json {
    if float.fract() == 0.0 && float.abs() <= WHOLE {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and fits")]
        return Json::from(float as i64);
    }
    Number::from_f64(float).map_or(Json::Null, Json::Number)
}
