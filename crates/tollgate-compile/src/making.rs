use crate::{
    Fault,
    notes::{At, Notes},
    world::World,
};

/// What a policy is compiled with.
pub(crate) struct Making<'w, 'a, 'n> {
    pub(crate) world: &'w World<'a>,
    pub(crate) notes: &'n mut Notes,
    /// Where the policy stands: its namespace is where its references lead.
    pub(crate) namespace: &'w str,
}

// === impl Making ===

impl Making<'_, '_, '_> {
    /// Reports the fields that say something and do nothing.
    pub(crate) fn unserved(&mut self, at: &At<'_>, fields: &[(&str, bool)]) {
        for (field, _) in fields.iter().filter(|(_, given)| *given) {
            self.notes.warning(&at.to(format!(".{field}")), Fault::not_served(field));
        }
    }
}
