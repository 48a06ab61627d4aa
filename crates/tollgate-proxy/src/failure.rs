//! What happened on the wire, in the core's words.

use std::error::Error;

use tollgate_core::{Failure, Refusal};
use tollgate_net::{Failure as Net, InboundError};

use crate::upload::UploadError;

/// Why sending a request came to nothing.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// The backend's fault, or the network's.
    Upstream(Failure),
    /// The client's own body broke off.
    Client(Refusal),
}

impl From<Net> for Unsent {
    fn from(failure: Net) -> Self {
        match failure {
            Net::Request(cause) => Self::Client(client_fault(&*cause)),
            other => Self::Upstream(upstream(other)),
        }
    }
}

/// A failure that cannot be the client's, since its body was sent whole.
pub(crate) fn upstream(failure: Net) -> Failure {
    match failure {
        Net::Dns(cause) => Failure::Dns(words(&*cause)),
        Net::Connect(cause) => Failure::Connect(words(&*cause)),
        Net::ConnectTimeout => Failure::ConnectTimeout,
        Net::Tls(cause) => Failure::Tls(words(&*cause)),
        Net::Overflow => Failure::Overflow,
        Net::Refused => Failure::Refused,
        // The pool has tried a stale connection's request again already where it could.
        Net::StaleConnection | Net::Reset(_) | Net::Request(_) => Failure::Reset,
        Net::Interrupted(_) => Failure::ResetMidway,
        Net::Protocol(cause) => Failure::Protocol(words(&*cause)),
        // Idle timeouts of bodies are ours to keep, so the pool was given none.
        Net::Idle => Failure::ResetMidway,
    }
}

/// The same failure, with the address that was asked where it could not be reached.
pub(crate) fn naming(address: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Dns(words) => Failure::Dns(format!("{address}: {words}")),
        Failure::Connect(words) => Failure::Connect(format!("{address}: {words}")),
        Failure::Tls(words) => Failure::Tls(format!("{address}: {words}")),
        other => other,
    }
}

fn client_fault(error: &(dyn Error + 'static)) -> Refusal {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(UploadError::Form(error)) = error.downcast_ref() {
            return Refusal::BadRequest(error.clone());
        }
        if let Some(InboundError::TooLarge { limit }) = error.downcast_ref() {
            return Refusal::TooLarge(*limit);
        }
        if let Some(InboundError::Late | InboundError::Idle) = error.downcast_ref() {
            return Refusal::LateBody;
        }
        next = error.source();
    }
    Refusal::BrokenBody
}

/// An error with its causes, on one line.
fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        next = cause.source();
    }
    words
}
