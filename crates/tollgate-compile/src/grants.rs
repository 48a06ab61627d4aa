pub(crate) use tollgate_resources::Party;
use tollgate_resources::{Object, ReferenceGrant};

use crate::Fault;

/// Who may refer to what in another namespace.
#[derive(Debug)]
pub(crate) struct Grants<'a>(pub(crate) &'a [Object<ReferenceGrant>]);

// === impl Grants ===

impl Grants<'_> {
    /// Refuses a reference into a namespace that has not granted it (Gateway API `ReferenceGrant`).
    pub(crate) fn check(&self, from: Party<'_>, to: Party<'_>, name: &str) -> Result<(), Fault> {
        if from.namespace == to.namespace || self.0.iter().any(|grant| grant.allows(from, to, name)) {
            return Ok(());
        }
        let Party { kind, namespace, .. } = to;
        let message = format!(
            "{kind} {namespace}/{name} is in another namespace, and no ReferenceGrant there allows references from {} \
             in {}",
            from.kind, from.namespace
        );
        let help = format!(
            "add a ReferenceGrant to namespace {namespace} with from {{group: {:?}, kind: {}, namespace: {}}} and to \
             {{group: {:?}, kind: {kind}}}",
            from.group, from.kind, from.namespace, to.group
        );
        Err(Fault::new("ref-not-permitted", message).help(help))
    }
}
