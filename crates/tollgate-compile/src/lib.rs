//! Turns resources into a snapshot and notes. Total and pure.
