/// What a client's certificate says of it. The client showed it in its TLS handshake and has its key; whether anybody
/// vouches for it depends on what the listener asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificateFacts {
    /// SHA-256 of the certificate, in lower-case hexadecimal digits.
    pub hash: String,
    /// The subject (RFC 2253); empty where it has none.
    pub subject: String,
    /// Alternative names that are host names.
    pub dns_names: Vec<String>,
    /// Alternative names that are URIs.
    pub uris: Vec<String>,
    /// The certificate, PEM.
    pub pem: String,
    /// The certificate and what the client sent to prove it, PEM.
    pub chain: String,
}
