use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use tollgate_snapshot::{Backend, Filter};

use crate::{AttemptBody, Outgoing, Plan, attempt::plain, headers, routed::Payload};

/// A copy of a request that somebody else gets and whose answer nobody reads (Gateway API
/// `HTTPRequestMirrorFilter`).
#[derive(Debug)]
pub struct Mirrored {
    /// Who gets it.
    pub backend: Arc<Backend>,
    /// What to send; where its body is [`AttemptBody::Client`] the client's stream has to be copied.
    pub outgoing: Outgoing,
}

// === impl Plan ===

impl Plan {
    /// The copies to make of this request. `random` decides which of the partial mirrors see it.
    #[must_use]
    pub fn copies(&self, mut random: impl FnMut() -> u64) -> Vec<Mirrored> {
        let mut copies = Vec::new();
        for filter in &self.rule.filters {
            let Filter::Mirror(mirror) = filter else { continue };
            // A broken mirror hurts nobody; compile has reported it.
            let Ok(backend) = &mirror.backend else { continue };
            if random() % 1_000_000 >= u64::from(mirror.per_million) {
                continue;
            }
            let mut outgoing = plain(&self.record, headers::for_upstream(&self.record.head.headers));
            if outgoing.upgrade.take().is_some() {
                outgoing.headers.remove(CONNECTION);
                outgoing.headers.remove(UPGRADE);
            }
            if let Payload::Llm { body, .. } | Payload::Item { body, .. } | Payload::Whole(body) =
                &self.payload
            {
                outgoing.body = AttemptBody::Bytes(body.clone());
            }
            if let Payload::Form { form, .. } = &self.payload {
                outgoing.body = form.body();
            }
            copies.push(Mirrored { backend: Arc::clone(backend), outgoing });
        }
        copies
    }
}
