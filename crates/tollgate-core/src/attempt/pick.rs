use smallvec::SmallVec;
use tollgate_balance::{Ask, Candidate, Lease, Standing, Unpicked, hash, pick};
use tollgate_snapshot::{Backend, Choice, Service};

use crate::{Failure, Now, Plan, Refusal, sticky};

// === impl Plan ===

impl Plan {
    /// An endpoint of this backend that was not tried yet, if there is any.
    pub(super) fn lease(&mut self, backend: &Backend, now: Now, random: u64) -> Result<Lease, Unpicked> {
        let hash = self.record.sticks_to(&backend.traffic, random);
        let record = &self.record;
        let cluster = record.live.clusters.get(backend.index as usize).ok_or(Unpicked::NoneFit)?;
        let tried = self.tried.iter().filter(|(index, _)| *index == backend.index);
        let avoid: SmallVec<[usize; 4]> = tried.map(|(_, position)| *position).collect();
        let wanted = sticky::endpoints_in(&backend.traffic, &record.head.headers);
        cluster.pick(&Ask { now: now.unix_ms, random, hash, avoid: &avoid, wanted: &wanted })
    }

    /// Nobody of this choice can be asked: others may.
    pub(super) fn pass_over(&mut self, position: usize, unpicked: Unpicked, now: Now) -> Result<(), Refusal> {
        let refusal = match unpicked {
            Unpicked::NoneFit => Refusal::NoEndpoints,
            Unpicked::Overflow => Refusal::Upstream(Failure::Overflow),
        };
        // A plain rule that is full stays full, as with Envoy; a prompt is better served by another provider.
        if unpicked == Unpicked::Overflow && self.rule.service == Service::Http {
            return Err(refusal);
        }
        self.leave(position, refusal, now)
    }

    /// Leaves a choice that cannot be asked to others, unless there are none.
    pub(super) fn leave(&mut self, position: usize, refusal: Refusal, now: Now) -> Result<(), Refusal> {
        self.asked[position] = self.asked[position].saturating_add(1);
        let others = self.candidates(now.unix_ms);
        if others.iter().any(|c| self.asked[c.position] == 0 && c.weight > 0) { Ok(()) } else { Err(refusal) }
    }

    /// The position of the choice to ask now: one that was not asked yet, if there is any.
    pub(super) fn pick(&mut self, unix_ms: u64, random: u64) -> Option<usize> {
        if let [only] = self.rule.choices() {
            let candidate = self.candidate(0, only, unix_ms)?;
            return (candidate.weight > 0).then_some(candidate.position);
        }
        // What leads to one endpoint has to lead to its backend first.
        let stuck = self.record.sticks_to(&self.rule.traffic, random);
        let random = stuck.map_or(random, |stuck| hash(&stuck.to_le_bytes()));
        let mut candidates = self.candidates(unix_ms);
        let per_priority = self.rule.traffic.retry.as_ref().and_then(|retry| retry.per_priority);
        if let Some(most) = per_priority {
            self.leave_spent(&mut candidates, most);
        }
        let first = candidates.iter().map(|c| c.priority).min();
        let fresh: SmallVec<[Candidate; 8]> = candidates
            .iter()
            .filter(|c| self.asked[c.position] == 0 && (per_priority.is_none() || Some(c.priority) == first))
            .copied()
            .collect();
        pick(&fresh, random).or_else(|| pick(&candidates, random))
    }

    /// Leaves priorities behind that were asked this often, unless no other is left.
    fn leave_spent(&self, candidates: &mut SmallVec<[Candidate; 8]>, most: u32) {
        let asked = |priority| -> u32 {
            let choices = self.rule.choices().iter().zip(&self.asked);
            choices
                .filter(|(choice, _)| choice.priority == priority)
                .map(|(_, asked)| u32::from(*asked))
                .sum()
        };
        if candidates.iter().any(|c| asked(c.priority) < most) {
            candidates.retain(|c| asked(c.priority) < most);
        }
    }

    pub(crate) fn candidates(&self, unix_ms: u64) -> SmallVec<[Candidate; 8]> {
        let choices = self.rule.choices().iter().enumerate();
        choices.filter_map(|(position, choice)| self.candidate(position, choice, unix_ms)).collect()
    }

    fn candidate(&self, position: usize, choice: &Choice, unix_ms: u64) -> Option<Candidate> {
        if self.is_spent(position) {
            return None;
        }
        let live = &self.record.live;
        let standing = match &choice.backend {
            Ok(backend) if backend.upstream.addresses.is_empty() => return None,
            Ok(backend) => live.standing(backend, unix_ms),
            // A broken choice takes its share of first attempts, as Gateway API wants it, and no second one.
            Err(_) if !self.record.attempts.is_empty() => return None,
            Err(_) => Standing::Up,
        };
        Some(Candidate { position, priority: choice.priority, weight: choice.weight, standing })
    }
}
