//! Beside Envoy: its external processor, and the extension server of Envoy Gateway. Protobuf stops here.

pub mod extension;
mod grpc;
mod level;
pub mod processor;
pub mod proto;
