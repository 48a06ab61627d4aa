/// Which traces are kept (`OTEL_TRACES_SAMPLER`). What is decided travels on in `traceparent`, so that the next hop
/// keeps what we keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampler {
    /// All
    AlwaysOn,
    /// None
    AlwaysOff,
    /// This share, 0 to 1, decided by the trace's id, so that every hop decides alike
    Ratio(f64),
    /// What the caller decided; all of those that begin here
    ParentOrOn,
    /// What the caller decided; none of those that begin here
    ParentOrOff,
    /// What the caller decided; this share of those that begin here
    ParentOrRatio(f64),
}

// === impl Sampler ===

impl Sampler {
    /// True where a trace is kept; `parent` is what the caller decided, where there is one.
    #[must_use]
    pub fn keeps(&self, trace_id: &[u8; 16], parent: Option<bool>) -> bool {
        match (self, parent) {
            (Self::AlwaysOn, _) | (Self::ParentOrOn, None) => true,
            (Self::AlwaysOff, _) | (Self::ParentOrOff, None) => false,
            (Self::Ratio(share), _) | (Self::ParentOrRatio(share), None) => within(*share, trace_id),
            (Self::ParentOrOn | Self::ParentOrOff | Self::ParentOrRatio(_), Some(sampled)) => sampled,
        }
    }
}

/// The low 8 bytes of the id, less one bit, against the share: what OpenTelemetry's SDKs do.
#[expect(clippy::cast_precision_loss, reason = "a share is no count")]
fn within(share: f64, trace_id: &[u8; 16]) -> bool {
    let [.., a, b, c, d, e, f, g, h] = *trace_id;
    let place = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
    (place as f64) < share * (1_u64 << 63) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace_id(low: u64) -> [u8; 16] {
        let mut id = [1; 16];
        id[8..].copy_from_slice(&low.to_be_bytes());
        id
    }

    #[test]
    fn a_ratio_splits_by_the_id_and_its_ends_are_exact() {
        let keeps = |share, low| Sampler::Ratio(share).keeps(&trace_id(low), None);
        assert!(keeps(0.5, 0) && !keeps(0.5, u64::MAX));
        assert!(keeps(1.0, u64::MAX / 2));
        assert!(!keeps(0.0, 0));
    }

    #[test]
    fn a_callers_decision_is_followed_where_the_sampler_says_so() {
        let id = trace_id(0);
        assert!(!Sampler::ParentOrOn.keeps(&id, Some(false)));
        assert!(Sampler::AlwaysOn.keeps(&id, Some(false)));
        assert!(Sampler::ParentOrOff.keeps(&id, Some(true)));
        assert!(!Sampler::ParentOrOff.keeps(&id, None));
    }
}
