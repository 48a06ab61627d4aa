use std::fmt;

use tollgate_types::ObjectRef;

/// Why a piece of configuration cannot serve. Its text goes to operators and into the 500 it causes, so it names
/// resources and fields and never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable kebab-case code, the same as in the diagnostic: `backend-not-found` …
    pub code: &'static str,
    /// The object at fault.
    pub object: ObjectRef,
    /// The field in it; empty for the whole.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.object)?;
        if !self.field.is_empty() {
            write!(f, " {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}
