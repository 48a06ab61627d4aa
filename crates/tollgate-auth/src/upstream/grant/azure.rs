//! Microsoft Entra: tokens for Azure OpenAI.

use tollgate_types::Secret;

use super::{super::Granted, BadAnswer, TokenRequest, words};
use crate::UnixSeconds;

/// The public cloud's authority.
pub const AUTHORITY: &str = "https://login.microsoftonline.com";

const SCOPE: &str = "https://cognitiveservices.azure.com/.default";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An application of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The directory.
    pub tenant: String,
    /// The application.
    pub client_id: String,
}

// === impl Application ===

impl Application {
    /// Asks with the application's secret.
    #[must_use]
    pub fn with_secret(&self, authority: &str, secret: &Secret) -> TokenRequest {
        let secret = String::from_utf8_lossy(secret.expose().trim_ascii());
        self.ask(authority, &[("client_secret", &secret)])
    }

    /// Asks with a token that somebody whom the directory trusts made for the application.
    #[must_use]
    pub fn with_assertion(&self, authority: &str, assertion: &Secret) -> TokenRequest {
        let assertion = String::from_utf8_lossy(assertion.expose().trim_ascii());
        self.ask(authority, &[("client_assertion_type", ASSERTION), ("client_assertion", &assertion)])
    }

    fn ask(&self, authority: &str, proof: &[(&str, &str)]) -> TokenRequest {
        let Self { tenant, client_id } = self;
        let url = format!("{}/{}/oauth2/v2.0/token", authority.trim_end_matches('/'), super::escaped(tenant));
        let mut fields =
            vec![("client_id", client_id.as_str()), ("grant_type", "client_credentials"), ("scope", SCOPE)];
        fields.extend(proof);
        TokenRequest::form(url, &fields)
    }
}

/// The token of the answer.
///
/// # Errors
/// [`BadAnswer`]
pub fn answered(body: &[u8], now: UnixSeconds) -> Result<Granted, BadAnswer> {
    words::bearer(body, now)
}
