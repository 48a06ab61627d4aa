//! `google.protobuf.Struct` and `Value`.

use std::collections::HashMap;

use prost::{Message, Oneof};
use serde_json::{Map, Value as Json};

/// An object.
#[derive(Clone, PartialEq, Message)]
pub struct Struct {
    /// By name.
    #[prost(map = "string, message", tag = "1")]
    pub fields: HashMap<String, Value>,
}

/// Any value.
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    /// Which.
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    pub kind: Option<Kind>,
}

/// The kinds of values that are used.
#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    /// Nothing; the number says nothing either
    #[prost(int32, tag = "1")]
    Null(i32),
    /// Any number
    #[prost(double, tag = "2")]
    Number(f64),
    /// A text
    #[prost(string, tag = "3")]
    Text(String),
    /// True or false
    #[prost(bool, tag = "4")]
    Bool(bool),
    /// An object
    #[prost(message, tag = "5")]
    Object(Struct),
    /// A list
    #[prost(message, tag = "6")]
    List(List),
}

/// A list of values.
#[derive(Clone, PartialEq, Message)]
pub struct List {
    /// In their order.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

// === impl Struct ===

impl Struct {
    /// Takes the fields.
    pub fn of<K: Into<String>>(fields: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self { fields: fields.into_iter().map(|(key, value)| (key.into(), value)).collect() }
    }

    /// A text by its name; an empty one is none.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match &self.fields.get(key)?.kind {
            Some(Kind::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// A number by its name.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<f64> {
        match &self.fields.get(key)?.kind {
            Some(Kind::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

// === impl Value ===

impl From<Struct> for Map<String, Json> {
    fn from(object: Struct) -> Self {
        object.fields.into_iter().map(|(key, value)| (key, value.into())).collect()
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        match value.kind {
            None | Some(Kind::Null(_)) => Self::Null,
            Some(Kind::Number(number)) => Self::from(number),
            Some(Kind::Text(text)) => Self::String(text),
            Some(Kind::Bool(value)) => Self::Bool(value),
            Some(Kind::Object(object)) => Self::Object(object.into()),
            Some(Kind::List(list)) => list.values.into_iter().map(Self::from).collect(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self { kind: Some(Kind::Text(text.to_owned())) }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self { kind: Some(Kind::Text(text)) }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self { kind: Some(Kind::Number(number)) }
    }
}

impl From<Struct> for Value {
    fn from(object: Struct) -> Self {
        Self { kind: Some(Kind::Object(object)) }
    }
}
