//! How tokens are had: the requests to make, and what their answers say. Who makes them is somebody else's business.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tollgate_types::Secret;

pub mod aws;
pub mod azure;
pub mod google;
mod oidc;
mod words;

pub use self::{
    aws::AssumeRole,
    google::{BadKeyFile, GoogleFile, GoogleSubject},
    oidc::{ClientLogin, Discovery},
    words::BadAnswer,
};

/// How a token is had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// AWS's default chain: environment, web identity, files, container, instance.
    AwsChain,
    /// A role of AWS, assumed with a token of an identity provider.
    AwsRole(AssumeRole, ClientLogin),
    /// Azure, with the application's secret.
    AzureSecret(azure::Application, Secret),
    /// Azure, with a token of an identity provider.
    AzureFederated(azure::Application, ClientLogin),
    /// Google, with the key of a service account.
    GoogleFile(Arc<GoogleFile>),
    /// Google, with a token of an identity provider.
    GoogleFederated(google::Federation, ClientLogin),
    /// Google's default chain: the file that the environment names, gcloud's own, the metadata server.
    GoogleDefault,
}

/// A request to a token endpoint.
#[derive(Clone)]
pub struct TokenRequest {
    /// The method.
    pub method: Method,
    /// `http://…` or `https://…`
    pub url: String,
    /// All but `host` and `content-length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, which may hold secrets; empty for none.
    pub body: Secret,
}

/// What a form escapes: all but RFC 3986's unreserved characters.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

// === impl Grant ===

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwsChain => f.write_str("what the environment, files, container or instance give"),
            Self::AwsRole(role, login) => {
                write!(f, "a token of {} for a role in {}", login.issuer, role.region)
            }
            Self::AzureSecret(..) => f.write_str("the application's secret"),
            Self::AzureFederated(_, login) => write!(f, "a token of {}", login.issuer),
            Self::GoogleFile(_) => f.write_str("the account's key"),
            Self::GoogleFederated(federation, login) => {
                write!(f, "a token of {} for {}", login.issuer, federation.audience)
            }
            Self::GoogleDefault => f.write_str("what the environment, files or the metadata server give"),
        }
    }
}

// === impl TokenRequest ===

impl TokenRequest {
    /// Asks for what is there.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: Method::GET, url: url.into(), headers: Vec::new(), body: Secret::new([]) }
    }

    /// Posts a form.
    #[must_use]
    pub fn form(url: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        Self {
            method: Method::POST,
            url: url.into(),
            headers: vec![(CONTENT_TYPE, kind)],
            body: Secret::new(pairs.join("&")),
        }
    }

    /// With one more header; what no header can carry is left out, and the answer will say that it is missing.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &[u8]) -> Self {
        if let Ok(mut value) = HeaderValue::from_bytes(value) {
            value.set_sensitive(true);
            self.headers.push((name, value));
        }
        self
    }

    /// With a user and a password (RFC 7617), both escaped as OAuth has it (RFC 6749, 2.3.1).
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        let pair = STANDARD.encode(format!("{}:{}", escaped(user), escaped(password)));
        self.header(AUTHORIZATION, format!("Basic {pair}").as_bytes())
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split('?').next().unwrap_or_default();
        write!(f, "TokenRequest({} {url})", self.method)
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

#[cfg(test)]
mod tests;
