use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use tollgate_types::{Endpoint, ModelId};

use crate::{BodyMutation, Inspected, Reply, Target, Untranslatable};

/// One attempt's inputs. Every attempt starts again from the client's own bytes.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What the client called.
    pub endpoint: Endpoint,
    /// The client's body, untouched.
    pub body: &'a Bytes,
    /// What [`inspect`](crate::inspect) found in it.
    pub inspected: &'a Inspected,
    /// Where it goes.
    pub target: &'a Target,
    /// `modelNameOverride`, where the route has one.
    pub model_override: Option<&'a ModelId>,
    /// Changes to make to the provider's body, after translation.
    pub mutations: &'a [&'a BodyMutation],
    /// The query of the client's request without `?`, if it had one.
    pub query: Option<&'a str>,
    /// Unix seconds, for what the provider leaves undated.
    pub now: u64,
}

/// What to send to the provider. Credentials and the `host` header are the caller's.
#[derive(Debug)]
pub struct Prepared {
    /// Path and query, always starting with a slash.
    pub path: String,
    /// The bytes to send; the client's own buffer where nothing changed.
    pub body: Bytes,
    /// Headers to set, replacing the client's: `content-type`, `anthropic-version`, `accept-encoding` …
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Client headers that must not reach this provider, because they belong to another dialect.
    pub remove: Vec<HeaderName>,
    /// The model that is asked for: the override or the client's.
    pub model: ModelId,
}

/// Turns a client's request into a provider's, and makes the reader of its reply.
///
/// # Errors
/// [`Untranslatable`], whose text is fit for the client.
pub fn prepare(call: &Call<'_>) -> Result<(Prepared, Reply), Untranslatable> {
    Err(Untranslatable::UnsupportedPair { endpoint: call.endpoint, schema: call.target.schema })
}
