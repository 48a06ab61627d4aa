use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::algorithm::Algorithm;
use crate::{Claims, TokenFault};

/// A token taken apart. Nothing of it is verified yet.
pub(crate) struct Token<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    /// What is signed: header and payload as they came.
    pub(crate) message: &'a str,
    /// In base64url.
    pub(crate) signature: &'a str,
    pub(crate) claims: Claims,
}

// === impl Token ===

impl<'a> Token<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, TokenFault> {
        let (message, signature) = text.rsplit_once('.').ok_or(TokenFault::Form)?;
        let (header, payload) = message.split_once('.').ok_or(TokenFault::Form)?;
        if payload.contains('.') {
            return Err(TokenFault::Form);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Form);
        let header = Claims::parse(&decode(header)?).ok_or(TokenFault::Header)?;
        // Extensions that must be understood (RFC 7515, 4.1.11): we understand none.
        if header.member("crit").is_some() {
            return Err(TokenFault::Header);
        }
        let algorithm = header.member("alg").and_then(Value::as_str).ok_or(TokenFault::Header)?;
        let algorithm = Algorithm::parse(algorithm).ok_or(TokenFault::Algorithm)?;
        let key_id = match header.member("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(TokenFault::Header),
        };
        let claims = Claims::parse(&decode(payload)?).ok_or(TokenFault::Payload)?;
        if !claims.has_sound_times() {
            return Err(TokenFault::Payload);
        }
        Ok(Self { algorithm, key_id, message, signature, claims })
    }
}
