use std::sync::Arc;

use smallvec::SmallVec;
use tollgate_auth::{TokenId, Unsigned};
use tollgate_balance::Lease;
use tollgate_snapshot::{Choice, ModelMatch, Rule, Table};
use tollgate_types::ModelId;

use super::sign::Asked;
use crate::{Attempt, AttemptRecord, Now, Patience, Plan, Ports, Refusal, ReplyReader};

/// A choice that a proxy in front of this gateway has made.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The rule that it follows.
    pub rule: Arc<Rule>,
    /// Position of the choice among those of the rule.
    pub position: usize,
    /// Position of the endpoint among the backend's addresses; 0 where it is none of them.
    pub endpoint: usize,
}

// === impl Chosen ===

impl Chosen {
    fn choice(&self) -> Result<&Choice, Refusal> {
        self.rule.choices().get(self.position).ok_or(Refusal::NoEndpoints)
    }
}

// === impl Plan ===

impl Plan {
    /// The model by which a proxy in front finds this rule: the one that was asked for, else one that the rule is for.
    #[must_use]
    pub fn routed_by(&self) -> Option<&ModelId> {
        let record = &self.record;
        let listener = record.listener.as_ref();
        let tables = || listener.into_iter().flat_map(|listener| listener.hosts.tables(&record.host));
        let of_rule = || {
            let mut entries = tables().flat_map(Table::entries).filter(|entry| entry.rule.id == self.rule.id);
            entries.find_map(|entry| match &entry.matcher.model {
                Some(ModelMatch::Exact(model)) => Some(model),
                Some(ModelMatch::Regex(_)) | None => None,
            })
        };
        record.model_asked.as_ref().or_else(of_rule)
    }

    /// Makes the request for the backend that somebody else has picked, all but its credential:
    /// [`Plan::sign_chosen`]. The same for the same request, so that whoever reads the reply need not be who asked.
    ///
    /// # Errors
    /// [`Refusal`] where this backend cannot be asked this.
    pub fn chosen(&mut self, chosen: &Chosen, now: Now) -> Result<Attempt, Refusal> {
        let choice = chosen.choice()?;
        if !Arc::ptr_eq(&self.rule, &chosen.rule) {
            self.rule = Arc::clone(&chosen.rule);
            self.asked = SmallVec::from_elem(0, self.rule.choices().len());
            self.record.rule = Some(Arc::clone(&self.rule));
        }
        let backend = choice.backend.clone().map_err(Refusal::Broken)?;
        let (mut outgoing, reply) = self.compose(choice, &backend, now)?;
        if matches!(reply, ReplyReader::Llm(_))
            && backend.credential.is_none()
            && !outgoing.path.starts_with('/')
        {
            outgoing.path.insert(0, '/');
        }
        self.record.attempts.push(AttemptRecord::new(Arc::clone(&backend), now.instant));
        let lease = Lease::uncounted(chosen.endpoint);
        let patience = Patience { head: None, idle: self.rule.timeouts.stream_idle };
        Ok(Attempt {
            backend,
            outgoing,
            patience,
            reply,
            spent: false,
            choice: chosen.position,
            lease,
            random: 0,
        })
    }

    /// Puts the backend's credential on, over all that was decided before.
    ///
    /// # Errors
    /// [`Refusal`] where the credential cannot be had.
    pub fn sign_chosen(&self, attempt: &mut Attempt, ports: &impl Ports, now: Now) -> Result<(), Refusal> {
        let Attempt { backend, outgoing, lease, .. } = attempt;
        let Some(credential) = &backend.credential else { return Ok(()) };
        if let Some(token) = self.lacks(backend, ports, now) {
            return Err(Refusal::Unsigned(Unsigned::NotFetched(token.clone())));
        }
        self.sign(Asked { credential, backend, position: lease.position }, outgoing, (ports, now))?;
        if matches!(attempt.reply, ReplyReader::Llm(_)) && !attempt.outgoing.path.starts_with('/') {
            attempt.outgoing.path.insert(0, '/');
        }
        Ok(())
    }

    /// The token that the chosen backend cannot be asked without, where it has not been fetched yet.
    #[must_use]
    pub fn awaits_for<'a>(&self, attempt: &'a Attempt, ports: &impl Ports, now: Now) -> Option<&'a TokenId> {
        self.lacks(&attempt.backend, ports, now)
    }
}
