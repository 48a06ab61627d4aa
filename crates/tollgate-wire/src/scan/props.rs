use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value as Json;

use super::*;

/// JSON documents of every shape, small.
pub(crate) fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[a-z\"\\\\\né]{0,400}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// Text that is often JSON and often just not.
fn almost_json() -> impl Strategy<Value = Vec<u8>> {
    let broken = (json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(json, at, byte)| {
        let mut text = json.to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        text
    });
    let soup = "[\\[\\]{}\",:0-9eE.+\\- a-z\\\\]{0,40}".prop_map(String::into_bytes);
    prop_oneof![broken, soup, prop::collection::vec(any::<u8>(), 0..60)]
}

proptest! {
    #[test]
    fn what_serde_accepts_is_accepted_and_nothing_else(text in almost_json()) {
        let serde = serde_json::from_slice::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(document(&text).is_ok(), serde, "{}", text.escape_ascii());
    }

    #[test]
    fn members_are_those_that_serde_finds(object in prop::collection::vec((".{0,8}", json()), 0..8)) {
        let object: serde_json::Map<String, Json> = object.into_iter().collect();
        for text in [serde_json::to_string(&object).unwrap(), serde_json::to_string_pretty(&object).unwrap()] {
            let mut found = serde_json::Map::new();
            for member in members(text.as_bytes()) {
                let member = member.unwrap();
                let name = member.name().unwrap().into_owned();
                prop_assert!(member.is(&name));
                found.insert(name, serde_json::from_slice(member.value.bytes()).unwrap());
            }
            prop_assert_eq!(&found, &serde_json::from_str::<serde_json::Map<String, Json>>(&text).unwrap());
        }
    }

    #[test]
    fn steps_are_the_members_and_those_of_the_objects_that_are_entered(text in almost_json()) {
        let enters: fn(&[u8]) -> bool = |key| key.first().is_none_or(|byte| byte % 2 == 0);
        for nested in [text.clone(), [b"{\"\":", &text[..], b",\"a\":", &text, b"}"].concat()] {
            let walked: Result<Vec<Step<'_>>, NotJson> = steps(&nested, enters).collect();
            let mut wanted = Vec::new();
            let outer: Result<Vec<Member<'_>>, NotJson> = members(&nested).collect();
            for Member { key, value, .. } in outer.iter().flatten() {
                if !enters(key) || value.kind() != Kind::Object {
                    wanted.push(Step::Member { key, value: *value });
                    continue;
                }
                wanted.push(Step::Enter(key));
                wanted.extend(value.members().map(|inner| {
                    let Member { key, value, .. } = inner.unwrap();
                    Step::Member { key, value }
                }));
                wanted.push(Step::Leave);
            }
            prop_assert_eq!(walked, outer.map(|_| wanted));
        }
    }
}
