use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tollgate_types::Dialect;
use tollgate_wire::scan::{self, Kind, NotJson};

use super::{MOST, Output, RewriteError, opening::error_in};
use crate::{Fault, local, translate::Reader};

/// The most that is kept of an error body, in bytes; the rest is dropped.
const ERROR: usize = 1024 * 1024;

/// A body that is held up to its end.
#[derive(Debug)]
pub(super) struct Collect {
    body: Vec<u8>,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    /// A success to translate.
    Document,
    /// An error to translate or to wrap.
    Error { status: StatusCode, headers: HeaderMap },
}

// === impl Collect ===

impl Collect {
    pub(super) const fn document() -> Self {
        Self { body: Vec::new(), purpose: Purpose::Document }
    }

    pub(super) fn error() -> Self {
        let purpose = Purpose::Error { status: StatusCode::BAD_GATEWAY, headers: HeaderMap::new() };
        Self { body: Vec::new(), purpose }
    }

    pub(super) const fn is_success(&self) -> bool {
        matches!(self.purpose, Purpose::Document)
    }

    /// The provider's status and the headers, for errors.
    pub(super) fn set_head(&mut self, status: StatusCode, headers: &HeaderMap) {
        if let Purpose::Error { .. } = self.purpose {
            self.purpose = Purpose::Error { status, headers: headers.clone() };
        }
    }

    pub(super) fn push(&mut self, text: &[u8]) -> Result<(), Fault> {
        match self.purpose {
            Purpose::Document if self.body.len() + text.len() > MOST => return Err(Fault::TooLarge(MOST)),
            Purpose::Document => self.body.extend_from_slice(text),
            Purpose::Error { .. } => {
                let room = ERROR.saturating_sub(self.body.len());
                self.body.extend_from_slice(&text[..text.len().min(room)]);
            }
        }
        Ok(())
    }

    /// Writes the translated document or error.
    pub(super) fn translate(&mut self, reader: &mut dyn Reader, out: &mut Output) -> Result<(), Fault> {
        let mut written = Vec::new();
        match &self.purpose {
            Purpose::Document => {
                checked(&self.body)?;
                written.reserve(self.body.len());
                reader.whole(&self.body, &mut written)?;
            }
            Purpose::Error { status, headers } => reader.error(*status, headers, &self.body, &mut written),
        }
        out.append(written);
        Ok(())
    }

    /// Writes the error in the words of the client's dialect.
    pub(super) fn rewrite(&self, rewrite: RewriteError, out: &mut Output) {
        if let Purpose::Error { status, headers } = &self.purpose {
            let mut written = Vec::new();
            rewrite(*status, headers, &self.body, &mut written);
            out.append(written);
        }
    }

    /// Writes the error as it came where it is an object, else inside the dialect's own.
    pub(super) fn wrap(&mut self, dialect: Dialect, out: &mut Output) {
        let body = std::mem::take(&mut self.body);
        if scan::kind(&body) == Some(Kind::Object) && scan::document(&body).is_ok() {
            out.0.push(Bytes::from(body));
        } else if let Purpose::Error { status, .. } = self.purpose {
            out.0.push(local::wrapped_error(dialect, status, &String::from_utf8_lossy(&body)));
        }
    }
}

/// A success has to be a complete object that is no error.
fn checked(body: &[u8]) -> Result<(), Fault> {
    match error_in(None, body) {
        Ok(Some(words)) => Err(Fault::ErrorInReply(words)),
        Ok(None) if scan::kind(body) == Some(Kind::Object) => Ok(()),
        Ok(None) => Err(Fault::Malformed("it is no JSON object".to_owned())),
        Err(NotJson { reason, offset }) => {
            let is_cut = offset == body.len() && matches!(scan::kind(body), Some(Kind::Object) | None);
            let malformed = || Fault::Malformed(format!("it is not JSON: {reason} at byte {offset}"));
            Err(if is_cut { Fault::Truncated } else { malformed() })
        }
    }
}
