//! What providers want to see of us, put on last over whatever the client sent.
//!
//! ```text
//! Grant ─▶ requests and answers of token endpoints ─▶ Granted{token, expires} ─▶ TokenRing
//!                                                                                   │
//! Credential::apply(call, client's headers, ring, now) ◀──────────────────────────┘
//! ```

mod aws;
mod credential;
mod grant;
mod own;
mod token;

#[cfg(test)]
mod props;

pub use self::{
    aws::{AwsKeys, BadProfile, Profile, Scope, Signable, Signed},
    credential::{Credential, InvalidCredential, Outbound, Unsigned},
    grant::{
        AssumeRole, BadAnswer, BadKeyFile, ClientLogin, Discovery, GoogleFile, GoogleSubject, Grant,
        TokenRequest, aws as aws_grants, azure as azure_grants, google as google_grants,
    },
    own::{Brings, Own, OwnShape},
    token::{Granted, Token, TokenId, TokenRing, TokenSource},
};
