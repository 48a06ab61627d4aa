//! What a careful reader of all manifests would ask about: each object is fine by itself, and together they do not do
//! what their author most likely meant. Nothing here changes what is served.

mod addresses;
mod credentials;
mod facts;
mod limits;
mod logs;
mod routes;
mod tenants;
mod traffic;

use tollgate_resources::ResourceSet;
use tollgate_types::Diagnostics;

use self::facts::Facts;
use crate::notes::Notes;

/// Advice about resources, in the order in which it was found. Beside what `compile` finds; the two say nothing twice.
///
/// ```
/// use tollgate_compile::advise;
///
/// assert!(advise(&tollgate_resources::ResourceSet::default()).0.is_empty());
/// ```
#[must_use]
pub fn advise(set: &ResourceSet) -> Diagnostics {
    let facts = Facts::of(set);
    let mut notes = Notes::default();
    credentials::advise(set, &mut notes);
    limits::advise(&facts, &mut notes);
    traffic::advise(&facts, &mut notes);
    routes::advise(&facts, &mut notes);
    tenants::advise(&facts, &mut notes);
    addresses::advise(set, &mut notes);
    logs::advise(&facts, &mut notes);
    notes.into_diagnostics()
}

#[cfg(test)]
mod tests;
