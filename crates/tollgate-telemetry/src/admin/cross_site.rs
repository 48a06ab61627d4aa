use http::{
    HeaderMap, HeaderName,
    header::{HOST, ORIGIN},
};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// True where a browser sends this for another site's page. Tools send neither header and pass.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if text(FETCH_SITE).is_some_and(|site| site != "same-origin" && site != "none") {
        return true;
    }
    // `null` and every other scheme have no host of ours.
    let same = |origin: &str| origin.split_once("://").map(|(_, host)| host) == text(HOST);
    text(ORIGIN).is_some_and(|origin| !same(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_our_own_page_and_tools_may_change_something() {
        let own = "127.0.0.1:1064";
        assert!(!is_foreign(&headers(&[("host", own)])));
        assert!(!is_foreign(&headers(&[("host", own), ("origin", "http://127.0.0.1:1064")])));
        assert!(!is_foreign(&headers(&[("host", own), ("sec-fetch-site", "same-origin")])));
        for foreign in ["http://evil.test", "null", "", "http://127.0.0.1:1065"] {
            assert!(is_foreign(&headers(&[("host", own), ("origin", foreign)])), "{foreign}");
        }
        for site in ["cross-site", "same-site", ""] {
            assert!(is_foreign(&headers(&[("host", own), ("sec-fetch-site", site)])), "{site}");
        }
    }
}
