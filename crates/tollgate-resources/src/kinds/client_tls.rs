use serde::Deserialize;

use super::{
    client_heads::{StringMatch, StringMatchType, Switch},
    common::SecretRef,
    envoy_gateway::TlsVersion,
};

/// TLS of a listener, beside its certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientTlsSettings {
    /// Oldest version, 1.2 unless given.
    pub min_version: Option<TlsVersion>,
    /// Newest version, 1.3 unless given.
    pub max_version: Option<TlsVersion>,
    /// Cipher suites of TLS 1.2 and older.
    #[serde(default)]
    pub ciphers: Vec<String>,
    /// Curves.
    #[serde(default)]
    pub ecdh_curves: Vec<String>,
    /// Signature algorithms.
    #[serde(default)]
    pub signature_algorithms: Vec<String>,
    /// Protocols that are offered, `h2` and `http/1.1` unless given; an empty list offers none.
    pub alpn_protocols: Option<Vec<String>>,
    /// What is asked of client certificates.
    pub client_validation: Option<ClientValidation>,
    /// Sessions.
    pub session: Option<TlsSession>,
    /// Fingerprints of clients that are told.
    #[serde(default)]
    pub fingerprints: Vec<TlsFingerprint>,
}

/// What is asked of client certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientValidation {
    /// `mode: VerifyIfGiven`, in its deprecated spelling.
    #[serde(default)]
    pub optional: bool,
    /// What is asked; `RequireAndVerify` unless given.
    pub mode: Option<ClientValidationMode>,
    /// ConfigMaps or Secrets with authorities (`ca.crt`).
    #[serde(default)]
    pub ca_certificate_refs: Vec<SecretRef>,
    /// SHA-256 of public keys, base64; any of them will do.
    #[serde(default)]
    pub spki_hashes: Vec<String>,
    /// SHA-256 of certificates, hexadecimal; any of them will do.
    #[serde(default)]
    pub certificate_hashes: Vec<String>,
    /// Names, one of which has to fit.
    pub subject_alt_names: Option<ClientAltNames>,
    /// Certificates that were revoked.
    pub crl: Option<RevocationLists>,
    /// Whether a certificate that was right once is right still.
    #[serde(default)]
    pub allow_expired_certificate: bool,
}

/// What is asked of client certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum ClientValidationMode {
    /// None has to be shown, and any will do.
    Request,
    /// One has to be shown, and any will do.
    RequireAny,
    /// None has to be shown, but what is shown has to be right.
    VerifyIfGiven,
    /// One has to be shown, and has to be right.
    RequireAndVerify,
}

/// Subject alternative names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientAltNames {
    /// DNS names.
    #[serde(default)]
    pub dns_names: Vec<StringMatch>,
    /// E-mail addresses.
    #[serde(default)]
    pub email_addresses: Vec<StringMatch>,
    /// IP addresses.
    #[serde(default)]
    pub ip_addresses: Vec<StringMatch>,
    /// URIs.
    #[serde(default)]
    pub uris: Vec<StringMatch>,
    /// Names of other kinds.
    #[serde(default)]
    pub other_names: Vec<OtherName>,
}

/// A name of another kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherName {
    /// Its kind.
    pub oid: String,
    /// How it is compared.
    #[serde(rename = "type", default)]
    pub match_type: StringMatchType,
    /// With what.
    pub value: String,
}

/// Certificates that were revoked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevocationLists {
    /// ConfigMaps or Secrets with lists (`ca.crl`).
    pub refs: Vec<SecretRef>,
    /// Whether only the client's own certificate is looked up.
    #[serde(default)]
    pub only_verify_leaf_certificate: bool,
}

/// Sessions of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsSession {
    /// How they are resumed; not at all unless given.
    pub resumption: Option<TlsResumption>,
}

/// How sessions are resumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsResumption {
    /// With tickets that the client keeps.
    pub stateless: Option<Switch>,
    /// From what the gateway remembers.
    pub stateful: Option<Switch>,
}

/// A fingerprint of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum TlsFingerprint {
    /// JA3
    #[serde(rename = "JA3")]
    Ja3,
    /// JA4
    #[serde(rename = "JA4")]
    Ja4,
}
