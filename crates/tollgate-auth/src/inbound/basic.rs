use std::{collections::HashMap, fmt, sync::Arc};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use subtle::ConstantTimeEq as _;
use tollgate_types::Secret;

use crate::{Caller, Denial, Identity};

type Hash = [u8; 20];

/// Longest `Authorization` value that is decoded, in bytes.
const MAX_VALUE: usize = 4096;

/// Who may call by name and password (SecurityPolicy `basicAuth`).
#[derive(Clone)]
pub struct Basic {
    users: HashMap<Box<str>, (Arc<str>, Hash)>,
    forward: Option<HeaderName>,
}

/// A line of an htpasswd file that cannot be used. Does not repeat the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHtpasswd {
    /// Not `user:{SHA}…`; the line counts from 1
    #[error("line {0} is not user:{{SHA}}hash; make it with htpasswd -s")]
    NotSha(usize),
    /// The same user twice; the line counts from 1
    #[error("line {0} repeats a user")]
    Repeated(usize),
    /// Not UTF-8
    #[error("it is not text")]
    NotText,
    /// No user at all
    #[error("it has no users")]
    Empty,
}

// === impl Basic ===

impl Basic {
    /// Reads an htpasswd file: one `user:{SHA}<base64 of SHA-1>` a line, empty lines and `#` comments aside.
    ///
    /// # Errors
    /// [`BadHtpasswd`]
    pub fn from_htpasswd(file: &Secret) -> Result<Self, BadHtpasswd> {
        let text = std::str::from_utf8(file.expose()).map_err(|_| BadHtpasswd::NotText)?;
        let mut users = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (user, hash) = entry(line).ok_or(BadHtpasswd::NotSha(number))?;
            if users.insert(user.into(), (Arc::from(user), hash)).is_some() {
                return Err(BadHtpasswd::Repeated(number));
            }
        }
        if users.is_empty() { Err(BadHtpasswd::Empty) } else { Ok(Self { users, forward: None }) }
    }

    /// Tells the backend the user's name in this header (`forwardUsernameHeader`).
    #[must_use]
    pub fn forwarded_as(mut self, name: HeaderName) -> Self {
        self.forward = Some(name);
        self
    }

    pub(crate) fn verify(&self, caller: &Caller<'_>, identity: &mut Identity) -> Result<(), Denial> {
        let value = caller.headers.get(AUTHORIZATION).ok_or(Denial::PasswordMissing)?;
        let (scheme, rest) = value.as_bytes().split_at_checked(6).ok_or(Denial::PasswordMissing)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return Err(Denial::PasswordMissing);
        }
        if rest.len() > MAX_VALUE {
            return Err(Denial::Password);
        }
        let decoded = Secret::new(STANDARD.decode(rest.trim_ascii()).map_err(|_| Denial::Password)?);
        let text = std::str::from_utf8(decoded.expose()).map_err(|_| Denial::Password)?;
        let (name, password) = text.split_once(':').ok_or(Denial::Password)?;
        let given = sha1(password.as_bytes());
        // An unknown user costs what a known one costs.
        let known = self.users.get(name);
        let wanted = known.map_or([0; 20], |(_, hash)| *hash);
        let same: bool = wanted.ct_eq(&given).into();
        let (user, _) = known.filter(|_| same).ok_or(Denial::Password)?;
        if let Some(header) = &self.forward {
            identity.replace(header, HeaderValue::from_str(user).ok());
        }
        identity.user = Some(Arc::clone(user));
        Ok(())
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Basic({} users, forward: {:?})", self.users.len(), self.forward)
    }
}

fn entry(line: &str) -> Option<(&str, Hash)> {
    let (user, hash) = line.split_once(':')?;
    let hash = STANDARD.decode(hash.strip_prefix("{SHA}")?).ok()?;
    if user.is_empty() { None } else { Some((user, hash.try_into().ok()?)) }
}

fn sha1(text: &[u8]) -> Hash {
    let mut out = [0; 20];
    out.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, text).as_ref());
    out
}
