//! Beside Envoy: its external processor, and the extension server of Envoy Gateway. Protobuf stops here.

pub mod extension;
pub mod processor;
