use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use tollgate_llm::{BodyMutation, Inspected, Place, Untranslatable};
use tollgate_snapshot::{Rule, Service};
use tollgate_types::{Endpoint, ModelId};

use crate::{AttemptBody, Record, Refusal, Refused, entries, headers};

/// A request whose rule is known.
#[derive(Debug)]
pub struct Routed {
    pub(crate) record: Box<Record>,
    pub(crate) rule: Arc<Rule>,
    pub(crate) payload: Payload,
}

/// What travels.
#[derive(Debug)]
pub(crate) enum Payload {
    /// An LLM call, held whole so that each attempt can start again from it.
    Llm { endpoint: Endpoint, inspected: Inspected, body: Bytes },
    /// The same where somebody else has the body, which stays as it is.
    Unread { endpoint: Endpoint, inspected: Inspected },
    /// The same as a form, of which only the beginning is held.
    Form { endpoint: Endpoint, inspected: Inspected, form: HeldForm },
    /// A call about a file or a batch, or about all of them.
    Item { endpoint: Endpoint, inspected: Inspected, id: Option<String>, body: Bytes },
    /// The client's own stream.
    Http,
    /// A plain request, read whole because a policy wants that.
    Whole(Bytes),
}

/// The beginning of a form.
#[derive(Debug)]
pub(crate) struct HeldForm {
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) place: Place,
    /// True where `pieces` are all of it.
    pub(crate) whole: bool,
}

// === impl Routed ===

impl Routed {
    /// Looks for the rule that serves the model.
    pub(crate) fn by_model(
        mut record: Box<Record>,
        inspected: Inspected,
        payload: impl FnOnce(Inspected) -> Payload,
    ) -> Result<Self, Refused> {
        record.delivery = Some(inspected.delivery);
        record.model_asked = Some(inspected.model.clone());
        if let Ok(value) = HeaderValue::from_str(inspected.model.as_str()) {
            record.head.headers.insert(headers::MODEL, value);
        }
        let rule = match entries::find(&record, Some(&inspected.model)) {
            Some(entry) if entry.rule.service == Service::Http && entries::is_catch_all(entry) => None,
            found => found.map(|entry| Arc::clone(&entry.rule)),
        };
        match rule {
            Some(rule) => {
                record.rule = Some(Arc::clone(&rule));
                Ok(Self { record, rule, payload: payload(inspected) })
            }
            None => {
                let refusal = Refusal::NoModel(inspected.model);
                Err(Refused { record, refusal })
            }
        }
    }

    pub(crate) fn http(mut record: Box<Record>, rule: Arc<Rule>) -> Self {
        record.rule = Some(Arc::clone(&rule));
        record.endpoint = None;
        Self { record, rule, payload: Payload::Http }
    }
}

// === impl HeldForm ===

impl HeldForm {
    /// The form as it came.
    pub(crate) fn body(&self) -> AttemptBody {
        self.with(self.pieces.clone())
    }

    /// The form for one backend: asking for this model in place of the client's own, with the fields that it changes.
    pub(crate) fn for_backend(
        &self,
        [own, model]: [&ModelId; 2],
        mutation: &BodyMutation,
    ) -> Result<AttemptBody, Untranslatable> {
        let body = self.asking_for(own, model)?;
        match body {
            body if mutation.is_empty() => Ok(body),
            AttemptBody::Bytes(body) => tollgate_llm::edited(&body, self.place.boundary(), mutation)
                .map(|body| AttemptBody::Bytes(body.into())),
            _ => Err(Untranslatable::Field {
                field: "model".to_owned(),
                reason: "has to stand before a file as large as this one".to_owned(),
            }),
        }
    }

    fn asking_for(&self, own: &ModelId, model: &ModelId) -> Result<AttemptBody, Untranslatable> {
        if own == model {
            return Ok(self.body());
        }
        let unnamed = || Untranslatable::Field {
            field: "model".to_owned(),
            reason: "it cannot be replaced in this form".to_owned(),
        };
        self.place.renamed(&self.pieces, model).map(|pieces| self.with(pieces)).ok_or_else(unnamed)
    }

    fn with(&self, mut pieces: Vec<Bytes>) -> AttemptBody {
        if !self.whole {
            return AttemptBody::Form(pieces);
        }
        match &mut pieces[..] {
            [only] => AttemptBody::Bytes(std::mem::take(only)),
            many => {
                let mut whole = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
                many.iter().for_each(|piece| whole.extend_from_slice(piece));
                AttemptBody::Bytes(whole.freeze())
            }
        }
    }
}
