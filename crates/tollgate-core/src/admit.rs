use crate::{Received, Record};

/// A request whose caller may call. Policies that say who may are read here, and nothing answers before.
#[derive(Debug)]
pub struct Admitted {
    pub(crate) record: Box<Record>,
}

// === impl Received ===

impl Received {
    /// Lets the caller in. Without a policy everybody may call; this stage becomes async with the first one that
    /// has to ask somebody.
    #[must_use]
    pub fn admit(self) -> Admitted {
        let Self { record } = self;
        Admitted { record }
    }
}
