use tollgate_core::TraceContext;

/// Which traces are kept (`OTEL_TRACES_SAMPLER`).
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
    /// True where the request's spans are kept.
    #[must_use]
    pub fn keeps(&self, trace: &TraceContext) -> bool {
        match (self, trace.parent) {
            (Self::AlwaysOn, _) | (Self::ParentOrOn, None) => true,
            (Self::AlwaysOff, _) | (Self::ParentOrOff, None) => false,
            (Self::Ratio(share), _) | (Self::ParentOrRatio(share), None) => within(*share, trace),
            (Self::ParentOrOn | Self::ParentOrOff | Self::ParentOrRatio(_), Some(_)) => trace.sampled,
        }
    }
}

/// The low 8 bytes of the id, less one bit, against the share: what OpenTelemetry's SDKs do.
#[expect(clippy::cast_precision_loss, reason = "a share is no count")]
fn within(share: f64, trace: &TraceContext) -> bool {
    let [.., a, b, c, d, e, f, g, h] = trace.trace_id;
    let place = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
    (place as f64) < share * (1_u64 << 63) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(id: u64, parent: Option<[u8; 8]>, sampled: bool) -> TraceContext {
        let mut trace_id = [1; 16];
        trace_id[8..].copy_from_slice(&id.to_be_bytes());
        TraceContext { trace_id, span_id: [1; 8], parent, sampled }
    }

    #[test]
    fn a_ratio_splits_by_the_id_and_its_ends_are_exact() {
        let [low, high] = [trace(0, None, true), trace(u64::MAX, None, true)];
        assert!(Sampler::Ratio(0.5).keeps(&low) && !Sampler::Ratio(0.5).keeps(&high));
        assert!(Sampler::Ratio(1.0).keeps(&trace(u64::MAX / 2, None, true)));
        assert!(!Sampler::Ratio(0.0).keeps(&low));
    }

    #[test]
    fn a_callers_decision_is_followed_where_the_sampler_says_so() {
        let unwanted = trace(0, Some([2; 8]), false);
        assert!(!Sampler::ParentOrOn.keeps(&unwanted));
        assert!(Sampler::AlwaysOn.keeps(&unwanted));
        assert!(Sampler::ParentOrOff.keeps(&trace(0, Some([2; 8]), true)));
        assert!(!Sampler::ParentOrOff.keeps(&trace(0, None, true)));
    }
}
