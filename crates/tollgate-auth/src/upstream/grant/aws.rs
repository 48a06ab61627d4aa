//! Amazon: keys of a session, from the security token service, a container's agent or an instance.

use http::{HeaderName, Method, header::AUTHORIZATION};
use serde::Deserialize;
use tollgate_types::Secret;

use super::{
    super::{AwsKeys, Granted, Token},
    BadAnswer, TokenRequest, words,
};

/// How long a session with an instance's metadata may last, in seconds: the most there is.
const SESSION: &[u8] = b"21600";
const SESSION_LENGTH: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const SESSION_TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumeRole {
    /// Where the token service is.
    pub region: String,
    /// `arn:aws:iam::…:role/…`
    pub role: String,
    /// Under which name; shows in Amazon's logs.
    pub session: String,
}

/// Keys as a container's agent and an instance give them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyAnswer {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    expiration: Option<String>,
}

// === impl AssumeRole ===

impl AssumeRole {
    /// Asks for keys with a token of an identity provider. `endpoint` takes the place of the region's own.
    #[must_use]
    pub fn ask(&self, endpoint: Option<&str>, token: &Secret) -> TokenRequest {
        let suffix = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = endpoint.map_or_else(|| format!("https://sts.{}.{suffix}/", self.region), str::to_owned);
        let token = String::from_utf8_lossy(token.expose().trim_ascii());
        TokenRequest::form(
            url,
            &[
                ("Action", "AssumeRoleWithWebIdentity"),
                ("Version", "2011-06-15"),
                ("RoleArn", &self.role),
                ("RoleSessionName", &self.session),
                ("WebIdentityToken", &token),
            ],
        )
    }
}

/// The keys in an answer of the security token service, which is XML.
///
/// # Errors
/// [`BadAnswer`]
pub fn assumed(body: &[u8]) -> Result<Granted, BadAnswer> {
    let text = std::str::from_utf8(body).map_err(|_| BadAnswer::Garbage)?;
    let Some(credentials) = element(text, "Credentials") else {
        let said = element(text, "Error").map(|error| {
            let part = |name| element(error, name).map(unescaped).unwrap_or_default();
            format!("{}: {}", part("Code"), part("Message"))
        });
        return Err(said.map_or(BadAnswer::Garbage, |said| BadAnswer::Refused(words::short(&said))));
    };
    let part = |name| element(credentials, name).map(unescaped);
    let answer = KeyAnswer {
        access_key_id: part("AccessKeyId").unwrap_or_default(),
        secret_access_key: part("SecretAccessKey").unwrap_or_default(),
        token: part("SessionToken"),
        expiration: part("Expiration"),
    };
    answer.granted()
}

/// Asks a container's agent for keys (ECS, EKS Pod Identity).
#[must_use]
pub fn of_container(url: &str, authorization: Option<&[u8]>) -> TokenRequest {
    let request = TokenRequest::get(url);
    match authorization {
        Some(value) => request.header(AUTHORIZATION, value.trim_ascii()),
        None => request,
    }
}

/// Opens a session with an instance's metadata (IMDSv2). The answer is its token.
#[must_use]
pub fn open_instance(endpoint: &str) -> TokenRequest {
    let url = format!("{}/latest/api/token", endpoint.trim_end_matches('/'));
    TokenRequest { method: Method::PUT, ..TokenRequest::get(url) }.header(SESSION_LENGTH, SESSION)
}

/// Asks an instance which role it has. The answer is its name.
#[must_use]
pub fn role_of_instance(endpoint: &str, session: &[u8]) -> TokenRequest {
    let url = format!("{}{ROLES}", endpoint.trim_end_matches('/'));
    TokenRequest::get(url).header(SESSION_TOKEN, session.trim_ascii())
}

/// Asks an instance for the keys of its role.
#[must_use]
pub fn of_instance(endpoint: &str, session: &[u8], role: &str) -> TokenRequest {
    let role = super::escaped(role.lines().next().unwrap_or_default().trim());
    let url = format!("{}{ROLES}{role}", endpoint.trim_end_matches('/'));
    TokenRequest::get(url).header(SESSION_TOKEN, session.trim_ascii())
}

/// The keys in the answer of a container's agent or an instance.
///
/// # Errors
/// [`BadAnswer`]
pub fn answered(body: &[u8]) -> Result<Granted, BadAnswer> {
    serde_json::from_slice::<KeyAnswer>(body).map_err(|_| words::refusal(body))?.granted()
}

// === impl KeyAnswer ===

impl KeyAnswer {
    fn granted(self) -> Result<Granted, BadAnswer> {
        let Self { access_key_id, secret_access_key, token, expiration } = self;
        let secret = Secret::new(secret_access_key);
        let session = token.map(Secret::new);
        let keys =
            AwsKeys::new(access_key_id.as_bytes(), secret.expose(), session.as_ref().map(Secret::expose));
        let expires = expiration.as_deref().and_then(words::time);
        Ok(Granted { token: Token::Aws(keys.ok_or(BadAnswer::Garbage)?), expires })
    }
}

/// What stands between the first `<name …>` and its end.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inside, _)| inside)
}

fn unescaped(text: &str) -> String {
    let text = text.trim().replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&apos;", "'").replace("&#39;", "'").replace("&amp;", "&")
}
