use std::{cell::RefCell, fmt};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer, Visitor},
};
use tollgate_types::Severity;

use crate::{
    finding::{Finding, did_you_mean},
    tree::{Entry, Mark, Node, Resolved, Scalar, Value},
};

/// Where in its object a value stands: a chain on the stack, spelled out only for a diagnostic.
#[derive(Clone, Copy)]
pub(crate) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    segment: Segment<'p>,
}

#[derive(Clone, Copy)]
enum Segment<'p> {
    Root,
    Key(&'p str),
    Index(usize),
}

/// A serde deserializer over a spanned tree. What it can go on after (an unknown field, one broken item of a
/// list) it notes; what ends the value around it is its error.
#[derive(Clone, Copy)]
pub(crate) struct De<'p, 'de> {
    node: &'de Node,
    path: &'p Path<'p>,
    notes: &'p RefCell<Vec<Finding>>,
}

/// Why a value does not have its type. Boxed, since it rides in every `Result`.
#[derive(Debug)]
pub(crate) struct DeError(Box<Finding>);

// === impl Path ===

impl Path<'_> {
    pub(crate) const ROOT: Path<'static> = Path { parent: None, segment: Segment::Root };

    /// A field of the object itself.
    pub(crate) const fn root_key(key: &'static str) -> Path<'static> {
        Path { parent: None, segment: Segment::Key(key) }
    }

    fn spell(&self) -> String {
        let mut text = self.parent.map(Path::spell).unwrap_or_default();
        match self.segment {
            Segment::Root => {}
            Segment::Key(key) => push_key(&mut text, key),
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
        text
    }
}

/// Appends a field to a path; a key with a dot or a bracket in it is quoted.
pub(crate) fn push_key(path: &mut String, key: &str) {
    if key.contains(['.', '[', ']', '"']) || key.is_empty() {
        path.push_str(&format!("[{key:?}]"));
    } else {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    }
}

// === impl DeError ===

impl DeError {
    fn new(code: &'static str, message: String) -> Self {
        let severity = Severity::Error;
        Self(Box::new(Finding { severity, code, message, help: None, at: None, field: String::new() }))
    }

    fn helped(mut self, help: Option<String>) -> Self {
        self.0.help = help;
        self
    }

    /// The innermost value that reports an error is where it stands.
    fn at(mut self, mark: Mark, path: &Path<'_>) -> Self {
        if self.0.at.is_none() {
            self.0.at = Some(mark);
            self.0.field = path.spell();
        }
        self
    }

    pub(crate) fn into_finding(self) -> Finding {
        *self.0
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for DeError {}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new("invalid-value", message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("missing-field", format!("the required field `{field}` is missing"))
    }
}

// === impl De ===

impl<'p, 'de> De<'p, 'de> {
    pub(crate) fn new(node: &'de Node, path: &'p Path<'p>, notes: &'p RefCell<Vec<Finding>>) -> Self {
        Self { node, path, notes }
    }

    fn mismatch(&self, expected: &str) -> DeError {
        DeError::new("wrong-type", format!("expected {expected}, found {}", self.node.describe()))
            .at(self.node.at, self.path)
    }

    fn scalar(&self, expected: &str) -> Result<&'de Scalar, DeError> {
        match &self.node.value {
            Value::Scalar(scalar) => Ok(scalar),
            Value::List(_) | Value::Map(_) => Err(self.mismatch(expected)),
        }
    }

    fn place<T>(&self, result: Result<T, DeError>) -> Result<T, DeError> {
        result.map_err(|mut error| {
            let substituted = matches!(&self.node.value, Value::Scalar(scalar) if scalar.substituted);
            if substituted && let Some(shown) = error.0.message.find(", found ") {
                error.0.message.truncate(shown);
            }
            error.at(self.node.at, self.path)
        })
    }

    fn integer(&self, low: i64, high: i64) -> Result<i64, DeError> {
        let scalar = self.scalar("an integer")?;
        match scalar.resolve() {
            Resolved::Int(value) if (low..=high).contains(&value) => Ok(value),
            Resolved::Int(value) => {
                let message = format!("{value} is out of range: expected an integer from {low} to {high}");
                Err(DeError::new("out-of-range", message).at(self.node.at, self.path))
            }
            // Kubernetes writes JSON, where 3.0 is an integer.
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
            Resolved::Float(value) if value.fract() == 0.0 && value >= low as f64 && value <= high as f64 => {
                Ok(value as i64)
            }
            Resolved::Text(text) if !scalar.plain && text.parse::<i64>().is_ok() => {
                Err(self.mismatch("an integer").helped(Some(format!("write {text} without quotes"))))
            }
            Resolved::Null | Resolved::Bool(_) | Resolved::Float(_) | Resolved::Text(_) => {
                Err(self.mismatch("an integer"))
            }
        }
    }

    fn string(&self) -> Result<&'de str, DeError> {
        let scalar = self.scalar("a string")?;
        match scalar.resolve() {
            Resolved::Text(text) => {
                if scalar.plain && !scalar.substituted && is_yaml_1_1_boolean(text) {
                    self.note(Finding {
                        severity: Severity::Warning,
                        code: "ambiguous-scalar",
                        message: format!("unquoted `{text}` is the boolean to kubectl, which reads YAML 1.1"),
                        help: Some(format!("quote it: \"{text}\"")),
                        at: Some(self.node.at),
                        field: self.path.spell(),
                    });
                }
                Ok(text)
            }
            Resolved::Null | Resolved::Bool(_) | Resolved::Int(_) | Resolved::Float(_) => {
                if scalar.substituted {
                    return Ok(&scalar.text);
                }
                let help =
                    (scalar.resolve() != Resolved::Null).then(|| format!("quote it: \"{}\"", scalar.text));
                Err(self.mismatch("a string").helped(help))
            }
        }
    }

    fn note(&self, finding: Finding) {
        self.notes.borrow_mut().push(finding);
    }

    fn unknown_field(&self, entry: &Entry, fields: &'static [&'static str]) {
        let mut field = self.path.spell();
        push_key(&mut field, &entry.key);
        self.note(Finding {
            severity: Severity::Warning,
            code: "unknown-field",
            message: format!("unknown field `{}` is ignored", entry.key),
            help: did_you_mean(&entry.key, fields.iter().copied()).or_else(|| {
                (!fields.is_empty() && fields.len() <= 12)
                    .then(|| format!("known fields here: {}", fields.join(", ")))
            }),
            at: Some(entry.key_at),
            field,
        });
    }
}

/// What YAML 1.1 takes for booleans and YAML 1.2 does not.
fn is_yaml_1_1_boolean(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n") && text.len() <= 3
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty, $low:expr, $high:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
            let value = self.integer($low, $high)?;
            let value = <$type>::try_from(value).map_err(|_| self.mismatch("an integer"))?;
            self.place(visitor.$visit(value))
        }
    )*};
}

impl<'de> Deserializer<'de> for De<'_, 'de> {
    type Error = DeError;

    integers! {
        deserialize_i8 visit_i8 i8, i8::MIN.into(), i8::MAX.into();
        deserialize_i16 visit_i16 i16, i16::MIN.into(), i16::MAX.into();
        deserialize_i32 visit_i32 i32, i32::MIN.into(), i32::MAX.into();
        deserialize_i64 visit_i64 i64, i64::MIN, i64::MAX;
        deserialize_u8 visit_u8 u8, 0, u8::MAX.into();
        deserialize_u16 visit_u16 u16, 0, u16::MAX.into();
        deserialize_u32 visit_u32 u32, 0, u32::MAX.into();
        deserialize_u64 visit_u64 u64, 0, i64::MAX;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node.value {
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
            Value::Scalar(scalar) => self.place(match scalar.resolve() {
                Resolved::Null => visitor.visit_unit(),
                Resolved::Bool(value) => visitor.visit_bool(value),
                Resolved::Int(value) => visitor.visit_i64(value),
                Resolved::Float(value) => visitor.visit_f64(value),
                Resolved::Text(text) => visitor.visit_borrowed_str(text),
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.scalar("a boolean")?.resolve() {
            Resolved::Bool(value) => self.place(visitor.visit_bool(value)),
            Resolved::Text(text @ ("true" | "false")) => {
                Err(self.mismatch("a boolean").helped(Some(format!("write {text} without quotes"))))
            }
            Resolved::Null | Resolved::Int(_) | Resolved::Float(_) | Resolved::Text(_) => {
                Err(self.mismatch("a boolean (true or false)"))
            }
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_f64(visitor)
    }

    #[expect(clippy::cast_precision_loss, reason = "no field needs 53 bits")]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.scalar("a number")?.resolve() {
            Resolved::Int(value) => self.place(visitor.visit_f64(value as f64)),
            Resolved::Float(value) => self.place(visitor.visit_f64(value)),
            Resolved::Null | Resolved::Bool(_) | Resolved::Text(_) => Err(self.mismatch("a number")),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        let text = self.string()?;
        self.place(visitor.visit_borrowed_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        if self.node.is_null() { self.place(visitor.visit_none()) } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.place(visitor.visit_unit())
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.place(visitor.visit_unit())
    }

    /// A newtype named like a diagnostic code (`invalid-duration`) lends its name to the errors of its format.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self).map_err(|mut error| {
            if error.0.code == "invalid-value" && name.starts_with("invalid-") {
                error.0.code = name;
            }
            error
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node.value {
            Value::List(items) => {
                self.place(visitor.visit_seq(Items { de: self, items: items.iter().enumerate() }))
            }
            Value::Scalar(_) | Value::Map(_) => Err(self.mismatch("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node.value {
            Value::Map(entries) => {
                let fields = Fields { de: self, entries: entries.iter(), known: None, current: None };
                self.place(visitor.visit_map(fields))
            }
            Value::Scalar(_) | Value::List(_) => Err(self.mismatch("a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.node.value {
            Value::Map(entries) => {
                let known = Some(Known { fields: known, silent: crate::silent::fields_of(name) });
                self.place(visitor.visit_map(Fields {
                    de: self,
                    entries: entries.iter(),
                    known,
                    current: None,
                }))
            }
            Value::Scalar(_) | Value::List(_) => Err(self.mismatch("a mapping")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        let text = self.string()?;
        if !variants.contains(&text) {
            let message = format!("expected one of {}, found {}", variants.join(", "), self.node.describe());
            let help = did_you_mean(text, variants.iter().copied());
            return Err(DeError::new("unknown-value", message).helped(help).at(self.node.at, self.path));
        }
        self.place(visitor.visit_enum(text.into_deserializer()))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.place(visitor.visit_unit())
    }
}

struct Items<'p, 'de> {
    de: De<'p, 'de>,
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = DeError;

    fn next_element_seed<T: DeserializeSeed<'de> + Sized>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeError> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        let path = Path { parent: Some(self.de.path), segment: Segment::Index(index) };
        let de = De { node, path: &path, notes: self.de.notes };
        de.place(seed.deserialize(de)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Known {
    fields: &'static [&'static str],
    /// Fields of the API that nothing here reads.
    silent: &'static [&'static str],
}

struct Fields<'p, 'de> {
    de: De<'p, 'de>,
    entries: std::slice::Iter<'de, Entry>,
    /// A struct's fields; `None` for a map, whose keys are the user's.
    known: Option<Known>,
    current: Option<&'de Entry>,
}

impl<'de> Fields<'_, 'de> {
    fn next_wanted(&mut self) -> Option<&'de Entry> {
        loop {
            let entry = self.entries.next()?;
            let Some(Known { fields, silent }) = &self.known else { return Some(entry) };
            if !fields.contains(&entry.key.as_str()) {
                if !silent.contains(&entry.key.as_str()) {
                    self.de.unknown_field(entry, fields);
                }
                continue;
            }
            // To Kubernetes a field that is null is a field that is not there.
            if !entry.value.is_null() {
                return Some(entry);
            }
        }
    }
}

impl<'de> de::MapAccess<'de> for Fields<'_, 'de> {
    type Error = DeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DeError> {
        self.current = self.next_wanted();
        let Some(entry) = self.current else { return Ok(None) };
        let key: de::value::BorrowedStrDeserializer<'de, DeError> =
            de::value::BorrowedStrDeserializer::new(&entry.key);
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeError> {
        let Some(entry) = self.current.take() else {
            return Err(DeError::new("invalid-value", "a value was asked for before its key".to_owned()));
        };
        let path = Path { parent: Some(self.de.path), segment: Segment::Key(&entry.key) };
        let de = De { node: &entry.value, path: &path, notes: self.de.notes };
        de.place(seed.deserialize(de))
    }
}
