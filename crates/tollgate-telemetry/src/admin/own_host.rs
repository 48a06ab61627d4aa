use std::net::IpAddr;

use http::{header::HOST, request::Parts};

/// True where the request names this server as only somebody can who means it: by an address, as `localhost`, or by
/// one of our names. A page whose own name was made to resolve to our address (DNS rebinding) names itself. Tools
/// that send no host pass: a browser always sends one.
pub(crate) fn is_meant(request: &Parts, names: &[String]) -> bool {
    let named = match request.uri.authority() {
        Some(authority) => authority.as_str(),
        None => match request.headers.get(HOST) {
            Some(host) => host.to_str().unwrap_or("?"),
            None => return true,
        },
    };
    let host = without_port(named);
    let is_address = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    is_address
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn meant(host: &str) -> bool {
        let request = Request::get("/").header(HOST, host).body(()).unwrap();
        is_meant(&request.into_parts().0, &["gateway-7".to_owned()])
    }

    #[test]
    fn addresses_localhost_and_our_own_name_are_meant() {
        for host in
            ["127.0.0.1:1064", "10.1.2.3", "[::1]:1064", "[::1]", "localhost", "LocalHost:9", "Gateway-7:1"]
        {
            assert!(meant(host), "{host}");
        }
        let bare = Request::get("/").body(()).unwrap().into_parts().0;
        assert!(is_meant(&bare, &[]));
    }

    #[test]
    fn any_other_name_is_somebody_elses() {
        for host in [
            "evil.test:1064",
            "127.0.0.1.evil.test",
            "localhost.evil.test",
            "",
            ":1064",
            "gateway-7.evil.test",
        ] {
            assert!(!meant(host), "{host}");
        }
        let absolute = Request::get("http://evil.test/").header(HOST, "localhost").body(()).unwrap();
        assert!(!is_meant(&absolute.into_parts().0, &[]));
    }
}
