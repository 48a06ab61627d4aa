//! Chooses among backends by priority, weight and health. The clock and randomness are arguments.

mod health;
mod pick;

pub use self::{
    health::{Health, Standing, Turn},
    pick::{Candidate, pick},
};
