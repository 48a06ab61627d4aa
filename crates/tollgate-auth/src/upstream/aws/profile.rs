use std::sync::Arc;

use super::AwsKeys;

/// What one section of an AWS credentials file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its keys.
    pub keys: AwsKeys,
    /// Its region, where it has one.
    pub region: Option<Arc<str>>,
}

/// Why a credentials file gives no keys. Repeats nothing of the file but names of its sections.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadProfile {
    /// Not text
    #[error("it is not UTF-8 text")]
    NotText,
    /// No such section
    #[error("it has no profile {wanted}; there is {}", if .known.is_empty() { "none at all" } else { .known })]
    NoProfile {
        /// The one that was asked for.
        wanted: String,
        /// Those that are there, with commas.
        known: String,
    },
    /// A section without a key, or with one that no header can carry
    #[error("its profile {0} has no usable aws_access_key_id and aws_secret_access_key")]
    NoKeys(String),
}

// === impl Profile ===

impl Profile {
    /// Reads a credentials file (INI): `[profile]`, then `name = value`; `#` and `;` begin comments. Sections of a
    /// config file are called `[profile NAME]`, which means the same.
    ///
    /// # Errors
    /// [`BadProfile`]
    pub fn read(file: &[u8], wanted: &str) -> Result<Self, BadProfile> {
        let text = std::str::from_utf8(file).map_err(|_| BadProfile::NotText)?;
        let mut known = Vec::new();
        let mut here = None;
        let (mut id, mut secret, mut session, mut region) = (None, None, None, None);
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                let name = name.trim();
                let name = name.strip_prefix("profile ").unwrap_or(name).trim();
                known.push(name);
                here = Some(name);
            } else if here == Some(wanted)
                && !line.starts_with(['#', ';'])
                && let Some((name, value)) = line.split_once('=')
            {
                let value = Some(value.trim());
                match name.trim().to_ascii_lowercase().as_str() {
                    "aws_access_key_id" => id = value,
                    "aws_secret_access_key" => secret = value,
                    "aws_session_token" => session = value,
                    "region" => region = value.filter(|region| !region.is_empty()),
                    _ => {}
                }
            }
        }
        if !known.contains(&wanted) {
            return Err(BadProfile::NoProfile { wanted: wanted.to_owned(), known: known.join(", ") });
        }
        let bytes = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
        let keys = AwsKeys::new(&bytes(id), &bytes(secret), session.map(str::as_bytes));
        let keys = keys.ok_or_else(|| BadProfile::NoKeys(wanted.to_owned()))?;
        Ok(Self { keys, region: region.map(Arc::from) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"
# of the team
[default]
aws_access_key_id=AKIDDEFAULT
aws_secret_access_key = a/b+c=
[work]
; for the session
aws_access_key_id = AKIDWORK
AWS_SECRET_ACCESS_KEY = s
aws_session_token = t==
region = eu-west-1
[empty]
aws_access_key_id = A
[profile other]
aws_access_key_id = AKIDOTHER
aws_secret_access_key = s
";

    #[test]
    fn each_profile_has_its_own_keys() {
        let default = Profile::read(FILE, "default").unwrap();
        assert_eq!(default.keys, AwsKeys::new(b"AKIDDEFAULT", b"a/b+c=", None).unwrap());
        assert_eq!(default.region, None);
        let work = Profile::read(FILE, "work").unwrap();
        assert_eq!(work.keys, AwsKeys::new(b"AKIDWORK", b"s", Some(b"t==")).unwrap());
        assert_eq!(work.region.as_deref(), Some("eu-west-1"));
        assert_eq!(&*Profile::read(FILE, "other").unwrap().keys.access_key_id, "AKIDOTHER");
    }

    #[test]
    fn what_is_missing_is_named_and_no_key_is_repeated() {
        let error = Profile::read(FILE, "nope").unwrap_err().to_string();
        assert_eq!(error, "it has no profile nope; there is default, work, empty, other");
        assert_eq!(Profile::read(FILE, "empty"), Err(BadProfile::NoKeys("empty".to_owned())));
        assert_eq!(Profile::read(b"\xff", "a"), Err(BadProfile::NotText));
        let error = Profile::read(b"aws_access_key_id = A", "default").unwrap_err().to_string();
        assert_eq!(error, "it has no profile default; there is none at all");
    }
}
