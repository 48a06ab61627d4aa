//! What users write: every Kubernetes kind Tollgate reads, typed, with positions and unknown fields reported.
