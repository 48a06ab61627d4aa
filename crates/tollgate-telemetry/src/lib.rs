//! Metrics, access log and spans. Its input is the settled request.
