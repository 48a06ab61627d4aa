//! Signs provider calls; verifies callers. Keys and the time are arguments.
