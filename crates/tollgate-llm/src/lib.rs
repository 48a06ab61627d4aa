//! One LLM call, without a socket: what the request asks for, what goes to the provider, what comes back.
//!
//! ```text
//! client bytes ─▶ inspect ─▶ Inspected ─▶ prepare(Call) ─▶ Prepared ─▶ provider
//! client bytes ◀─────────── Reply::{head, push, finish, break_off} ◀── provider bytes
//! ```
//!
//! Same-dialect traffic is scanned and patched in place; it never becomes a document. Translated traffic goes
//! through [`translate`]: `dialect/` (what clients speak) and `provider/` (what backends speak) meet in `turn`.

mod aws;
mod call;
mod fault;
mod form;
mod gcp;
mod identity;
mod inspect;
mod local;
mod meter;
mod reply;
mod tally;
mod target;
pub mod translate;
mod usage;

pub use self::{
    call::{Call, Prepared, keeps_body, prepare, prepare_item, prepare_unread, serves, wishing},
    fault::{BadRequest, Fault, Untranslatable},
    form::{Form, Place, Shape, edited},
    inspect::{Delivery, Inspected, Spots, inspect, inspect_named},
    local::{Model, error_body, model_body, models_body},
    reply::{Head, Output, Reply},
    tally::{Counts, Tally},
    target::{BodyEdit, BodyMutation, Target},
};
