use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

/// A list that may be written as its only element.
#[derive(Clone, Debug)]
pub struct Listed<T>(pub Vec<T>);

// === impl Listed ===

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> IntoIterator for Listed<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let list = match raw.as_bytes().first() {
            Some(b'[') => serde_json::from_str(raw),
            Some(b'n') => Ok(Vec::new()),
            Some(_) | None => serde_json::from_str(raw).map(|one| vec![one]),
        };
        list.map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_element_needs_no_brackets_and_null_is_none() {
        let read = |json: &str| serde_json::from_str::<Listed<u32>>(json).map(|list| list.0).ok();
        assert_eq!(read("[1,2]"), Some(vec![1, 2]));
        assert_eq!(read("1"), Some(vec![1]));
        assert_eq!(read("null"), Some(Vec::new()));
        assert_eq!(read("\"1\""), None);
    }
}
