//! Signatures in `thoughtSignature`. It is base64 to Google's SDKs, which read either alphabet and write their
//! own; the text that other providers sign with has to come back as it was.

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
const SAFE: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);

/// Marks a signature of thoughts that are told.
const SIGNED: &str = "tollgate:signed:";
/// Marks thoughts that the provider redacted.
const REDACTED: &str = "tollgate:redacted:";

/// What a `thoughtSignature` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sealed {
    /// Another provider's signature, or Gemini's own as it is.
    Signature(String),
    /// Thoughts that the provider redacted.
    Redacted(String),
}

/// A signature as Google's clients carry it; unescaped.
pub(super) fn signature(text: &str) -> String {
    PLAIN.encode(format!("{SIGNED}{text}"))
}

/// Redacted thoughts as Google's clients carry them; unescaped.
pub(super) fn redacted(text: &str) -> String {
    PLAIN.encode(format!("{REDACTED}{text}"))
}

/// Undoes both.
pub(super) fn open(sealed: &str) -> Sealed {
    let bytes = PLAIN.decode(sealed).or_else(|_| SAFE.decode(sealed));
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    if let Some(signature) = text.strip_prefix(SIGNED) {
        Sealed::Signature(signature.to_owned())
    } else if let Some(data) = text.strip_prefix(REDACTED) {
        Sealed::Redacted(data.to_owned())
    } else {
        Sealed::Signature(sealed.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_comes_back_in_either_alphabet() {
        for text in ["EqQB+/==", "any \"text\" ü?>~", ""] {
            for sealed in [signature(text), signature(text).replace('+', "-").replace('/', "_")] {
                assert_eq!(open(&sealed), Sealed::Signature(text.to_owned()));
                assert_eq!(open(sealed.trim_end_matches('=')), Sealed::Signature(text.to_owned()));
            }
            assert_eq!(open(&redacted(text)), Sealed::Redacted(text.to_owned()));
        }
        for own in ["c2lnbmF0dXJl", "not base64!"] {
            assert_eq!(open(own), Sealed::Signature(own.to_owned()));
        }
    }
}
