use http::HeaderName;
use tollgate_types::Cidr;

/// How the client's address is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAddress {
    /// Whoever opened the connection, or whom its PROXY header names
    #[default]
    Peer,
    /// That many entries from the right of `x-forwarded-for`; the peer where there are fewer
    TrustedHops(u32),
    /// The rightmost entry of `x-forwarded-for` that is none of these, where the peer is one of them
    TrustedRanges(Vec<Cidr>),
    /// The value of a header
    Header {
        /// Its name.
        name: HeaderName,
        /// A request without a usable address there is answered with a 403; else it is the peer's.
        required: bool,
    },
}
