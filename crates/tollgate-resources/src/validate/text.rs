//! Text patterns of the Kubernetes and Gateway APIs.

/// A DNS subdomain as Kubernetes has it (RFC 1123), lower case, at most 253 characters.
pub(crate) fn is_subdomain(text: &str) -> bool {
    (1..=253).contains(&text.len()) && text.split('.').all(is_dns_label)
}

/// A DNS label as Kubernetes has it (RFC 1123), lower case, at most 63 characters.
pub(crate) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_label(text)
}

/// A host, with an optional `*.` in front.
pub(crate) fn is_hostname(text: &str) -> bool {
    text.len() <= 253 && is_subdomain(text.strip_prefix("*.").unwrap_or(text))
}

/// An API group; the core group is empty.
pub(crate) fn is_group(text: &str) -> bool {
    text.is_empty() || is_subdomain(text)
}

pub(crate) fn is_kind(text: &str) -> bool {
    let ends = |b: Option<&u8>, first: bool| {
        b.is_some_and(|b| b.is_ascii_alphabetic() || (!first && b.is_ascii_digit()))
    };
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && ends(bytes.first(), true)
        && ends(bytes.last(), false)
}

/// A header's name (RFC 9110, 5.6.2 `token`).
pub(crate) fn is_header_name(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A controller's name: a domain and a path.
pub(crate) fn is_controller_name(text: &str) -> bool {
    let path = |path: &str| {
        !path.is_empty()
            && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b))
    };
    text.len() <= 253 && text.split_once('/').is_some_and(|(domain, rest)| is_subdomain(domain) && path(rest))
}

/// What is wrong with a path that is matched byte for byte or as a prefix.
pub(crate) fn path_fault(path: &str) -> Option<&'static str> {
    const INSIDE: [&str; 6] = ["//", "/./", "/../", "%2f", "%2F", "#"];
    if !path.starts_with('/') {
        return Some("has to start with `/`");
    }
    if INSIDE.iter().any(|part| path.contains(part)) {
        return Some("must not contain `//`, `/./`, `/../`, `%2f` or `#`");
    }
    (path.ends_with("/..") || path.ends_with("/.")).then_some("must not end with `/.` or `/..`")
}

const fn is_dns_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|b| is_dns_byte(*b) || *b == b'-')
        && bytes.first().is_some_and(|b| is_dns_byte(*b))
        && bytes.last().is_some_and(|b| is_dns_byte(*b))
}

/// A container image: a repository with an optional tag or digest.
pub(crate) fn is_image(text: &str) -> bool {
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    let digest = digest.is_none_or(|digest| {
        digest.split_once(':').is_some_and(|(algorithm, hex)| {
            !algorithm.is_empty() && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
        })
    });
    let word = |text: &str, also: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
    };
    let (repository, tag) = split_tag(rest);
    digest && tag.is_none_or(|tag| word(tag, b"._-")) && repository.split('/').all(|part| word(part, b"._-:"))
}

/// True where an image names a version.
pub(crate) fn has_tag(image: &str) -> bool {
    image.contains('@') || split_tag(image).1.is_some()
}

/// A colon after the last slash begins a tag; one before it, a port.
fn split_tag(image: &str) -> (&str, Option<&str>) {
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[name..].find(':') {
        Some(colon) => (&image[..name + colon], Some(&image[name + colon + 1..])),
        None => (image, None),
    }
}

/// An address and the length of a prefix.
pub(crate) fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let bits = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.bytes().all(|b| b.is_ascii_digit()) && length.parse::<u8>().is_ok_and(|length| length <= bits)
}
