use std::{collections::HashMap, fmt};

use cel::Value as Cel;
use chrono::DateTime;
use http::{
    HeaderMap, Version,
    header::{CONTENT_LENGTH, REFERER, USER_AGENT},
};
use serde_json::{Map, Value as Json};

use crate::{Caller, Identity, Root};

/// Members of one [`Root`]. Those for which there is nothing are left out, so that `has()` tells.
#[derive(Default)]
pub struct Attributes(HashMap<String, Cel>);

/// The namespace of what tokens say.
const JWT: &str = "envoy.filters.http.jwt_authn";
/// The namespace of what external services say.
const EXT_AUTH: &str = "envoy.filters.http.ext_authz";

// === impl Attributes ===

impl Attributes {
    /// A member of any type.
    pub fn put(&mut self, name: &str, value: Cel) {
        self.0.insert(name.to_owned(), value);
    }

    /// A text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.put(name, Cel::from(text.to_owned()));
    }

    /// A text that may not be there.
    pub fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A whole number; signed, as literals in expressions are.
    pub fn number(&mut self, name: &str, number: u64) {
        self.put(name, Cel::Int(i64::try_from(number).unwrap_or(i64::MAX)));
    }

    /// What JSON says. Whole numbers are signed.
    pub fn json(&mut self, name: &str, json: &Json) {
        self.put(name, cel(json));
    }

    /// Headers by their names in lower case; values of one name are joined by commas, as Envoy does.
    pub fn headers(&mut self, headers: &HeaderMap) {
        let mut all: HashMap<String, Cel> = HashMap::new();
        for name in headers.keys() {
            let values = headers.get_all(name).iter();
            let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            all.insert(name.as_str().to_owned(), Cel::from(values.join(",")));
        }
        self.put("headers", Cel::from(all));
    }

    /// The root's value.
    #[must_use]
    pub fn done(self) -> Cel {
        Cel::from(self.0)
    }
}

fn cel(json: &Json) -> Cel {
    match json {
        Json::Null => Cel::Null,
        Json::Bool(flag) => Cel::Bool(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Cel::Int(whole),
            None => Cel::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Cel::from(text.as_str()),
        Json::Array(list) => Cel::from(list.iter().map(cel).collect::<Vec<_>>()),
        Json::Object(members) => {
            let all: HashMap<String, Cel> =
                members.iter().map(|(key, value)| (key.clone(), cel(value))).collect();
            Cel::from(all)
        }
    }
}

impl fmt::Debug for Attributes {
    /// Names only: headers hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

// === impl Caller ===

impl Caller<'_> {
    /// An attribute of somebody who is known, with headers as backends see them; those that are not known yet are
    /// empty.
    pub(crate) fn attribute(&self, root: Root, identity: &Identity) -> Cel {
        let mut members = Attributes::default();
        match root {
            Root::Request => {
                let mut headers = self.headers.clone();
                identity.apply(&mut headers);
                Caller { headers: &headers, ..*self }.request(&mut members);
            }
            Root::Source => self.source(&mut members),
            Root::Destination => members.number("port", u64::from(self.arrival.port)),
            Root::Connection => self.connection(&mut members),
            Root::Metadata => {
                let claims = identity.claims.iter();
                let claims =
                    claims.map(|(provider, claims)| (provider.to_string(), claims.members().clone().into()));
                let mut namespaces = Attributes::default();
                namespaces.json(JWT, &Json::Object(claims.collect::<Map<_, _>>()));
                if let Some(said) = self.arrival.vetted {
                    namespaces.json(EXT_AUTH, &Json::Object(said.clone()));
                }
                members.put("filter_metadata", namespaces.done());
            }
            Root::Response | Root::Upstream | Root::Xds => {}
        }
        members.done()
    }

    /// `request.…`, as far as its head tells.
    pub fn request(&self, members: &mut Attributes) {
        match self.query {
            Some(query) => members.text("path", &format!("{}?{query}", self.path)),
            None => members.text("path", self.path),
        }
        members.text("url_path", self.path);
        members.optional("query", self.query);
        members.text("host", self.host);
        members.text("scheme", if self.secure { "https" } else { "http" });
        members.text("method", self.method.as_str());
        members.text("protocol", protocol(self.arrival.version));
        members.text("id", self.arrival.id);
        let began = i64::try_from(self.arrival.unix_ms).ok().and_then(DateTime::from_timestamp_millis);
        if let Some(began) = began {
            members.put("time", Cel::Timestamp(began.fixed_offset()));
        }
        let one = |name| self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        if let Some(size) = one(CONTENT_LENGTH).and_then(|size| size.parse().ok()) {
            members.number("size", size);
        }
        members.optional("referer", one(REFERER).as_deref());
        members.optional("useragent", one(USER_AGENT).as_deref());
        members.headers(self.headers);
    }

    /// `source.…`: who opened the connection, or who the listener believes to have sent the request.
    pub fn source(&self, members: &mut Attributes) {
        // The port of a client that others told of is not known; Envoy writes 0 for it.
        let port = if self.arrival.peer.ip().to_canonical() == self.client_ip {
            self.arrival.peer.port()
        } else {
            0
        };
        members.text("address", &std::net::SocketAddr::new(self.client_ip, port).to_string());
        members.number("port", u64::from(port));
    }

    /// `connection.…`
    pub fn connection(&self, members: &mut Attributes) {
        members.put("mtls", Cel::Bool(self.arrival.certificate.is_some()));
        members.optional("requested_server_name", self.arrival.server_name);
        if let Some(facts) = self.arrival.certificate {
            members.text("subject_peer_certificate", &facts.subject);
            members.text("sha256_peer_certificate_digest", &facts.hash);
            members.optional("dns_san_peer_certificate", facts.dns_names.first().map(String::as_str));
            members.optional("uri_san_peer_certificate", facts.uris.first().map(String::as_str));
        }
    }
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
