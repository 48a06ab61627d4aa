use jsonwebtoken as jwt;

/// How a token is signed (RFC 7518, 3.1; RFC 8037). `none` is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Hs(Width),
    Rs(Width),
    Ps(Width),
    Es(Width),
    EdDsa,
}

/// Bits of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    W256,
    W384,
    W512,
}

/// What a key can do. A key of one kind never verifies the signatures of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Secret,
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

// === impl Algorithm ===

impl Algorithm {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if name == "EdDSA" || name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        let (family, bits) = name.split_at_checked(2)?;
        let width = match bits {
            "256" => Width::W256,
            "384" => Width::W384,
            "512" => Width::W512,
            _ => return None,
        };
        match family {
            "HS" => Some(Self::Hs(width)),
            "RS" => Some(Self::Rs(width)),
            "PS" => Some(Self::Ps(width)),
            "ES" => Some(Self::Es(width)),
            _ => None,
        }
    }

    /// The one kind of key that makes such signatures.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Hs(_) => Kind::Secret,
            Self::Rs(_) | Self::Ps(_) => Kind::Rsa,
            Self::Es(Width::W256) => Kind::P256,
            Self::Es(Width::W384) => Kind::P384,
            Self::Es(Width::W512) => Kind::P521,
            Self::EdDsa => Kind::Ed25519,
        }
    }

    /// The library's name; it does not do P-521.
    pub(crate) const fn library(self) -> Option<jwt::Algorithm> {
        Some(match self {
            Self::Hs(Width::W256) => jwt::Algorithm::HS256,
            Self::Hs(Width::W384) => jwt::Algorithm::HS384,
            Self::Hs(Width::W512) => jwt::Algorithm::HS512,
            Self::Rs(Width::W256) => jwt::Algorithm::RS256,
            Self::Rs(Width::W384) => jwt::Algorithm::RS384,
            Self::Rs(Width::W512) => jwt::Algorithm::RS512,
            Self::Ps(Width::W256) => jwt::Algorithm::PS256,
            Self::Ps(Width::W384) => jwt::Algorithm::PS384,
            Self::Ps(Width::W512) => jwt::Algorithm::PS512,
            Self::Es(Width::W256) => jwt::Algorithm::ES256,
            Self::Es(Width::W384) => jwt::Algorithm::ES384,
            Self::Es(Width::W512) => return None,
            Self::EdDsa => jwt::Algorithm::EdDSA,
        })
    }
}
