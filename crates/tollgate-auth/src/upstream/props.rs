//! Whatever files and endpoints hold, reading it ends well.

use http::{HeaderMap, Method};
use proptest::prelude::*;
use tollgate_types::Secret;

use super::*;
use crate::UnixSeconds;

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// Bytes that are nearly what is expected.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "[default]",
        "\n",
        "aws_access_key_id",
        "=",
        "aws_secret_access_key",
        "{",
        "}",
        "\"type\":",
        ",",
        "\"service_account\"",
        "\"external_account\"",
        "\"private_key\":",
        "<Credentials>",
        "</Credentials>",
        "<AccessKeyId>",
        "</AccessKeyId>",
        "<Error>",
        "</Error>",
        "&amp;",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "\"access_token\":",
        "\"x\"",
        "\"expires_in\":",
        "-1",
        "1e99",
        "\u{e9}",
    ]);
    prop::collection::vec(words, 0..24).prop_map(|words| words.concat().into_bytes())
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(any::<u8>(), 0..256), nearly()]
}

fn keys() -> AwsKeys {
    AwsKeys::new(b"AKID", b"secret", None).unwrap()
}

proptest! {
    #[test]
    fn no_file_and_no_answer_breaks_who_reads_it(bytes in any_bytes()) {
        let _ = Profile::read(&bytes, "default");
        let _ = GoogleFile::read(&bytes);
        let _ = Discovery::parse(&bytes);
        let _ = aws_grants::assumed(&bytes);
        let _ = aws_grants::answered(&bytes);
        let _ = azure_grants::answered(&bytes, NOW);
        let _ = google_grants::acted(&bytes);
        let _ = google_grants::exchanged(&bytes, NOW);
    }

    #[test]
    fn every_path_and_query_is_signed_and_the_order_of_parameters_is_no_matter(
        path in "/[ -~]{0,40}",
        pairs in prop::collection::vec("[a-c%+~. ]{0,4}=[ -%\\x27-~]{0,4}", 0..5),
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let path = path.replace('?', "");
        let sign = |pairs: &[String]| {
            let target = format!("{path}?{}", pairs.join("&"));
            let request = Signable { method: "POST", host: "h", target: &target, headers: &[], body: &body };
            let scope = Scope { region: "r", service: "s" };
            request.sign(&keys(), scope, NOW).map(|signed| signed.authorization)
        };
        let signed = sign(&pairs);
        prop_assert!(signed.is_some());
        let backwards: Vec<String> = pairs.iter().rev().cloned().collect();
        prop_assert_eq!(signed, sign(&backwards));
    }

    #[test]
    fn what_clients_bring_is_used_or_refused(value in prop::collection::vec(any::<u8>(), 0..32)) {
        let Ok(value) = http::HeaderValue::from_bytes(&value) else { return Ok(()) };
        let name = http::HeaderName::from_static("x-own");
        let client = HeaderMap::from_iter([(name.clone(), value)]);
        let credential = Credential::api_key(&Secret::new("ours")).unwrap().or_own(Own::header(name, true));
        let (mut path, mut headers) = ("/".to_owned(), HeaderMap::new());
        let call = Outbound {
            method: &Method::GET, host: "h", path: &mut path, headers: &mut headers, body: b"",
        };
        prop_assert!(credential.apply(call, &client, (&(), NOW)).is_ok());
        prop_assert!(headers.contains_key("authorization"));
    }
}
