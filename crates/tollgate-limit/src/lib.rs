//! Request and token windows, quotas and the counters they are kept in: the arithmetic only.
//!
//! A [`LimitRule`] looks at a request and names the [`Counter`] it is counted on. The [`Claim`]s of all rules are
//! reserved together in a [`Store`]; when the request is over each claim becomes a [`Settlement`] with the real cost.
//! The clock is always an argument.

mod bucket;
mod claim;
mod condition;
mod counter;
mod describe;
mod embedded;
mod estimate;
mod fact;
mod headers;
mod kept;
mod local;
mod query;
mod quota;
mod rule;
mod store;
mod table;
mod unit;
mod view;

pub use self::{
    bucket::Buckets,
    claim::{Claim, Claims, Mode, Settlement},
    condition::{Condition, PathSelect, TextSelect},
    counter::Counter,
    embedded::{Embedded, Row},
    estimate::{Basis, Estimator, Size},
    fact::{Fact, Namespace, limit_at, number_at},
    headers::{RateLimitHeaders, Refused},
    local::LocalLimits,
    quota::{ModelQuota, QuotaMode},
    rule::{Cost, LimitRule, LimitRuleSpec, QuotaOf, Scope},
    store::{Decision, Standing, Store, TryReserve},
    table::Low,
    unit::{Limit, Unit, UnixMillis},
    view::View,
};
