use serde::Deserialize;
use tollgate_types::Secret;

use super::{BadAnswer, TokenRequest, words};
use crate::UnixSeconds;

/// A client of an identity provider that asks for tokens in its own name (client credentials).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLogin {
    /// The provider.
    pub issuer: String,
    /// Where it gives tokens; discovered unless given.
    pub token_endpoint: Option<String>,
    /// Our name there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Secret,
    /// What to ask for, beside all that the provider offers.
    pub scopes: Vec<String>,
}

/// What a provider says of itself (OpenID Connect Discovery 1.0).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Discovery {
    issuer: String,
    token_endpoint: String,
    #[serde(default)]
    scopes_supported: Vec<String>,
}

/// Where the client's name and secret stand; providers take one or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Header,
    Form,
}

// === impl ClientLogin ===

impl ClientLogin {
    /// Asks the provider what it is.
    #[must_use]
    pub fn discover(&self) -> TokenRequest {
        TokenRequest::get(format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/')))
    }

    /// Asks for a token, with the client's secret in a header: what every provider has to take (RFC 6749, 2.3.1).
    #[must_use]
    pub fn ask(&self, provider: &Discovery) -> TokenRequest {
        self.request(provider, Style::Header)
    }

    /// Asks for a token, with the client's secret in the form: what some take alone.
    #[must_use]
    pub fn ask_in_form(&self, provider: &Discovery) -> TokenRequest {
        self.request(provider, Style::Form)
    }

    fn request(&self, provider: &Discovery, style: Style) -> TokenRequest {
        let endpoint = self.token_endpoint.as_ref().unwrap_or(&provider.token_endpoint);
        let mut scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        let offered = provider.scopes_supported.iter().map(String::as_str);
        scopes.extend(offered.filter(|scope| !self.scopes.iter().any(|own| own == scope)));
        let scopes = scopes.join(" ");
        let secret = String::from_utf8_lossy(self.client_secret.expose().trim_ascii());
        let mut fields = vec![("grant_type", "client_credentials")];
        if !scopes.is_empty() {
            fields.push(("scope", &scopes));
        }
        match style {
            Style::Header => TokenRequest::form(endpoint, &fields).basic(&self.client_id, &secret),
            Style::Form => {
                fields.extend([("client_id", self.client_id.as_str()), ("client_secret", &secret)]);
                TokenRequest::form(endpoint, &fields)
            }
        }
    }

    /// The token of the answer.
    ///
    /// # Errors
    /// [`BadAnswer`]
    pub fn answered(body: &[u8], now: UnixSeconds) -> Result<Secret, BadAnswer> {
        words::token(body, now).map(|(token, _)| token)
    }
}

// === impl Discovery ===

impl Discovery {
    /// Reads what a provider says of itself.
    ///
    /// # Errors
    /// [`BadAnswer`]
    pub fn parse(body: &[u8]) -> Result<Self, BadAnswer> {
        let found: Self = serde_json::from_slice(body).map_err(|_| BadAnswer::Garbage)?;
        if found.issuer.is_empty() || found.token_endpoint.is_empty() {
            return Err(BadAnswer::Garbage);
        }
        Ok(found)
    }
}
