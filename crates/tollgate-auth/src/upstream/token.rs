use std::{fmt, sync::Arc};

use http::HeaderValue;
use tollgate_types::Secret;

use super::{AwsKeys, Grant};
use crate::UnixSeconds;

/// Names a token that is fetched; the same over reloads for the same principal of the same policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub Arc<str>);

/// A token that is fetched, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSource {
    /// Its name.
    pub id: TokenId,
    /// How it is had.
    pub grant: Grant,
}

/// What a token endpoint gave.
#[derive(Clone, PartialEq, Eq)]
pub enum Token {
    /// `Bearer …`, as the `authorization` header has it; sensitive.
    Bearer(HeaderValue),
    /// Keys to sign with.
    Aws(AwsKeys),
}

/// A token and how long it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The token.
    pub token: Token,
    /// The first moment at which it is not good any more; `None` where nobody said.
    pub expires: Option<UnixSeconds>,
}

/// Tokens that were fetched already.
pub trait TokenRing {
    /// The newest token of this name that is still good.
    fn token(&self, id: &TokenId, now: UnixSeconds) -> Option<Arc<Token>>;
}

/// Without any.
impl TokenRing for () {
    fn token(&self, _: &TokenId, _: UnixSeconds) -> Option<Arc<Token>> {
        None
    }
}

// === impl TokenId ===

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Token ===

impl Token {
    /// A bearer token; `None` where it is empty or no header can carry it.
    #[must_use]
    pub fn bearer(token: &Secret) -> Option<Self> {
        let token = token.expose().trim_ascii();
        let mut value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok()?;
        value.set_sensitive(true);
        (!token.is_empty()).then_some(Self::Bearer(value))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(..)",
            Self::Aws(_) => "Aws(..)",
        })
    }
}
