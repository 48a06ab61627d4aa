//! The hooks that Envoy Gateway calls while it translates.
