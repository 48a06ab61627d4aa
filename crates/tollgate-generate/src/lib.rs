//! What the AI resources become for Envoy Gateway.
