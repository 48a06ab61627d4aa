use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use crate::{Caller, KeySourceId, TokenFault};

/// Why a caller may not call. Its words are for clients: they say what to do and repeat nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// No API key, or one that nobody has
    #[error("Client authentication failed.")]
    ApiKey,
    /// No name and password
    #[error("User authentication failed. Missing username and password.")]
    PasswordMissing,
    /// A name and password that do not belong together, or cannot be read
    #[error("User authentication failed. Invalid username/password combination.")]
    Password,
    /// No token that would do
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// Known, and not allowed here. Carries the rule that said so; none: the default.
    #[error("RBAC: access denied")]
    Forbidden(Option<Arc<str>>),
}

// === impl Denial ===

impl Denial {
    /// The status it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::ApiKey | Self::PasswordMissing | Self::Password => StatusCode::UNAUTHORIZED,
            Self::Token(fault) => fault.status(),
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
        }
    }

    /// `error.type` of the JSON reply.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.status() == StatusCode::FORBIDDEN { "Forbidden" } else { "Unauthorized" }
    }

    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::PasswordMissing => "password_missing",
            Self::Password => "password",
            Self::Token(fault) => fault.code(),
            Self::Forbidden(_) => "rbac_access_denied",
        }
    }

    /// The `WWW-Authenticate` header that goes with it (RFC 9110, 11.6.1; RFC 6750, 3).
    #[must_use]
    pub fn www_authenticate(&self, caller: &Caller<'_>) -> Option<HeaderValue> {
        let realm = caller.realm();
        let text = match self {
            Self::PasswordMissing | Self::Password => format!("Basic realm=\"{realm}\""),
            Self::ApiKey => format!("ApiKey realm=\"{realm}\""),
            Self::Token(TokenFault::Missing) => format!("Bearer realm=\"{realm}\""),
            Self::Token(_) if self.status() == StatusCode::UNAUTHORIZED => {
                format!("Bearer realm=\"{realm}\", error=\"invalid_token\"")
            }
            Self::Token(_) | Self::Forbidden(_) => return None,
        };
        HeaderValue::from_str(&text).ok()
    }

    /// The key set that, fetched anew, might lead to another answer: refresh it and ask once more.
    #[must_use]
    pub const fn refresh(&self) -> Option<&KeySourceId> {
        match self {
            Self::Token(TokenFault::UnknownKey(source)) => source.as_ref(),
            Self::Token(TokenFault::KeysMissing(source)) => Some(source),
            _ => None,
        }
    }
}
