//! What requests have to ask others, made real: limit stores, key sets, external authorization.

pub mod limits;
