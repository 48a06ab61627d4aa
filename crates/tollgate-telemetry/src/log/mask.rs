use std::borrow::Cow;

/// Parameters whose values are credentials, in lower case.
const SECRET: [&str; 12] = [
    "key",
    "api_key",
    "api-key",
    "apikey",
    "access_token",
    "token",
    "id_token",
    "client_secret",
    "password",
    "sig",
    "signature",
    "x-amz-signature",
];

/// A path with its query, the values of credentials replaced by `***`.
pub(crate) fn masked(path: &str) -> Cow<'_, str> {
    // By bytes: for a text this short setting up a search takes longer.
    let Some(end) = path.bytes().position(|byte| byte == b'?') else { return Cow::Borrowed(path) };
    let (before, query) = (&path[..end], &path[end + 1..]);
    if query.split('&').all(|pair| !is_secret(pair)) {
        return Cow::Borrowed(path);
    }
    let mut out = String::with_capacity(path.len());
    out.push_str(before);
    for (position, pair) in query.split('&').enumerate() {
        out.push(if position == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(pair) => {
                out.push_str(name);
                out.push_str("=***");
            }
            _ => out.push_str(pair),
        }
    }
    Cow::Owned(out)
}

fn is_secret(pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else { return false };
    let plain = |name: &str| SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret));
    // An escaped name is decoded before it is compared: `%6bey` is `key`.
    let hidden = || name.contains('%') && plain(&decoded(name));
    !value.is_empty() && (plain(name) || hidden())
}

fn decoded(name: &str) -> String {
    let mut rest = name.as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while let Some((byte, after)) = rest.split_first() {
        let code = || u8::from_str_radix(std::str::from_utf8(after.get(..2)?).ok()?, 16).ok();
        match (*byte == b'%').then(code).flatten() {
            Some(code) => {
                out.push(code);
                rest = &after[2..];
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_a_query_are_replaced_and_nothing_else_is() {
        assert_eq!(masked("/v1/models?key=sk-1&limit=2"), "/v1/models?key=***&limit=2");
        assert_eq!(masked("/p?a=1&API_KEY=x&access_token=y%26z"), "/p?a=1&API_KEY=***&access_token=***");
        assert_eq!(masked("/p?%6bey=sk-1"), "/p?%6bey=***");
        assert_eq!(masked("/p?a=key=1&key=a=b"), "/p?a=key=1&key=***");
    }

    #[test]
    fn a_path_without_credentials_is_not_copied() {
        for path in ["/", "/key=1", "/p?monkey=1&key&key=", "/p?%", "/p?%zz=1", "/p?%6=1"] {
            assert!(matches!(masked(path), Cow::Borrowed(same) if same == path), "{path}");
        }
    }
}
