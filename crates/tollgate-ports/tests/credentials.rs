//! Tokens for providers, from endpoints that behave and endpoints that do not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{collections::HashMap, rc::Rc, time::Duration};

use http::HeaderValue;
use support::*;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tollgate_auth::{
    AssumeRole, AwsKeys, ClientLogin, Grant, Token, TokenId, TokenRing as _, TokenSource, UnixSeconds,
    azure_grants::Application, google_grants::Federation,
};
use tollgate_ports::{Clouds, TokenFetcher, Tokens};
use tollgate_types::Secret;

/// 2023-11-14T22:13:20Z
const EPOCH: u64 = 1_700_000_000;

fn id() -> TokenId {
    TokenId("default/policy".into())
}

fn soon() -> std::time::Instant {
    (Instant::now() + Duration::from_secs(30)).into_std()
}

struct World {
    tokens: Tokens,
    fetcher: TokenFetcher,
    began: Instant,
}

impl World {
    /// Fetches by `grant`, in an environment of these variables; `SERVER` is the server's address.
    async fn new(server: &Scripted, grant: Grant, variables: &[(&str, &str)]) -> Self {
        let address = server.address.to_string();
        let variables: HashMap<String, String> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.replace("SERVER", &address)))
            .collect();
        let clouds = Clouds::new(move |name| variables.get(name).cloned());
        let (tokens, began) = (Tokens::default(), Instant::now());
        let clock = Rc::new(move || UnixSeconds(EPOCH + began.elapsed().as_secs()));
        let mut fetcher = TokenFetcher::new(tokens.clone(), (pool(), clouds), clock);
        fetcher.serve([TokenSource { id: id(), grant }]);
        tokens.asked(&id(), soon()).await;
        Self { tokens, fetcher, began }
    }

    fn token(&self) -> Option<Token> {
        let now = UnixSeconds(EPOCH + self.began.elapsed().as_secs());
        self.tokens.token(&id(), now).as_deref().cloned()
    }

    fn failures(&self) -> u32 {
        self.tokens.states()[0].failures
    }

    fn error(&self) -> String {
        self.tokens.states()[0].error.as_deref().unwrap_or_default().to_owned()
    }
}

fn bearer(token: &str) -> Option<Token> {
    Some(Token::Bearer(HeaderValue::from_str(&format!("Bearer {token}")).unwrap()))
}

fn aws(id: &str, secret: &str, session: Option<&str>) -> Option<Token> {
    AwsKeys::new(id.as_bytes(), secret.as_bytes(), session.map(str::as_bytes)).map(Token::Aws)
}

fn azure() -> Grant {
    let application = Application { tenant: "t-1".to_owned(), client_id: "c-1".to_owned() };
    Grant::AzureSecret(application, Secret::new("s 1"))
}

const AZURE: &[(&str, &str)] = &[("AZURE_AUTHORITY_HOST", "http://SERVER")];

fn grants(token: &str, seconds: u64) -> Manner {
    Manner::ok(&format!(r#"{{"access_token":"{token}","expires_in":{seconds},"token_type":"Bearer"}}"#))
}

/// A request as it stands on the wire, with its length and the server's address put in.
fn form(server: &Scripted, line: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {line} HTTP/1.1\r\nhost: {}\r\naccept: application/json, */*;q=0.5\r\n\
         content-type: application/x-www-form-urlencoded\r\n{headers}content-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    )
}

fn get(server: &Scripted, path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\naccept: application/json, */*;q=0.5\r\n{headers}\r\n",
        server.address
    )
}

#[test]
fn a_token_is_replaced_before_it_ends_and_used_until_then() {
    with_jumping_clock(async {
        let server = Scripted::start(grants("one", 3600)).await;
        let world = World::new(&server, azure(), AZURE).await;
        assert_eq!((world.token(), server.asked()), (bearer("one"), 1));
        let body = "client_id=c-1&grant_type=client_credentials\
                    &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default&client_secret=s%201";
        assert_eq!(server.take(), [form(&server, "/t-1/oauth2/v2.0/token", "", body)]);
        server.behave(grants("two", 3600));
        sleep(Duration::from_secs(49 * 60)).await;
        assert_eq!((world.token(), server.asked()), (bearer("one"), 1));
        sleep(Duration::from_secs(7 * 60)).await;
        assert_eq!((world.token(), server.asked()), (bearer("two"), 2));
    });
}

#[test]
fn a_dead_endpoint_takes_no_good_token_away_until_it_ends() {
    with_jumping_clock(async {
        let server = Scripted::start(grants("one", 3600)).await;
        let world = World::new(&server, azure(), AZURE).await;
        for (minute, bad) in (56..).zip([
            Manner::Down,
            Manner::Silent,
            Manner::Says("400 Bad Request".to_owned(), br#"{"error":"invalid_client"}"#.to_vec()),
            Manner::ok("<html>"),
        ]) {
            server.behave(bad);
            sleep(Duration::from_secs(minute * 60).saturating_sub(world.began.elapsed())).await;
            assert_eq!(world.token(), bearer("one"), "minute {minute}");
            assert!(world.failures() > 0 || minute == 56, "minute {minute}");
        }
        sleep(Duration::from_secs(120)).await;
        assert_eq!(world.token(), None, "what has ended is not shown");
        let before = server.asked();
        sleep(Duration::from_secs(600)).await;
        assert!((10..=16).contains(&(server.asked() - before)), "about one a minute");
        assert!(world.error().ends_with("answered 200 OK: its answer is not what it should be"));
        server.behave(grants("two", 3600));
        sleep(Duration::from_secs(61)).await;
        assert_eq!((world.token(), world.failures()), (bearer("two"), 0));
    });
}

#[test]
fn all_who_wait_for_the_first_token_share_one_fetch_and_nobody_hangs() {
    with_jumping_clock(async {
        let server = Scripted::start(grants("one", 3600)).await;
        let world = World::new(&server, azure(), AZURE).await;
        let mut waiting = JoinSet::new();
        for _ in 0..100 {
            let tokens = world.tokens.clone();
            waiting.spawn_local(async move { tokens.asked(&id(), soon()).await });
        }
        waiting.join_all().await;
        assert_eq!((world.token(), server.asked()), (bearer("one"), 1));

        let silent = Scripted::start(Manner::Silent).await;
        let began = Instant::now();
        let world = World::new(&silent, azure(), AZURE).await;
        assert_eq!((world.token(), silent.asked()), (None, 1));
        assert!(began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());
        let (again, tokens) = (Instant::now(), world.tokens.clone());
        tokens.asked(&id(), soon()).await;
        assert!(again.elapsed() < Duration::from_millis(10), "what failed once is not waited for again");
        assert_eq!(world.error(), "127.0.0.1 did not answer in time");
    });
}

#[test]
fn a_reload_keeps_token_and_rhythm_and_forgets_what_is_gone() {
    with_jumping_clock(async {
        let server = Scripted::start(grants("one", 3600)).await;
        let mut world = World::new(&server, azure(), AZURE).await;
        world.fetcher.serve([TokenSource { id: id(), grant: azure() }]);
        sleep(Duration::from_secs(100)).await;
        assert_eq!((world.token(), server.asked()), (bearer("one"), 1));
        server.behave(Manner::Down);
        let application = Application { tenant: "t-1".to_owned(), client_id: "c-1".to_owned() };
        let grant = Grant::AzureSecret(application, Secret::new("another"));
        world.fetcher.serve([TokenSource { id: id(), grant }]);
        assert_eq!(world.token(), bearer("one"), "until there is a new one");
        sleep(Duration::from_millis(10)).await;
        assert_eq!((world.token(), server.asked()), (bearer("one"), 2), "another secret is tried at once");
        world.fetcher.serve([]);
        assert_eq!(world.token(), None);
        let asked = server.asked();
        sleep(Duration::from_secs(1000)).await;
        assert_eq!(server.asked(), asked);
    });
}

/// An identity provider, Azure, AWS's and Google's token services in one.
fn clouds(request: &str) -> (&'static str, String) {
    let host = request.split("host: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let ok = |body: String| ("200 OK", body);
    match request.split(' ').nth(1).unwrap() {
        "/id/.well-known/openid-configuration" => ok(format!(
            r#"{{"issuer":"http://{host}/id","token_endpoint":"http://{host}/id/token","scopes_supported":["openid"]}}"#
        )),
        "/id/token" => ok(r#"{"access_token":"e.y.J","expires_in":300}"#.to_owned()),
        "/picky/.well-known/openid-configuration" => {
            ok(format!(r#"{{"issuer":"http://{host}/picky","token_endpoint":"http://{host}/picky/token"}}"#))
        }
        "/picky/token" if request.contains("client_secret=") => {
            ok(r#"{"access_token":"p.i.C","expires_in":300}"#.to_owned())
        }
        "/t-1/oauth2/v2.0/token" => ok(r#"{"access_token":"aad","expires_in":3600}"#.to_owned()),
        "/sts" => ok("<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
             <AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/1</SecretAccessKey>\
             <SessionToken>t/1</SessionToken><Expiration>2023-11-14T23:13:20Z</Expiration>\
             </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            .to_owned()),
        "/google/token" => ok(r#"{"access_token":"federated","expires_in":3600}"#.to_owned()),
        path if path.ends_with(":generateAccessToken") => {
            ok(r#"{"accessToken":"ya29.sa","expireTime":"2023-11-14T23:13:20Z"}"#.to_owned())
        }
        path if path.starts_with("/computeMetadata/v1/") => {
            ok(r#"{"access_token":"ya29.vm","expires_in":3599}"#.to_owned())
        }
        "/latest/api/token" => ok("session-1".to_owned()),
        "/latest/meta-data/iam/security-credentials/" => ok("gateway-role\n".to_owned()),
        "/latest/meta-data/iam/security-credentials/gateway-role" | "/v1/credentials" => {
            ok(r#"{"Code":"Success","AccessKeyId":"ASIA2","SecretAccessKey":"s2","Token":"t2",
                "Expiration":"2023-11-15T04:13:20Z"}"#
                .to_owned())
        }
        _ => ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned()),
    }
}

fn login(server: &Scripted, issuer: &str) -> ClientLogin {
    ClientLogin {
        issuer: format!("http://{}/{issuer}", server.address),
        token_endpoint: None,
        client_id: "gateway".to_owned(),
        client_secret: Secret::new("s1"),
        scopes: vec!["cloud".to_owned()],
    }
}

/// What goes to the identity provider before anything goes to a cloud.
fn of_provider(server: &Scripted) -> [String; 2] {
    let basic = "authorization: Basic Z2F0ZXdheTpzMQ==\r\n";
    [
        get(server, "/id/.well-known/openid-configuration", ""),
        form(server, "/id/token", basic, "grant_type=client_credentials&scope=cloud%20openid"),
    ]
}

#[test]
fn a_token_of_an_identity_provider_is_exchanged_for_keys_of_amazon() {
    with_jumping_clock(async {
        let server = Scripted::start(Manner::Answers(clouds)).await;
        let role = AssumeRole {
            region: "eu-west-1".to_owned(),
            role: "arn:aws:iam::1:role/r".to_owned(),
            session: "ai-gateway-policy".to_owned(),
        };
        let grant = Grant::AwsRole(role, login(&server, "id"));
        let world = World::new(&server, grant, &[("AWS_ENDPOINT_URL_STS", "http://SERVER/sts")]).await;
        assert_eq!(world.token(), aws("ASIA1", "s/1", Some("t/1")));
        let [discovery, token] = of_provider(&server);
        let body = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr\
                    &RoleSessionName=ai-gateway-policy&WebIdentityToken=e.y.J";
        assert_eq!(server.take(), [discovery, token, form(&server, "/sts", "", body)]);
        assert_eq!(world.tokens.states()[0].expires, Some(UnixSeconds(EPOCH + 3600)));
    });
}

#[test]
fn a_token_of_an_identity_provider_is_an_assertion_for_azure() {
    with_jumping_clock(async {
        let server = Scripted::start(Manner::Answers(clouds)).await;
        let application = Application { tenant: "t-1".to_owned(), client_id: "c-1".to_owned() };
        let grant = Grant::AzureFederated(application.clone(), login(&server, "id"));
        let world = World::new(&server, grant, AZURE).await;
        assert_eq!(world.token(), bearer("aad"));
        let [discovery, token] = of_provider(&server);
        let body = "client_id=c-1&grant_type=client_credentials\
                    &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default\
                    &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
                    &client_assertion=e.y.J";
        let exchange = form(&server, "/t-1/oauth2/v2.0/token", "", body);
        assert_eq!(server.take(), [discovery, token, exchange]);

        let world =
            World::new(&server, Grant::AzureFederated(application, login(&server, "picky")), AZURE).await;
        assert_eq!(world.token(), bearer("aad"), "a provider may want the secret in the form");
        assert!(server.take()[3].ends_with("&client_assertion=p.i.C"));
    });
}

#[test]
fn a_token_of_an_identity_provider_acts_for_an_account_of_google() {
    with_jumping_clock(async {
        let server = Scripted::start(Manner::Answers(clouds)).await;
        let account = Some("sa@p-1.iam.gserviceaccount.com".to_owned());
        let federation = Federation { audience: "//iam.googleapis.com/x".to_owned(), account };
        let grant = Grant::GoogleFederated(federation, login(&server, "id"));
        let endpoints = &[
            ("TOLLGATE_GOOGLE_STS_URL", "http://SERVER/google/token"),
            ("TOLLGATE_GOOGLE_IAM_URL", "http://SERVER"),
        ];
        let world = World::new(&server, grant, endpoints).await;
        assert_eq!(world.token(), bearer("ya29.sa"));
        let [discovery, token] = of_provider(&server);
        let exchange = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
                        &audience=%2F%2Fiam.googleapis.com%2Fx\
                        &scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fiam\
                        &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
                        &subject_token=e.y.J&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt";
        let act = r#"{"scope":["https://www.googleapis.com/auth/cloud-platform"]}"#;
        let act = format!(
            "POST /v1/projects/-/serviceAccounts/sa@p-1.iam.gserviceaccount.com:generateAccessToken HTTP/1.1\r\n\
             host: {}\r\naccept: application/json, */*;q=0.5\r\ncontent-type: application/json\r\n\
             authorization: Bearer federated\r\ncontent-length: {}\r\n\r\n{act}",
            server.address,
            act.len()
        );
        assert_eq!(server.take(), [discovery, token, form(&server, "/google/token", "", exchange), act]);
    });
}

#[test]
fn the_environment_comes_first_in_amazons_chain() {
    with_jumping_clock(async {
        let server = Scripted::start(Manner::Answers(clouds)).await;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let token = path("token", "e.y.J\n");
        let file = path(
            "credentials",
            "[default]\naws_access_key_id=AKIDFILE\naws_secret_access_key=f\n\
             [work]\naws_access_key_id=AKIDWORK\naws_secret_access_key=w\n",
        );
        let instance = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://SERVER");
        let container = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://SERVER/v1/credentials");
        let of_file = ("AWS_SHARED_CREDENTIALS_FILE", file.as_str());
        let identity = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
            ("AWS_ENDPOINT_URL_STS", "http://SERVER/sts"),
        ];
        let keys =
            [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "e"), ("AWS_SESSION_TOKEN", "x")];
        for (variables, want) in [
            (
                [&keys[..], &identity, &[of_file, container, instance]].concat(),
                aws("AKIDENV", "e", Some("x")),
            ),
            ([&identity[..], &[of_file, container, instance]].concat(), aws("ASIA1", "s/1", Some("t/1"))),
            (vec![of_file, container, instance], aws("AKIDFILE", "f", None)),
            (vec![("AWS_PROFILE", "work"), of_file, instance], aws("AKIDWORK", "w", None)),
            (vec![container, instance], aws("ASIA2", "s2", Some("t2"))),
            (vec![("HOME", "/nowhere"), instance], aws("ASIA2", "s2", Some("t2"))),
        ] {
            let world = World::new(&server, Grant::AwsChain, &variables).await;
            assert_eq!(world.token(), want, "{variables:?} {}", world.error());
        }
        for (variables, want) in [
            (&keys[..1], "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set together"),
            (&identity[..1], "so AWS_ROLE_ARN has to be set too"),
            (&[("AWS_PROFILE", "nope"), of_file], "it has no profile nope; there is default, work"),
            (&[("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/x"), instance], "cannot read /nowhere/x"),
            (&[("AWS_EC2_METADATA_DISABLED", "true")], "instance metadata are switched off"),
            (&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://SERVER/nothing")], "answered 401"),
        ] {
            let world = World::new(&server, Grant::AwsChain, variables).await;
            assert!(world.token().is_none() && world.error().contains(want), "{}", world.error());
        }
    });
}

#[test]
fn an_instance_and_a_container_are_asked_as_they_want_it() {
    with_jumping_clock(async {
        let server = Scripted::start(Manner::Answers(clouds)).await;
        World::new(&server, Grant::AwsChain, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://SERVER/")])
            .await;
        let session = "x-aws-ec2-metadata-token: session-1\r\n";
        let path = "/latest/meta-data/iam/security-credentials/";
        let open = format!(
            "PUT /latest/api/token HTTP/1.1\r\nhost: {}\r\naccept: application/json, */*;q=0.5\r\n\
             x-aws-ec2-metadata-token-ttl-seconds: 21600\r\ncontent-length: 0\r\n\r\n",
            server.address
        );
        let keys = get(&server, &format!("{path}gateway-role"), session);
        assert_eq!(server.take(), [open, get(&server, path, session), keys]);
        let container = &[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://SERVER/v1/credentials"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token"),
        ];
        World::new(&server, Grant::AwsChain, container).await;
        assert_eq!(server.take(), [get(&server, "/v1/credentials", "authorization: pod-token\r\n")]);
    });
}

#[test]
fn googles_chain_is_a_file_or_the_metadata_server() {
    with_jumping_clock(async {
        let server = Scripted::start(Manner::Answers(clouds)).await;
        let metadata = [("GCE_METADATA_HOST", "SERVER"), ("HOME", "/nowhere")];
        let world = World::new(&server, Grant::GoogleDefault, &metadata).await;
        assert_eq!(world.token(), bearer("ya29.vm"));
        let path = "/computeMetadata/v1/instance/service-accounts/default/token\
                    ?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform";
        assert_eq!(server.take(), [get(&server, path, "metadata-flavor: Google\r\n")]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("adc.json");
        let person = format!(
            r#"{{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r",
                "token_uri":"http://{}/google/token"}}"#,
            server.address
        );
        std::fs::write(&path, person).unwrap();
        let named = [("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap()), metadata[0]];
        let world = World::new(&server, Grant::GoogleDefault, &named).await;
        assert_eq!(world.token(), bearer("federated"));
        let body = "client_id=c&client_secret=s&grant_type=refresh_token&refresh_token=r";
        assert_eq!(server.take(), [form(&server, "/google/token", "", body)]);
        let nowhere = [("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/adc.json"), metadata[0]];
        let world = World::new(&server, Grant::GoogleDefault, &nowhere).await;
        assert!(world.error().starts_with("cannot read /nowhere/adc.json"), "{}", world.error());
    });
}

#[test]
fn a_cloud_may_be_behind_a_proxy_of_its_own() {
    with_jumping_clock(async {
        let server = Scripted::start(grants("one", 3600)).await;
        let proxy = Scripted::start(Manner::Leads(server.address)).await;
        let url = format!("http://user:pw@{}", proxy.address);
        let wrong = [AZURE[0], ("AI_GATEWAY_AZURE_PROXY_URL", "proxy.example")];
        let world = World::new(&server, azure(), &wrong).await;
        assert!(world.error().starts_with("a proxy is"), "nobody is asked past it: {}", world.error());
        let variables = [AZURE[0], ("AI_GATEWAY_AZURE_PROXY_URL", &url)];
        let world = World::new(&server, azure(), &variables).await;
        assert_eq!((world.token(), server.asked()), (bearer("one"), 1));
        let address = server.address;
        assert_eq!(
            proxy.take(),
            [format!(
                "CONNECT {address} HTTP/1.1\r\nhost: {address}\r\nproxy-authorization: Basic dXNlcjpwdw==\r\n\r\n"
            )]
        );
    });
}
