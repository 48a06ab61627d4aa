//! Bytes of provider APIs: JSON scanning, SSE framing, content encodings, serde structs. No decisions.
