use http::StatusCode;

use crate::KeySourceId;

/// What is wrong with a token, or with what we know about it. Envoy's words, which clients and alerts match on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// There is none
    #[error("Jwt is missing")]
    Missing,
    /// Nobody that is configured issued it
    #[error("Jwt issuer is not configured")]
    Issuer,
    /// Not three parts of base64url
    #[error("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")]
    Form,
    /// Longer than 64 KiB
    #[error("Jwt is too large")]
    TooLarge,
    /// One request has more than eight
    #[error("Jwt is there too often")]
    TooMany,
    /// The header is not what it has to be, or demands something that we do not do
    #[error("Jwt header is invalid")]
    Header,
    /// The claims are not an object, repeat a name, or have times that are none
    #[error("Jwt payload is invalid")]
    Payload,
    /// `alg` is `none` or nothing that we know
    #[error("Jwt header [alg] is not supported")]
    Algorithm,
    /// Its time is over
    #[error("Jwt is expired")]
    Expired,
    /// Its time is to come
    #[error("Jwt not yet valid")]
    NotYetValid,
    /// No key fits; where the keys come from elsewhere, there may be new ones
    #[error("Jwks doesn't have key to match kid or alg from Jwt")]
    UnknownKey(Option<KeySourceId>),
    /// The keys were never fetched
    #[error("Jwks remote fetch is failed")]
    KeysMissing(KeySourceId),
    /// The signature is not of the key
    #[error("Jwt verification fails")]
    Signature,
    /// It is good, and for somebody else
    #[error("Audiences in Jwt are not allowed")]
    Audience,
}

// === impl TokenFault ===

impl TokenFault {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::Audience => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "jwt_missing",
            Self::Issuer => "jwt_issuer",
            Self::Form => "jwt_form",
            Self::TooLarge => "jwt_too_large",
            Self::TooMany => "jwt_too_many",
            Self::Header => "jwt_header",
            Self::Payload => "jwt_payload",
            Self::Algorithm => "jwt_algorithm",
            Self::Expired => "jwt_expired",
            Self::NotYetValid => "jwt_not_yet_valid",
            Self::UnknownKey(_) => "jwt_unknown_key",
            Self::KeysMissing(_) => "jwks_missing",
            Self::Signature => "jwt_signature",
            Self::Audience => "jwt_audience",
        }
    }

    /// How near the token came to being accepted; of several providers' words the highest is told.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::Missing => 0,
            Self::Issuer => 1,
            Self::Form | Self::TooLarge | Self::TooMany | Self::Header | Self::Payload | Self::Algorithm => 2,
            Self::Expired | Self::NotYetValid => 3,
            Self::Signature => 4,
            // Fetching keys may yet lead to a good end, so these are told before a signature that fits nothing.
            Self::UnknownKey(_) => 5,
            Self::KeysMissing(_) => 6,
            Self::Audience => 7,
        }
    }
}
