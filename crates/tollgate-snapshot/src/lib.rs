//! What requests read: immutable tables and compiled matchers.
