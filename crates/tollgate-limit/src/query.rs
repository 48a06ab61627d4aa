use std::borrow::Cow;

/// The first value of a query parameter, percent-decoded (`+` stays a plus, as Envoy reads it).
pub(crate) fn value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, [u8]>> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .find(|(key, _)| decoded(key).as_ref() == name.as_bytes())
        .map(|(_, value)| decoded(value))
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'%', [high, low, after @ ..]) => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(byte),
            },
            _ => bytes.push(byte),
        }
    }
    Cow::Owned(bytes)
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_counts_and_escapes_do_not_hide_it() {
        assert_eq!(value("a=1&b=2&a=3", "a").as_deref(), Some(&b"1"[..]));
        assert_eq!(value("%61=x%20y", "a").as_deref(), Some(&b"x y"[..]));
        assert_eq!(value("a", "a").as_deref(), Some(&b""[..]));
        assert_eq!(value("a=%4&b=%zz", "a").as_deref(), Some(&b"%4"[..]));
        assert_eq!(value("a=1", "b"), None);
    }
}
