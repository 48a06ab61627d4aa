//! Every byte that goes to a token endpoint, and what its answers come to.

use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{
    super::{AwsKeys, Granted, Token},
    *,
};
use crate::UnixSeconds;

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

fn login() -> ClientLogin {
    ClientLogin {
        issuer: "https://id.example/".to_owned(),
        token_endpoint: None,
        client_id: "gate way".to_owned(),
        client_secret: Secret::new("s:e&c\n"),
        scopes: vec!["own".to_owned()],
    }
}

fn body(request: &TokenRequest) -> &str {
    std::str::from_utf8(request.body.expose()).unwrap()
}

fn headers(request: &TokenRequest) -> Vec<(&str, &str)> {
    let pairs = request.headers.iter();
    pairs.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

fn bearer(token: &str) -> Token {
    Token::bearer(&Secret::new(token)).unwrap()
}

const FORM_TYPE: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn a_client_of_an_identity_provider_asks_for_all_scopes_that_are_offered() {
    let login = login();
    assert_eq!(login.discover().url, "https://id.example/.well-known/openid-configuration");
    let provider = br#"{"issuer":"https://id.example","token_endpoint":"https://id.example/t",
        "scopes_supported":["openid","own"]}"#;
    let provider = Discovery::parse(provider).unwrap();
    let ask = login.ask(&provider);
    assert_eq!((ask.method.as_str(), ask.url.as_str()), ("POST", "https://id.example/t"));
    assert_eq!(body(&ask), "grant_type=client_credentials&scope=own%20openid");
    // gate%20way:s%3Ae%26c
    assert_eq!(headers(&ask), [FORM_TYPE, ("authorization", "Basic Z2F0ZSUyMHdheTpzJTNBZSUyNmM=")]);
    let ask = login.ask_in_form(&provider);
    assert_eq!(
        body(&ask),
        "grant_type=client_credentials&scope=own%20openid&client_id=gate%20way&client_secret=s%3Ae%26c"
    );
    assert_eq!(headers(&ask), [FORM_TYPE]);
    assert!(!format!("{ask:?}").contains("s%3A"), "{ask:?}");
    let elsewhere = ClientLogin { token_endpoint: Some("http://t.example/x".to_owned()), ..login };
    assert_eq!(elsewhere.ask(&provider).url, "http://t.example/x");
    for bad in [&b"<html>"[..], b"{}", br#"{"issuer":"","token_endpoint":"x"}"#] {
        assert_eq!(Discovery::parse(bad), Err(BadAnswer::Garbage));
    }
}

#[test]
fn the_answers_of_token_endpoints_say_how_long_a_token_is_good() {
    for (answer, want) in [
        (r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#, Some(1_700_003_599)),
        (r#"{"access_token":"t","expires_in":"60"}"#, Some(1_700_000_060)),
        (r#"{"access_token":"t"}"#, None),
        (r#"{"access_token":"t","expires_in":null}"#, None),
    ] {
        let granted = azure::answered(answer.as_bytes(), NOW).unwrap();
        assert_eq!(granted, Granted { token: bearer("t"), expires: want.map(UnixSeconds) });
    }
    for (answer, want) in [
        (
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: no\r\nTrace"}"#,
            "invalid_client: AADSTS7000215: no",
        ),
        (r#"{"error":"unauthorized"}"#, "unauthorized"),
        (r#"{"error":{"code":403,"message":"Permission denied"}}"#, "Permission denied"),
        (r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"no role"}"#, "no role"),
    ] {
        assert_eq!(azure::answered(answer.as_bytes(), NOW), Err(BadAnswer::Refused(want.to_owned())));
    }
    for garbage in ["", "<html>", "{}", r#"{"access_token":""}"#, r#"{"access_token":"a\nb"}"#] {
        assert_eq!(azure::answered(garbage.as_bytes(), NOW), Err(BadAnswer::Garbage), "{garbage}");
    }
}

#[test]
fn azure_takes_a_secret_or_an_assertion() {
    let application = azure::Application { tenant: "t-1".to_owned(), client_id: "c-1".to_owned() };
    let ask = application.with_secret(azure::AUTHORITY, &Secret::new("s~1 \n"));
    assert_eq!(ask.url, "https://login.microsoftonline.com/t-1/oauth2/v2.0/token");
    assert_eq!(
        body(&ask),
        "client_id=c-1&grant_type=client_credentials\
         &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default&client_secret=s~1"
    );
    let ask = application.with_assertion("http://local/", &Secret::new("e.y.J"));
    assert_eq!(ask.url, "http://local/t-1/oauth2/v2.0/token");
    assert!(body(&ask).ends_with(
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
         &client_assertion=e.y.J"
    ));
    assert_eq!((ask.method.as_str(), headers(&ask)), ("POST", vec![FORM_TYPE]));
}

#[test]
fn a_role_of_amazon_is_assumed_with_a_token() {
    let role = AssumeRole {
        region: "eu-west-1".to_owned(),
        role: "arn:aws:iam::1:role/r".to_owned(),
        session: "ai-gateway-p".to_owned(),
    };
    let ask = role.ask(None, &Secret::new("e.y.J\n"));
    assert_eq!((ask.method.as_str(), ask.url.as_str()), ("POST", "https://sts.eu-west-1.amazonaws.com/"));
    assert_eq!(
        body(&ask),
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr\
         &RoleSessionName=ai-gateway-p&WebIdentityToken=e.y.J"
    );
    let china = AssumeRole { region: "cn-north-1".to_owned(), ..role };
    assert_eq!(china.ask(None, &Secret::new("t")).url, "https://sts.cn-north-1.amazonaws.com.cn/");
    let answer = "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">
        <AssumeRoleWithWebIdentityResult><Credentials><SessionToken>a&amp;b==</SessionToken>
        <SecretAccessKey>s/1</SecretAccessKey><Expiration>2023-11-14T23:13:20Z</Expiration>
        <AccessKeyId>ASIA1</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>
        </AssumeRoleWithWebIdentityResponse>";
    let keys = AwsKeys::new(b"ASIA1", b"s/1", Some(b"a&b==")).unwrap();
    let expires = Some(UnixSeconds(1_700_003_600));
    assert_eq!(aws::assumed(answer.as_bytes()), Ok(Granted { token: Token::Aws(keys), expires }));
    let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code>
        <Message>Token expired</Message></Error></ErrorResponse>";
    let said = BadAnswer::Refused("ExpiredTokenException: Token expired".to_owned());
    assert_eq!(aws::assumed(refused.as_bytes()), Err(said));
    for garbage in ["", "{}", "<Credentials></Credentials>", "<Credentials><AccessKeyId>a</AccessKeyId>"] {
        assert_eq!(aws::assumed(garbage.as_bytes()), Err(BadAnswer::Garbage), "{garbage}");
    }
}

#[test]
fn containers_and_instances_give_keys() {
    let ask = aws::of_container("http://169.254.170.23/v1/credentials", Some(b"e.y.J\n"));
    assert_eq!((ask.method.as_str(), headers(&ask)), ("GET", vec![("authorization", "e.y.J")]));
    assert!(headers(&aws::of_container("http://169.254.170.2/x", None)).is_empty());
    let open = aws::open_instance("http://169.254.169.254/");
    assert_eq!((open.method.as_str(), open.url.as_str()), ("PUT", "http://169.254.169.254/latest/api/token"));
    assert_eq!(headers(&open), [("x-aws-ec2-metadata-token-ttl-seconds", "21600")]);
    let ask = aws::of_instance("http://169.254.169.254", b"session\n", "my role\n");
    let url = "http://169.254.169.254/latest/meta-data/iam/security-credentials/";
    assert_eq!(ask.url, format!("{url}my%20role"));
    assert_eq!(headers(&ask), [("x-aws-ec2-metadata-token", "session")]);
    assert_eq!(aws::role_of_instance("http://169.254.169.254", b"s").url, url);
    let answer = br#"{"Code":"Success","AccessKeyId":"ASIA1","SecretAccessKey":"s","Token":"t",
        "Expiration":"2023-11-14T23:13:20Z"}"#;
    let keys = AwsKeys::new(b"ASIA1", b"s", Some(b"t")).unwrap();
    let expires = Some(UnixSeconds(1_700_003_600));
    assert_eq!(aws::answered(answer), Ok(Granted { token: Token::Aws(keys), expires }));
    assert_eq!(aws::answered(b"{}"), Err(BadAnswer::Garbage));
}

fn federation(account: Option<&str>) -> google::Federation {
    let audience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b";
    google::Federation { audience: audience.to_owned(), account: account.map(str::to_owned) }
}

#[test]
fn google_exchanges_a_token_and_lets_it_act_for_an_account() {
    let alone = federation(None);
    let ask = alone.exchange(None, &Secret::new("e.y.J"));
    assert_eq!(ask.url, "https://sts.googleapis.com/v1/token");
    assert_eq!(
        body(&ask),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
         &audience=%2F%2Fiam.googleapis.com%2Fprojects%2F1%2Flocations%2Fglobal%2FworkloadIdentityPools%2Fa\
         %2Fproviders%2Fb&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform\
         &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
         &subject_token=e.y.J&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt"
    );
    assert!(alone.act(None, &Secret::new("t")).is_none());
    let acting = federation(Some("sa@p-1.iam.gserviceaccount.com"));
    let ask = acting.exchange(None, &Secret::new("e.y.J"));
    assert!(body(&ask).contains("&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fiam&"));
    let act = acting.act(None, &Secret::new("federated")).unwrap();
    assert_eq!(
        act.url,
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/\
         sa@p-1.iam.gserviceaccount.com:generateAccessToken"
    );
    assert_eq!(body(&act), r#"{"scope":["https://www.googleapis.com/auth/cloud-platform"]}"#);
    assert_eq!(headers(&act), [("content-type", "application/json"), ("authorization", "Bearer federated")]);
    let answer = br#"{"accessToken":"ya29","expireTime":"2023-11-14T23:13:20Z"}"#;
    let expires = Some(UnixSeconds(1_700_003_600));
    assert_eq!(google::acted(answer), Ok(Granted { token: bearer("ya29"), expires }));
    let refused = br#"{"error":{"code":403,"message":"iam.serviceAccounts.getAccessToken denied"}}"#;
    let said = BadAnswer::Refused("iam.serviceAccounts.getAccessToken denied".to_owned());
    assert_eq!(google::acted(refused), Err(said));
}

#[test]
fn the_metadata_server_wants_its_flavor() {
    let ask = google::of_metadata(google::METADATA);
    assert_eq!(
        ask.url,
        "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token\
         ?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform"
    );
    assert_eq!(headers(&ask), [("metadata-flavor", "Google")]);
}

#[test]
fn the_key_of_a_service_account_signs_an_assertion() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let file = json!({
        "type": "service_account", "project_id": "p-1", "private_key_id": "k-1", "private_key": pem,
        "client_email": "sa@p-1.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
    });
    let Ok(GoogleFile::Account(account)) = GoogleFile::read(file.to_string().as_bytes()) else {
        unreachable!("it is the key of an account")
    };
    assert!(!format!("{account:?}").contains("BEGIN"));
    let ask = account.ask(NOW).unwrap();
    assert_eq!(ask.url, "https://oauth2.googleapis.com/token");
    let prefix = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let assertion = body(&ask).strip_prefix(prefix).unwrap();
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    public.verify(message.as_bytes(), &decode(signature)).unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let parse = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
    assert_eq!(parse(header), json!({ "alg": "RS256", "typ": "JWT", "kid": "k-1" }));
    assert_eq!(
        parse(claims),
        json!({
            "iss": "sa@p-1.iam.gserviceaccount.com", "scope": "https://www.googleapis.com/auth/cloud-platform",
            "aud": "https://oauth2.googleapis.com/token", "iat": 1_700_000_000, "exp": 1_700_003_600,
        })
    );
}

#[test]
fn a_person_and_an_external_account_have_files_too() {
    let person = json!({
        "type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "1//r",
    });
    let Ok(GoogleFile::Person(person)) = GoogleFile::read(person.to_string().as_bytes()) else {
        unreachable!("it is a person's")
    };
    assert_eq!(person.ask().url, "https://oauth2.googleapis.com/token");
    assert_eq!(
        body(&person.ask()),
        "client_id=c&client_secret=s&grant_type=refresh_token&refresh_token=1%2F%2Fr"
    );
    let external = json!({
        "type": "external_account", "audience": "//a", "token_url": "https://sts.googleapis.com/v1/token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "service_account_impersonation_url": "https://iam.example/x:generateAccessToken",
        "credential_source": {"url": "http://id.example/token", "headers": {"Metadata": "true"},
            "format": {"type": "json", "subject_token_field_name": "access_token"}},
    });
    let Ok(GoogleFile::External(external)) = GoogleFile::read(external.to_string().as_bytes()) else {
        unreachable!("it is an external account's")
    };
    let headers = vec![("Metadata".to_owned(), Secret::new("true"))];
    assert_eq!(external.subject, GoogleSubject::Url("http://id.example/token".to_owned(), headers));
    let subject = external.subject_in(br#"{"access_token":"e.y.J"}"#).unwrap();
    assert!(body(&external.exchange(&subject)).contains("&subject_token=e.y.J&"));
    assert_eq!(external.act(&subject).unwrap().url, "https://iam.example/x:generateAccessToken");
}

#[test]
fn a_file_that_is_none_says_why_and_repeats_nothing() {
    let account = |key: &str| json!({ "type": "service_account", "client_email": "a", "private_key": key });
    for (file, want) in [
        (json!("text"), BadKeyFile::Form("type")),
        (json!({ "type": "service_account" }), BadKeyFile::Form("private_key")),
        (account("nothing"), BadKeyFile::Key),
        (account("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"), BadKeyFile::Key),
        (json!({ "type": "gdch_service_account" }), BadKeyFile::Type("gdch_service_account".to_owned())),
        (json!({ "type": "external_account" }), BadKeyFile::Form("credential_source")),
    ] {
        assert_eq!(GoogleFile::read(file.to_string().as_bytes()), Err(want), "{file}");
    }
    assert_eq!(GoogleFile::read(b"not json"), Err(BadKeyFile::Form("it is not JSON")));
}
