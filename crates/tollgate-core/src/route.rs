use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Method,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use percent_encoding::percent_decode_str;
use tollgate_llm::{BadRequest, Delivery, Inspected, Shape, Spots, inspect, inspect_named};
use tollgate_types::{Endpoint, ModelId, ModelPlace};

use crate::{
    Admitted, Answered, AwaitingForm, LocalReply, Record, Refusal, Refused, Routed,
    entries::{self, Claim},
    headers, items,
    routed::Payload,
};

/// What comes after the head was looked at.
#[derive(Debug)]
pub enum Step {
    /// The model decides: read the body, then go on with [`AwaitingBody::body`].
    Body(AwaitingBody),
    /// The same, but the body is a form, of which only as much is read as it takes.
    Form(AwaitingForm),
    /// The head was enough.
    Routed(Routed),
    /// Answered from the snapshot.
    Answered(Answered),
}

/// A request that cannot be routed before its body is there.
#[derive(Debug)]
pub struct AwaitingBody {
    pub(crate) record: Box<Record>,
    pub(crate) endpoint: Endpoint,
}

// === impl Admitted ===

impl Admitted {
    /// Looks at the head: is the rule certain already, or does the model decide?
    ///
    /// # Errors
    /// [`Refused`] with 404 where nothing matches, and 405 for an endpoint that is called with the wrong method.
    pub fn route(self) -> Result<Step, Refused> {
        let Self { record } = self;
        match record.endpoint {
            Some(endpoint) => route_endpoint(record, endpoint),
            None => match entries::find(&record, None).map(|entry| Arc::clone(&entry.rule)) {
                Some(rule) => Ok(Step::Routed(Routed::http(record, rule))),
                None => {
                    let refusal = Refusal::NoRoute(format!("{} {}", record.host, record.head.uri.path()));
                    Err(Refused { record, refusal })
                }
            },
        }
    }
}

fn route_endpoint(record: Box<Record>, endpoint: Endpoint) -> Result<Step, Refused> {
    let claimed = match entries::claim(&record) {
        Claim::Http(rule) => {
            let rule = Arc::clone(rule);
            return Ok(Step::Routed(Routed::http(record, rule)));
        }
        Claim::Llm => true,
        Claim::Nobody => false,
    };
    if !endpoint.takes(record.head.method.as_str()) {
        return Err(Refused { record, refusal: Refusal::MethodNotAllowed(endpoint.methods()) });
    }
    match claimed {
        _ if endpoint.is_local() => models(record, endpoint),
        true if endpoint == Endpoint::Realtime => realtime(record, endpoint),
        true => match encoding(&record) {
            Some(encoding) => Err(Refused { record, refusal: Refusal::Encoded(encoding) }),
            None => {
                let kind = record.head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
                let bodiless = endpoint.model() == ModelPlace::Nowhere && record.head.method != Method::POST;
                match Shape::of(endpoint, kind) {
                    _ if bodiless => items::route(record, endpoint, Bytes::new()).map(Step::Routed),
                    Ok(Shape::Json) => Ok(Step::Body(AwaitingBody { record, endpoint })),
                    Ok(Shape::Form(form)) => Ok(Step::Form(AwaitingForm::new(record, endpoint, form))),
                    Err(error) => Err(Refused { record, refusal: error.into() }),
                }
            }
        },
        false => {
            let refusal = Refusal::NoRoute(format!("{} {}", record.host, record.head.uri.path()));
            Err(Refused { record, refusal })
        }
    }
}

/// A session: routed by the model in the query, and joined once the backend agrees.
fn realtime(record: Box<Record>, endpoint: Endpoint) -> Result<Step, Refused> {
    let handshake = headers::upgrade(&record.head.headers);
    if !handshake.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        let refusal = BadRequest::NoHandshake(endpoint).into();
        return Err(Refused { record, refusal });
    }
    let mut pairs = record.head.uri.query().unwrap_or_default().split('&');
    let model = pairs.find_map(|pair| pair.strip_prefix("model=")).filter(|model| !model.is_empty());
    let Some(model) = model.map(|model| percent_decode_str(model).decode_utf8_lossy().into_owned()) else {
        return Err(Refused { record, refusal: BadRequest::NoModelInQuery.into() });
    };
    let inspected = Inspected {
        model: ModelId::from(&*model),
        delivery: Delivery::Streamed,
        wants_usage: false,
        completion_bound: None,
        spots: Spots::default(),
    };
    let payload = |inspected| Payload::Llm { endpoint, inspected, body: Bytes::new() };
    Routed::by_model(record, inspected, payload).map(Step::Routed)
}

/// How the body is compressed, if it is.
fn encoding(record: &Record) -> Option<String> {
    let mut values = record.head.headers.get_all(CONTENT_ENCODING).iter();
    let value =
        values.find(|value| !value.is_empty() && !value.as_bytes().eq_ignore_ascii_case(b"identity"))?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Lists what this caller can reach under this host.
fn models(record: Box<Record>, endpoint: Endpoint) -> Result<Step, Refused> {
    let listener = record.listener.as_ref();
    let table = listener.and_then(|listener| listener.hosts.tables(&record.host).next());
    let all = table.map_or(&[][..], |table| table.models());
    let (mut allowed, mut refused) = (Vec::with_capacity(all.len()), None);
    for model in all {
        match record.admits(&model.guard) {
            Ok(()) => allowed.push(model),
            Err(refusal) => refused = Some(refusal),
        }
    }
    match refused {
        // All of them: this caller is not to know what there is.
        Some(refusal) if allowed.is_empty() => Err(Refused { record, refusal }),
        _ => {
            let reply = match named(&record) {
                None => Ok(LocalReply::models(endpoint.dialect(), allowed)),
                Some(name) => match allowed.iter().find(|model| model.id == name) {
                    Some(model) => Ok(LocalReply::model(endpoint.dialect(), model)),
                    None => Err(Refusal::NoModel(name)),
                },
            };
            match reply {
                Ok(reply) => Ok(Step::Answered(Answered { record, reply })),
                Err(refusal) => Err(Refused { record, refusal }),
            }
        }
    }
}

/// The model that the path names.
fn named(record: &Record) -> Option<ModelId> {
    let located = record.live.snapshot.settings.prefixes.locate(record.head.uri.path())?;
    let name = percent_decode_str(located.parameter?).decode_utf8_lossy();
    Some(ModelId::from(&*name))
}

// === impl AwaitingBody ===

impl AwaitingBody {
    /// How much to read at most, in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.record.body_limit()
    }

    /// The facts up to here.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Gives up without a reply: the client went away.
    #[must_use]
    pub fn into_record(self) -> Box<Record> {
        self.record
    }

    /// Gives up: the body did not come, or is too large.
    #[must_use]
    pub fn refuse(self, refusal: Refusal) -> Refused {
        Refused { record: self.record, refusal }
    }

    /// Routes by the model in the body.
    ///
    /// # Errors
    /// [`Refused`] with 400 for a body that cannot be read, 404 for a model that no rule serves.
    pub fn body(self, body: Bytes) -> Result<Routed, Refused> {
        let Self { mut record, endpoint } = self;
        record.bytes_in = body.len() as u64;
        record.capture_input(&body);
        if endpoint.model() == ModelPlace::Nowhere {
            return items::route(record, endpoint, body);
        }
        let named = match endpoint.model() {
            ModelPlace::Path => named(&record),
            ModelPlace::Body | ModelPlace::Form | ModelPlace::Query | ModelPlace::Nowhere => None,
        };
        let inspected = match named {
            Some(model) => inspect_named(endpoint, model, &body),
            None => inspect(endpoint, &body),
        };
        let inspected = match inspected {
            Ok(inspected) => inspected,
            Err(error) => return Err(Refused { record, refusal: error.into() }),
        };
        Routed::by_model(record, inspected, |inspected| Payload::Llm { endpoint, inspected, body })
    }
}
