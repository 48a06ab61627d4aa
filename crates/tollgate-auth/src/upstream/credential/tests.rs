use super::*;

const NOW: UnixSeconds = UnixSeconds(1_440_938_160);

/// One token, whatever it is asked for.
struct Ring(Option<Token>);

impl TokenRing for Ring {
    fn token(&self, _: &TokenId, _: UnixSeconds) -> Option<Arc<Token>> {
        self.0.clone().map(Arc::new)
    }
}

/// A request with every credential that a client might send.
struct Call {
    path: String,
    headers: HeaderMap,
    client: HeaderMap,
}

impl Call {
    fn new(client: &[(&'static str, &'static str)]) -> Self {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "api-key", "x-api-key", "x-goog-api-key", "x-amz-security-token"] {
            headers.insert(name, HeaderValue::from_static("of-the-client"));
        }
        let pairs = client
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Self { path: "/v1/chat".to_owned(), headers, client: pairs.collect() }
    }

    fn apply(&mut self, credential: &Credential, ring: &Ring) -> Result<(), Unsigned> {
        let host = "bedrock-runtime.eu-west-1.amazonaws.com";
        let Self { path, headers, client } = self;
        let call = Outbound { method: &Method::POST, host, path, headers, body: b"{}" };
        credential.apply(call, client, (ring, NOW))
    }
}

fn id() -> TokenId {
    TokenId("default/policy".into())
}

fn keys(id: &str) -> AwsKeys {
    AwsKeys::new(id.as_bytes(), b"secret", None).unwrap()
}

#[test]
fn the_clients_credentials_never_reach_the_provider() {
    let mut call = Call::new(&[]);
    let credential = Credential::anthropic_api_key(&Secret::new(" sk-1\n")).unwrap();
    call.apply(&credential, &Ring(None)).unwrap();
    assert_eq!(call.headers.len(), 1);
    assert_eq!(call.headers[X_API_KEY], "sk-1");
}

#[test]
fn a_key_is_not_printed_and_a_broken_one_is_refused_without_repeating_it() {
    let credential = Credential::api_key(&Secret::new("sk-secret")).unwrap();
    assert!(!format!("{credential:?}").contains("sk-secret"));
    assert_eq!(Credential::api_key(&Secret::new("sk\nsecret")), Err(InvalidCredential::Characters));
    assert_eq!(Credential::api_key(&Secret::new(" ")), Err(InvalidCredential::Empty));
}

#[test]
fn the_region_of_the_host_wins_over_the_policys() {
    let mut call = Call::new(&[]);
    call.apply(&Credential::aws("us-east-1", keys("AKID")), &Ring(None)).unwrap();
    let signed = call.headers[AUTHORIZATION].to_str().unwrap();
    let scope = "Credential=AKID/20150830/eu-west-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, ";
    assert!(signed.contains(scope), "{signed}");
    assert_eq!(call.headers["x-amz-date"], "20150830T123600Z");
    assert_eq!(call.headers.len(), 2);
}

#[test]
fn a_token_that_is_not_there_is_no_request() {
    let credential = Credential::aws_fetched("us-east-1", id());
    assert_eq!(Call::new(&[]).apply(&credential, &Ring(None)), Err(Unsigned::NotFetched(id())));
    let mut call = Call::new(&[]);
    call.apply(&credential, &Ring(Some(Token::Aws(keys("FETCHED"))))).unwrap();
    assert!(call.headers[AUTHORIZATION].to_str().unwrap().contains("Credential=FETCHED/"));
    let credential = Credential::bearer(id());
    assert_eq!(Call::new(&[]).apply(&credential, &Ring(None)), Err(Unsigned::NotFetched(id())));
}

#[test]
fn google_wants_its_project_before_the_translators_path() {
    let credential = Credential::google("p-1", "us-central1", id());
    let ring = Ring(Token::bearer(&Secret::new("ya29")));
    let mut call = Call::new(&[]);
    call.path = "publishers/google/models/m:generateContent".to_owned();
    call.apply(&credential, &ring).unwrap();
    assert_eq!(
        call.path,
        "/v1/projects/p-1/locations/us-central1/publishers/google/models/m:generateContent"
    );
    assert_eq!(call.headers[AUTHORIZATION], "Bearer ya29");
    assert!(call.headers[AUTHORIZATION].is_sensitive());
    let mut call = Call::new(&[]);
    call.apply(&credential, &ring).unwrap();
    assert_eq!(call.path, "/v1/chat");
}

#[test]
fn a_client_may_bring_its_own_key() {
    let own = |fallback| Own::header(HeaderName::from_static("x-aigw-api-key"), fallback);
    let ours = || Credential::api_key(&Secret::new("ours")).unwrap();
    for (client, fallback, want) in [
        (&[("x-aigw-api-key", " theirs ")][..], true, Ok("Bearer theirs")),
        (&[("x-aigw-api-key", "theirs")], false, Ok("Bearer theirs")),
        (&[("x-aigw-api-key", "bearer theirs")], false, Ok("Bearer theirs")),
        (&[("x-aigw-api-key", "  ")], true, Ok("Bearer ours")),
        (&[], true, Ok("Bearer ours")),
        (&[], false, Err(Unsigned::Missing)),
        (&[("x-aigw-api-key", " ")], false, Err(Unsigned::Missing)),
    ] {
        let mut call = Call::new(client);
        let done = call.apply(&ours().or_own(own(fallback)), &Ring(None));
        let shown = done.map(|()| call.headers[AUTHORIZATION].to_str().unwrap().to_owned());
        assert_eq!(shown, want.map(str::to_owned), "{client:?} {fallback}");
    }
}

#[test]
fn half_a_credential_of_aws_is_an_error_and_never_ours() {
    const ID: (&str, &str) = ("x-aigw-aws-access-key-id", "THEIRS");
    const SECRET: (&str, &str) = ("x-aigw-aws-secret-access-key", "s");
    const SESSION: (&str, &str) = ("x-aigw-aws-session-token", "t");
    let own = || Own::aws("X-Aigw-Aws-", true).unwrap();
    let credential = Credential::aws("us-east-1", keys("OURS")).or_own(own());
    for partial in [&[ID][..], &[SECRET], &[SESSION], &[ID, SESSION], &[SECRET, SESSION]] {
        assert_eq!(Call::new(partial).apply(&credential, &Ring(None)), Err(Unsigned::Partial), "{partial:?}");
    }
    for (whole, want) in [(&[][..], "OURS"), (&[ID, SECRET], "THEIRS"), (&[ID, SECRET, SESSION], "THEIRS")] {
        let mut call = Call::new(whole);
        call.apply(&credential, &Ring(None)).unwrap();
        assert!(call.headers[AUTHORIZATION].to_str().unwrap().contains(&format!("Credential={want}/")));
        assert_eq!(call.headers.contains_key(SECURITY_TOKEN), whole.len() == 3);
    }
    assert_eq!(own().names().count(), 3);
    assert_eq!(Own::aws("x aws", true), None);
}

#[test]
fn a_client_that_has_to_bring_its_own_makes_ours_unnecessary() {
    let own = Own::header(HeaderName::from_static("x-aigw-gcp-access-token"), false);
    let credential = Credential::google("p", "r", id()).or_own(own);
    assert_eq!(credential.token(), None);
    assert_eq!(Call::new(&[]).apply(&credential, &Ring(None)), Err(Unsigned::Missing));
}
