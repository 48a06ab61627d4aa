//! Bodies that pass by: whoever asks a backend need not have read what the backend is sent, where that is the client's
//! own body, and somebody else has read it before.

use bytes::Bytes;
use tollgate_llm::{Call, Delivery, Inspected, Spots, keeps_body, wishing};
use tollgate_snapshot::Choice;
use tollgate_types::{Endpoint, ModelId, ModelPlace};

use crate::{AwaitingBody, Chosen, Plan, Refused, Routed, routed::Payload};

/// What there is to know of a body that is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The model that the client asked for.
    pub model: ModelId,
    /// How the client wants the reply.
    pub delivery: Delivery,
    /// Whether the client itself asked for the usage of a stream.
    pub wants_usage: bool,
    /// Whether the body on its way asks for it, [`Plan::wishing`].
    pub wished: bool,
}

// === impl Plan ===

impl Plan {
    /// What others have to know of the client's body to make requests without it; `None` where they have to have it.
    #[must_use]
    pub fn unread(&self) -> Option<Unread> {
        let Payload::Llm { endpoint, inspected, body } = &self.payload else { return None };
        let Inspected { model, delivery, wants_usage, .. } = inspected;
        let unread =
            Unread { model: model.clone(), delivery: *delivery, wants_usage: *wants_usage, wished: true };
        let kept = |choice: &Choice| keeps(*endpoint, choice, &unread);
        (!body.is_empty() && self.rule.choices().iter().any(kept))
            .then_some(Unread { wished: false, ..unread })
    }

    /// The client's body with the wish for usage, where that is what every backend would be sent that takes the body as
    /// it is.
    #[must_use]
    pub fn wishing(&self) -> Option<Bytes> {
        let Payload::Llm { endpoint, inspected, body } = &self.payload else { return None };
        wishing(*endpoint, inspected, body)
    }
}

// === impl AwaitingBody ===

impl AwaitingBody {
    /// True where the chosen backend is sent the body as it comes. What the configuration here says decides, whatever
    /// the one said by which the body was read.
    #[must_use]
    pub fn keeps(&self, unread: &Unread, chosen: &Chosen) -> bool {
        self.endpoint.model() != ModelPlace::Nowhere
            && chosen
                .rule
                .choices()
                .get(chosen.position)
                .is_some_and(|choice| keeps(self.endpoint, choice, unread))
    }

    /// Routes without the body; for a backend that [`keeps`](Self::keeps) it.
    ///
    /// # Errors
    /// [`Refused`] with 404 for a model that no rule serves.
    pub fn unread(self, unread: Unread) -> Result<Routed, Refused> {
        let Self { record, endpoint } = self;
        Routed::by_model(record, unread.inspected(), |inspected| Payload::Unread { endpoint, inspected })
    }
}

// === impl Routed ===

impl Routed {
    /// The wish for usage that stands in the body is not the client's.
    pub fn disown_wish(&mut self) {
        if let Payload::Llm { inspected, .. } = &mut self.payload {
            inspected.wants_usage = false;
        }
    }
}

// === impl Unread ===

impl Unread {
    fn inspected(&self) -> Inspected {
        Inspected {
            model: self.model.clone(),
            delivery: self.delivery,
            wants_usage: self.wants_usage,
            completion_bound: None,
            spots: Spots::default(),
        }
    }
}

/// Where this is false the body is asked for, which costs time and is never wrong.
fn keeps(endpoint: Endpoint, choice: &Choice, unread: &Unread) -> bool {
    let Ok(backend) = &choice.backend else { return false };
    let Some(target) = &backend.target else { return false };
    // Signatures cover the body. Where somebody else chooses the endpoint, the body may have been changed after it
    // was read.
    if backend.credential.as_ref().is_some_and(|credential| credential.signs())
        || backend.upstream.addresses.is_empty()
    {
        return false;
    }
    let (inspected, nothing) = (unread.inspected(), Bytes::new());
    let call = Call {
        endpoint,
        body: &nothing,
        inspected: &inspected,
        target,
        model_override: choice.model_override.as_ref(),
        mutations: &[&choice.body],
        query: None,
        beta: None,
        now: 0,
    };
    keeps_body(&call, unread.wished)
}
