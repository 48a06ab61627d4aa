//! AWS's own test suite for Signature Version 4 (aws-sig-v4-test-suite), as far as it is about requests that HTTP can
//! carry, and two examples of its documentation.

use super::*;

/// 2015-08-30T12:36:00Z
const WHEN: UnixSeconds = UnixSeconds(1_440_938_160);
const HOST: &str = "example.amazonaws.com";
const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

const SHORT_TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";

/// Method, target, further headers, body, names of signed headers, signature.
type Vector<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str, &'a str);

const PLAIN: &str = "host;x-amz-date";
const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

const SUITE: &[Vector<'_>] = &[
    ("GET", "/", &[], "", PLAIN, VANILLA),
    (
        "GET",
        "/?Param2=value2&Param1=value1",
        &[],
        "",
        PLAIN,
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "GET",
        "/?Param1=value1",
        &[],
        "",
        PLAIN,
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    ),
    (
        "GET",
        "/?\u{1234}=bar",
        &[],
        "",
        PLAIN,
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    (
        "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        &[],
        "",
        PLAIN,
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    ("GET", "/\u{1234}", &[], "", PLAIN, "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    (
        "GET",
        "/",
        &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
        "",
        "host;my-header1;x-amz-date",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    (
        "GET",
        "/",
        &[
            ("my-header1", "value4"),
            ("my-header1", "value1"),
            ("my-header1", "value3"),
            ("my-header1", "value2"),
        ],
        "",
        "host;my-header1;x-amz-date",
        "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
    ),
    (
        "GET",
        "/",
        &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
        "",
        "host;my-header1;my-header2;x-amz-date",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    ("POST", "/", &[], "", PLAIN, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    (
        "POST",
        "/?Param1=value1",
        &[],
        "",
        PLAIN,
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
    ),
    (
        "POST",
        "/",
        &[("my-header1", "VALUE1")],
        "",
        "host;my-header1;x-amz-date",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    ),
    (
        "POST",
        "/",
        &[("content-type", "application/x-www-form-urlencoded")],
        "Param1=value1",
        "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    (
        "POST",
        "/",
        &[("content-type", "application/x-www-form-urlencoded; charset=utf8")],
        "Param1=value1",
        "content-type;host;x-amz-date",
        "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
    ),
    ("GET", "/example/..", &[], "", PLAIN, VANILLA),
    ("GET", "/example1/example2/../..", &[], "", PLAIN, VANILLA),
    ("GET", "//", &[], "", PLAIN, VANILLA),
    ("GET", "/./", &[], "", PLAIN, VANILLA),
    ("GET", "/./example", &[], "", PLAIN, "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
    (
        "GET",
        "//example//",
        &[],
        "",
        PLAIN,
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    ),
    (
        "GET",
        "/example space/",
        &[],
        "",
        PLAIN,
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    ),
    (
        "GET",
        "/example/$delete",
        &[],
        "",
        PLAIN,
        "a853c9b21b528b19643d00910d35b83a10c366a10833ceefb45edd6c80e40f27",
    ),
];

fn keys(session: Option<&str>) -> AwsKeys {
    let secret = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    AwsKeys::new(b"AKIDEXAMPLE", secret, session.map(str::as_bytes)).unwrap()
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap()
}

#[test]
fn requests_of_the_published_suite_get_its_signatures() {
    let scope = Scope { region: "us-east-1", service: "service" };
    for &(method, target, headers, body, names, want) in SUITE {
        let request = Signable { method, host: HOST, target, headers, body: body.as_bytes() };
        let signed = request.sign(&keys(None), scope, WHEN).unwrap();
        assert_eq!(
            text(&signed.authorization),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={names}, Signature={want}"
            ),
            "{method} {target} {headers:?}"
        );
        assert_eq!(text(&signed.date), "20150830T123600Z");
        assert!(signed.token.is_none() && signed.authorization.is_sensitive());
    }
}

#[test]
fn the_token_of_a_session_is_sent_and_signed() {
    let scope = Scope { region: "us-east-1", service: "service" };
    let names = "SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=";
    for (method, token, want) in [
        ("POST", TOKEN, "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
        ("GET", SHORT_TOKEN, "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
    ] {
        let request = Signable { method, host: HOST, target: "/", headers: &[], body: b"" };
        let signed = request.sign(&keys(Some(token)), scope, WHEN).unwrap();
        assert!(text(&signed.authorization).ends_with(&format!("{names}{want}")), "{method}");
        assert_eq!(signed.token.unwrap(), token);
    }
}

#[test]
fn the_documented_example_gets_its_signature() {
    let headers = &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let target = "/?Action=ListUsers&Version=2010-05-08";
    let request = Signable { method: "GET", host: "iam.amazonaws.com", target, headers, body: b"" };
    let signed = request.sign(&keys(None), Scope { region: "us-east-1", service: "iam" }, WHEN).unwrap();
    assert!(
        text(&signed.authorization)
            .ends_with("=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
    );
}

#[test]
fn a_path_that_is_escaped_is_escaped_again_in_what_is_signed() {
    assert_eq!(
        canonical_path("/model/anthropic.claude-v2%3A1/converse"),
        "/model/anthropic.claude-v2%253A1/converse"
    );
    assert_eq!(canonical_path("/model/arn%3Aaws%2Fa:b"), "/model/arn%253Aaws%252Fa%3Ab");
    assert_eq!(canonical_path(""), "/");
    assert_eq!(canonical_path("/a/.."), "/");
    assert_eq!(canonical_path("/a/b/."), "/a/b/");
}

#[test]
fn a_query_is_sorted_by_its_escaped_names() {
    assert_eq!(canonical_query("b=2&a=%7e&a=1%2B+2&c"), "a=1%2B%202&a=~&b=2&c=");
}

#[test]
fn a_time_that_has_no_four_digits_of_a_year_signs_nothing() {
    let request = Signable { method: "GET", host: HOST, target: "/", headers: &[], body: b"" };
    let scope = Scope { region: "us-east-1", service: "service" };
    assert!(request.sign(&keys(None), scope, UnixSeconds(u64::MAX)).is_none());
    let signed = request.sign(&keys(None), scope, UnixSeconds(0)).unwrap();
    assert_eq!(text(&signed.date), "19700101T000000Z");
}
