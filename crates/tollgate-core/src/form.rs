use bytes::Bytes;
use tollgate_llm::{BadRequest, Form, Inspected};
use tollgate_types::{Endpoint, ModelId};

use crate::{
    Record, Refusal, Refused, Routed, entries, items,
    routed::{HeldForm, Payload},
};

/// A form up to this length is read whole before it is routed: nothing is gained by sending it in two parts.
const SHORT: usize = 64 * 1024;

/// A request that cannot be routed before the model in its form is known. What comes until then is held.
#[derive(Debug)]
pub struct AwaitingForm {
    record: Box<Record>,
    endpoint: Endpoint,
    form: Box<Form>,
    held: Vec<Bytes>,
    size: usize,
    /// Whether some backend of the model wants fields to be changed, once the model is known: that takes all of the form.
    changed: Option<bool>,
}

/// Reads the rest of a form on its way.
#[derive(Debug)]
pub struct FormRest(Box<Form>);

// === impl AwaitingForm ===

impl AwaitingForm {
    pub(crate) fn new(record: Box<Record>, endpoint: Endpoint, form: Box<Form>) -> Self {
        Self { record, endpoint, form, held: Vec::new(), size: 0, changed: None }
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

    /// Gives up: the body did not come, or cannot be read.
    #[must_use]
    pub fn refuse(self, refusal: Refusal) -> Refused {
        Refused { record: self.record, refusal }
    }

    /// Takes the next piece of the body; true where enough of it is here to go on with [`AwaitingForm::route`].
    ///
    /// # Errors
    /// [`Refusal`] with 400 for a form that cannot be read, and 413 where the model is too far behind.
    pub fn push(&mut self, piece: Bytes) -> Result<bool, Refusal> {
        self.size += piece.len();
        let limit = self.record.body_limit();
        if self.size > limit {
            return Err(Refusal::TooLarge(limit));
        }
        self.form.push(&piece)?;
        self.held.push(piece);
        if self.size < SHORT {
            return Ok(false);
        }
        if self.endpoint == Endpoint::Files {
            return Ok(true);
        }
        let Some(Inspected { model, .. }) = self.form.inspected() else { return Ok(false) };
        let changed = *self.changed.get_or_insert_with(|| is_changed(&self.record, &model));
        Ok(!changed)
    }

    /// Routes by the model in the form, whose body has ended or goes on.
    ///
    /// # Errors
    /// [`Refused`] with 400 for a form without a model, 404 for a model that no rule serves.
    pub fn route(self, ended: bool) -> Result<(Routed, FormRest), Refused> {
        let Self { mut record, endpoint, form, held, size, changed: _ } = self;
        if ended || record.bytes_in == 0 {
            record.bytes_in = size as u64;
        }
        record.capture_input(&Bytes::new());
        if endpoint == Endpoint::Files {
            let held = HeldForm { pieces: held, place: form.place(), whole: ended };
            let payload = |inspected| Payload::Form { endpoint, inspected, form: held };
            let routed = items::route_upload(record, form.batched().cloned(), payload)?;
            return Ok((routed, FormRest(form)));
        }
        let inspected: Result<Inspected, BadRequest> =
            if ended { form.finish() } else { form.inspected().ok_or(BadRequest::NoModel) };
        let inspected = match inspected {
            Ok(inspected) => inspected,
            Err(error) => return Err(Refused { record, refusal: error.into() }),
        };
        let held = HeldForm { pieces: held, place: form.place(), whole: ended };
        let routed = Routed::by_model(record, inspected, |inspected| Payload::Form {
            endpoint,
            inspected,
            form: held,
        })?;
        Ok((routed, FormRest(form)))
    }
}

/// True where a backend of this model wants fields to be changed.
fn is_changed(record: &Record, model: &ModelId) -> bool {
    let entry = entries::find(record, Some(model));
    entry.is_some_and(|entry| entry.rule.choices().iter().any(|choice| !choice.body.is_empty()))
}

// === impl FormRest ===

impl FormRest {
    /// Reads the next piece.
    ///
    /// # Errors
    /// [`BadRequest`] where the rest must not be sent, such as for a second model.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), BadRequest> {
        self.0.push(piece)
    }
}
