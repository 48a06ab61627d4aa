//! Chooses among backends by priority, weight and health. The clock and randomness are arguments.
