/// The region that a host of Bedrock is in, where its name says so: `[LABEL.]bedrock-runtime[-fips].REGION.SUFFIX`.
/// A signature for another region than the host's own is refused, whatever the policy says.
pub(crate) fn region_of(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let rest = [".vpce.amazonaws.com", ".amazonaws.com", ".api.aws"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))?;
    let (service, region) = rest.rsplit_once('.')?;
    let service = service.rsplit_once('.').map_or(service, |(_, service)| service);
    let known = matches!(service, "bedrock-runtime" | "bedrock-runtime-fips");
    let sound = !region.is_empty()
        && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && region.contains('-');
    (known && sound).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_bedrock_says_its_region() {
        for (host, want) in [
            ("bedrock-runtime.eu-central-1.amazonaws.com", Some("eu-central-1")),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com:443", Some("us-gov-west-1")),
            ("bedrock-runtime.us-east-1.api.aws", Some("us-east-1")),
            ("vpce-0a-b1.bedrock-runtime.us-west-2.vpce.amazonaws.com", Some("us-west-2")),
            ("bedrock-runtime.us-east-1.amazonaws.com.evil.example", None),
            ("bedrock.us-east-1.amazonaws.com", None),
            ("bedrock-runtime.vpce.amazonaws.com", None),
            ("127.0.0.1:8080", None),
            ("", None),
        ] {
            assert_eq!(region_of(host), want, "{host}");
        }
    }
}
