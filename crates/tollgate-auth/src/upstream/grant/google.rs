//! Google: access tokens for Vertex AI.

use aws_lc_rs::{rand::SystemRandom, rsa::KeyPair, signature::RSA_PKCS1_SHA256};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderName, HeaderValue, Method, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_types::Secret;

use super::{
    super::{Granted, Token},
    BadAnswer, TokenRequest, words,
};
use crate::UnixSeconds;

/// Where tokens of others are exchanged.
pub const STS: &str = "https://sts.googleapis.com/v1/token";
/// Where tokens of service accounts are had.
pub const IAM: &str = "https://iamcredentials.googleapis.com";
/// The metadata server.
pub const METADATA: &str = "http://metadata.google.internal";

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Enough to act for a service account, and for nothing else.
const ACT: &str = "https://www.googleapis.com/auth/iam";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const BY_JWT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const FLAVOR: HeaderName = HeaderName::from_static("metadata-flavor");
/// How long an assertion is good, in seconds: the most there is.
const ASSERTION: u64 = 3600;

/// Workload identity federation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federation {
    /// `//iam.googleapis.com/projects/…/providers/…`
    pub audience: String,
    /// The service account to act for, by its address.
    pub account: Option<String>,
}

/// A file with credentials, as Google gives them out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoogleFile {
    /// The key of a service account.
    Account(AccountKey),
    /// A person's, from `gcloud auth application-default login`.
    Person(PersonKey),
    /// A token of somebody else, to be exchanged.
    External(External),
}

/// The key of a service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountKey {
    email: String,
    key_id: Option<String>,
    /// PEM
    key: Secret,
    token_uri: String,
}

/// A person's long-lived token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonKey {
    client_id: String,
    client_secret: Secret,
    refresh_token: Secret,
    token_uri: String,
}

/// A token of somebody else, and how it is exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    audience: String,
    subject_type: String,
    token_url: String,
    impersonation: Option<String>,
    /// Where the token is.
    pub subject: GoogleSubject,
    /// The member of a JSON document that holds it; `None` for plain text.
    member: Option<String>,
}

/// Where somebody else's token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoogleSubject {
    /// In a file.
    File(String),
    /// At a URL, asked with these headers.
    Url(String, Vec<(String, Secret)>),
}

/// Why a file of Google gives no credentials. Repeats nothing of it but its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeyFile {
    /// Not JSON, or without what its type needs
    #[error("it is no credentials file of Google: {0}")]
    Form(&'static str),
    /// Of a type that is not served
    #[error("its type {0} is not served; service_account, authorized_user and external_account are")]
    Type(String),
    /// A key that is no RSA key in PEM
    #[error("its private_key is no RSA key in PEM")]
    Key,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActAnswer {
    access_token: String,
    expire_time: String,
}

// === impl Federation ===

impl Federation {
    /// Exchanges a token of an identity provider. `endpoint` takes the place of Google's own.
    #[must_use]
    pub fn exchange(&self, endpoint: Option<&str>, subject: &Secret) -> TokenRequest {
        let scope = if self.account.is_some() { ACT } else { CLOUD };
        exchange(endpoint.unwrap_or(STS), (&self.audience, JWT, scope), subject)
    }

    /// Acts for the service account with the token of the exchange; `None` where there is none to act for.
    #[must_use]
    pub fn act(&self, endpoint: Option<&str>, token: &Secret) -> Option<TokenRequest> {
        let endpoint = endpoint.unwrap_or(IAM).trim_end_matches('/');
        let account = super::escaped(self.account.as_ref()?).replace("%40", "@");
        let url = format!("{endpoint}/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
        Some(act(&url, token))
    }
}

fn exchange(url: &str, (audience, kind, scope): (&str, &str, &str), subject: &Secret) -> TokenRequest {
    let subject = String::from_utf8_lossy(subject.expose().trim_ascii());
    TokenRequest::form(
        url,
        &[
            ("grant_type", EXCHANGE),
            ("audience", audience),
            ("scope", scope),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token", &subject),
            ("subject_token_type", kind),
        ],
    )
}

fn act(url: &str, token: &Secret) -> TokenRequest {
    let body = json!({ "scope": [CLOUD] }).to_string();
    let mut request = TokenRequest { method: Method::POST, ..TokenRequest::get(url) };
    request.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    request.body = Secret::new(body);
    request.header(http::header::AUTHORIZATION, &[b"Bearer ", token.expose()].concat())
}

/// The token of an exchange, which may have to be used for one more request.
///
/// # Errors
/// [`BadAnswer`]
pub fn exchanged(body: &[u8], now: UnixSeconds) -> Result<(Secret, Option<UnixSeconds>), BadAnswer> {
    words::token(body, now)
}

/// The token of a service account that is acted for.
///
/// # Errors
/// [`BadAnswer`]
pub fn acted(body: &[u8]) -> Result<Granted, BadAnswer> {
    let ActAnswer { access_token, expire_time } =
        serde_json::from_slice(body).map_err(|_| words::refusal(body))?;
    let token = Token::bearer(&Secret::new(access_token)).ok_or(BadAnswer::Garbage)?;
    Ok(Granted { token, expires: words::time(&expire_time) })
}

/// The token of any other answer.
///
/// # Errors
/// [`BadAnswer`]
pub fn answered(body: &[u8], now: UnixSeconds) -> Result<Granted, BadAnswer> {
    words::bearer(body, now)
}

/// Asks the metadata server.
#[must_use]
pub fn of_metadata(endpoint: &str) -> TokenRequest {
    let endpoint = endpoint.trim_end_matches('/');
    let scope = super::escaped(CLOUD);
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    TokenRequest::get(format!("{endpoint}{path}?scopes={scope}")).header(FLAVOR, b"Google")
}

// === impl GoogleFile ===

impl GoogleFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`BadKeyFile`]
    pub fn read(file: &[u8]) -> Result<Self, BadKeyFile> {
        let file: Value = serde_json::from_slice(file).map_err(|_| BadKeyFile::Form("it is not JSON"))?;
        let word = |name: &str| file.get(name).and_then(Value::as_str).filter(|word| !word.is_empty());
        let must = |name: &'static str| word(name).map(str::to_owned).ok_or(BadKeyFile::Form(name));
        let token_uri = word("token_uri").unwrap_or(TOKEN_URI).to_owned();
        match must("type")?.as_str() {
            "service_account" => {
                let key = must("private_key")?;
                key_pair(key.as_bytes()).ok_or(BadKeyFile::Key)?;
                let key_id = word("private_key_id").map(str::to_owned);
                let email = must("client_email")?;
                Ok(Self::Account(AccountKey { email, key_id, key: Secret::new(key), token_uri }))
            }
            "authorized_user" => Ok(Self::Person(PersonKey {
                client_id: must("client_id")?,
                client_secret: Secret::new(must("client_secret")?),
                refresh_token: Secret::new(must("refresh_token")?),
                token_uri,
            })),
            "external_account" => external(&file, &must).map(Self::External),
            other => Err(BadKeyFile::Type(words::short(other))),
        }
    }
}

fn external(
    file: &Value,
    must: &impl Fn(&'static str) -> Result<String, BadKeyFile>,
) -> Result<External, BadKeyFile> {
    let source = file.get("credential_source").ok_or(BadKeyFile::Form("credential_source"))?;
    let word = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let subject = match (word(source, "file"), word(source, "url")) {
        (Some(path), _) => GoogleSubject::File(path),
        (None, Some(url)) => {
            let headers = source.get("headers").and_then(Value::as_object).into_iter().flatten();
            let headers =
                headers.filter_map(|(name, value)| Some((name.clone(), Secret::new(value.as_str()?))));
            GoogleSubject::Url(url, headers.collect())
        }
        (None, None) => return Err(BadKeyFile::Form("credential_source.file or credential_source.url")),
    };
    let format = source.get("format");
    let json = format.and_then(|format| word(format, "type")).as_deref() == Some("json");
    let member = format.and_then(|format| word(format, "subject_token_field_name"));
    if json && member.is_none() {
        return Err(BadKeyFile::Form("credential_source.format.subject_token_field_name"));
    }
    Ok(External {
        audience: must("audience")?,
        subject_type: must("subject_token_type")?,
        token_url: must("token_url")?,
        impersonation: word(file, "service_account_impersonation_url"),
        subject,
        member: member.filter(|_| json),
    })
}

// === impl AccountKey ===

impl AccountKey {
    /// The account's address.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// Asks with an assertion that the account's key signs (RFC 7523). `None` where the key signs nothing.
    #[must_use]
    pub fn ask(&self, now: UnixSeconds) -> Option<TokenRequest> {
        let Self { email, key_id, key, token_uri } = self;
        let exp = now.0.checked_add(ASSERTION)?;
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(key_id) = key_id {
            header["kid"] = json!(key_id);
        }
        let claims = json!({ "iss": email, "scope": CLOUD, "aud": token_uri, "iat": now.0, "exp": exp });
        let assertion = signed(&key_pair(key.expose())?, &header, &claims)?;
        Some(TokenRequest::form(token_uri, &[("grant_type", BY_JWT), ("assertion", &assertion)]))
    }
}

/// The key in a PEM file (PKCS #8, or PKCS #1 for RSA alone).
fn key_pair(pem: &[u8]) -> Option<KeyPair> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = Secret::new(STANDARD.decode(body).ok()?);
    match label {
        "PRIVATE KEY" => KeyPair::from_pkcs8(der.expose()).ok(),
        "RSA PRIVATE KEY" => KeyPair::from_der(der.expose()).ok(),
        _ => None,
    }
}

/// A token in its compact form (RFC 7515, 3.1), signed with RS256.
fn signed(key: &KeyPair, header: &Value, claims: &Value) -> Option<String> {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    // Signatures of this kind are not random.
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).ok()?;
    Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

// === impl PersonKey ===

impl PersonKey {
    /// Asks with the long-lived token.
    #[must_use]
    pub fn ask(&self) -> TokenRequest {
        let Self { client_id, client_secret, refresh_token, token_uri } = self;
        let secret = String::from_utf8_lossy(client_secret.expose());
        let token = String::from_utf8_lossy(refresh_token.expose());
        TokenRequest::form(
            token_uri,
            &[
                ("client_id", client_id),
                ("client_secret", &secret),
                ("grant_type", "refresh_token"),
                ("refresh_token", &token),
            ],
        )
    }
}

// === impl External ===

impl External {
    /// The token in what its source holds.
    ///
    /// # Errors
    /// [`BadAnswer`]
    pub fn subject_in(&self, found: &[u8]) -> Result<Secret, BadAnswer> {
        let Some(member) = &self.member else { return Ok(Secret::new(found.trim_ascii())) };
        let found: Value = serde_json::from_slice(found).map_err(|_| BadAnswer::Garbage)?;
        let token = found.get(member).and_then(Value::as_str).ok_or(BadAnswer::Garbage)?;
        Ok(Secret::new(token))
    }

    /// Exchanges that token.
    #[must_use]
    pub fn exchange(&self, subject: &Secret) -> TokenRequest {
        exchange(&self.token_url, (&self.audience, &self.subject_type, CLOUD), subject)
    }

    /// Acts for a service account with the token of the exchange; `None` where there is none to act for.
    #[must_use]
    pub fn act(&self, token: &Secret) -> Option<TokenRequest> {
        self.impersonation.as_ref().map(|url| act(url, token))
    }
}
