use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::{Exchange, Record};

/// Headers as bytes of their own, while nobody reads them. A map of them takes three times as much, and its values keep
/// alive what their connection was read into. Not shown by `Debug`, since credentials are among them.
pub(crate) struct Stowed(Box<[u8]>);

/// The lengths of a name and of its value, four bytes each, and whether the value is sensitive.
const PREFIX: usize = 9;

// === impl Exchange ===

impl Exchange {
    /// Holds what is known of the request in as few bytes as it goes, since the rest of the reply is waited for: what
    /// its connection was read into can be let go. Later calls change nothing. Until it is settled,
    /// [`Exchange::record`] shows no headers.
    pub fn stow(&mut self) {
        if self.stowed.is_none() {
            self.stowed = Some(Stowed::of(&std::mem::take(&mut self.record.head.headers)));
            self.record.own_target();
        }
    }
}

// === impl Record ===

impl Record {
    /// Copies the target, which is a part of the head's buffer.
    fn own_target(&mut self) {
        let Ok(own) = Uri::try_from(self.head.uri.to_string()) else { return };
        let path = own.path_and_query();
        for attempt in &mut self.attempts {
            if attempt.path.as_ref() == path {
                attempt.path = path.cloned();
            }
        }
        self.head.uri = own;
    }
}

// === impl Stowed ===

impl std::fmt::Debug for Stowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stowed").field(&self.0.len()).finish()
    }
}

impl Stowed {
    fn of(headers: &HeaderMap) -> Self {
        let length = headers.iter().map(|(name, value)| PREFIX + name.as_str().len() + value.len()).sum();
        let mut bytes = Vec::with_capacity(length);
        for (name, value) in headers {
            let [name, value_bytes] = [name.as_str().as_bytes(), value.as_bytes()];
            for part in [name, value_bytes] {
                // No server reads heads of gigabytes.
                bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            }
            bytes.push(value.is_sensitive().into());
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(value_bytes);
        }
        Self(bytes.into_boxed_slice())
    }

    pub(crate) fn restore(self) -> HeaderMap {
        let mut rest = Bytes::from(self.0);
        let mut headers = HeaderMap::new();
        while let Some((name, value)) = first(&mut rest) {
            headers.append(name, value);
        }
        headers
    }
}

/// Takes the first header off what was written by [`Stowed::of`]; `None` at its end.
fn first(rest: &mut Bytes) -> Option<(HeaderName, HeaderValue)> {
    let [a, b, c, d, e, f, g, h, sensitive] = *rest.first_chunk::<PREFIX>()?;
    let [name, value] = [[a, b, c, d], [e, f, g, h]].map(|length| u32::from_le_bytes(length) as usize);
    let mut header = rest.split_to(rest.len().min(PREFIX + name + value));
    let value = header.split_off(header.len().min(PREFIX + name));
    let mut value = HeaderValue::from_maybe_shared(value).ok()?;
    value.set_sensitive(sensitive != 0);
    Some((HeaderName::from_bytes(header.get(PREFIX..)?).ok()?, value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
        let value = prop::collection::vec(prop_oneof![Just(b'\t'), 32_u8..=126, 128_u8..], 0..40);
        ("[a-z][a-z0-9-]{0,8}", value, any::<bool>()).prop_map(|(name, value, sensitive)| {
            let mut value = HeaderValue::from_bytes(&value).unwrap();
            value.set_sensitive(sensitive);
            (name.parse().unwrap(), value)
        })
    }

    proptest! {
        #[test]
        fn headers_come_back_as_they_were(pairs in prop::collection::vec(header(), 0..20)) {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, value);
            }
            let restored = Stowed::of(&headers).restore();
            let told = |headers: &HeaderMap| -> Vec<_> {
                headers.iter().map(|(name, value)| (name.clone(), value.clone(), value.is_sensitive())).collect()
            };
            prop_assert_eq!(told(&headers), told(&restored));
        }
    }

    #[test]
    fn what_was_put_away_is_not_shown() {
        let headers =
            HeaderMap::from_iter([("authorization".parse().unwrap(), "Bearer secret".parse().unwrap())]);
        assert_eq!(format!("{:?}", Stowed::of(&headers)), "Stowed(35)");
    }
}
