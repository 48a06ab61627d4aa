//! Messages of Envoy and gRPC that are used here, written by their field numbers; what is not named is left out when
//! a message is read.

pub mod base;
pub mod ext_proc;
pub mod health;
pub mod value;
