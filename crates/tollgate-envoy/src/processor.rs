//! Envoy's external processor (`ext_proc` v3).
