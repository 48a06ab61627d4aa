use std::{fmt, sync::Arc};

use tollgate_auth::Access;
use tollgate_types::ObjectRef;

use crate::Problem;

/// Who may call.
#[derive(Clone, Debug, Default)]
pub enum Guard {
    /// Everybody
    #[default]
    Open,
    /// Whom a SecurityPolicy lets in
    Access(Arc<Access>),
    /// Nobody: the SecurityPolicy is broken, and everybody gets a 500 that names it
    Broken(Arc<Problem>),
}

/// A policy that holds for a rule, and why; for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyUse {
    /// Which.
    pub policy: ObjectRef,
    /// What it is attached to.
    pub level: PolicyLevel,
    /// The policy of a wider level onto which it is merged (`mergeType`).
    pub merged_onto: Option<ObjectRef>,
    /// Policies of wider levels that it replaces.
    pub instead_of: Vec<ObjectRef>,
}

/// What a policy is attached to; the most specific one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyLevel {
    /// One rule of a route, by `sectionName`
    Rule,
    /// A route
    Route,
    /// One listener of a Gateway, by `sectionName`
    Listener,
    /// A Gateway
    Gateway,
}

// === impl Guard ===

impl Guard {
    /// True where both are the very same: compiled from the same policy, or broken by the same fault.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Open, Self::Open) => true,
            (Self::Access(a), Self::Access(b)) => Arc::ptr_eq(a, b),
            (Self::Broken(a), Self::Broken(b)) => Arc::ptr_eq(a, b),
            (Self::Open | Self::Access(_) | Self::Broken(_), _) => false,
        }
    }
}

// === impl PolicyUse ===

impl fmt::Display for PolicyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { policy, level, merged_onto, instead_of } = self;
        write!(f, "{policy} on the {level}")?;
        if let Some(parent) = merged_onto {
            write!(f, ", merged onto {parent}")?;
        }
        for other in instead_of {
            write!(f, ", instead of {other}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PolicyLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rule => "rule",
            Self::Route => "route",
            Self::Listener => "listener",
            Self::Gateway => "Gateway",
        })
    }
}
