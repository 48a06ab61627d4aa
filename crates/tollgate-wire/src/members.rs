use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::Literal;

/// The members of a JSON object in their order, values unread.
#[derive(Debug, Default)]
pub struct Members<'a>(pub Vec<(Literal<'a>, &'a RawValue)>);

// === impl Members ===

impl<'a> Members<'a> {
    /// The value of a member, which is the first of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key.escaped() == name).map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Vec<(Literal<'de>, &'de RawValue)>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Each).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_their_text() {
        let members: Members<'_> = serde_json::from_str(r#"{"b":1e3, "a\n": [ {} ], "b":2}"#).unwrap();
        let read: Vec<_> = members.0.iter().map(|(key, value)| (key.escaped(), value.get())).collect();
        assert_eq!(read, [("b", "1e3"), (r"a\n", "[ {} ]"), ("b", "2")]);
        assert_eq!(members.get("b").unwrap().get(), "1e3");
        assert!(serde_json::from_str::<Members<'_>>("[]").is_err());
    }
}
