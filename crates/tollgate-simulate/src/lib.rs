//! LLM providers to rehearse against: dialects, usage, delays and errors on demand.
//!
//! ```text
//! bytes ─▶ Request ─▶ (Behaviour, Ask) ─▶ Answer ─▶ Reply ─▶ Script ─▶ bytes
//!          request     behaviour  ask     answer   openai/   connection
//!                                                  anthropic/ cohere/
//! ```
//! HTTP/1.1 is written by hand here, because half of the faults are bytes no correct server would send.

mod answer;
mod anthropic;
mod ask;
mod bedrock;
mod behaviour;
mod cohere;
mod connection;
mod encode;
mod events;
mod form;
mod google;
mod issuer;
mod kserve;
mod metrics;
mod openai;
mod options;
mod reply;
mod request;
mod route;
mod scan;
mod schema;
mod server;
mod state;
mod text;

pub use self::{
    behaviour::{Behaviour, Encoding, Fault, Rule},
    issuer::{Grant, Issuer, Rejected},
    options::Options,
    server::{Simulator, spawn, stay_awake},
    state::{Recorded, Stats},
};
