//! Which traces are sent anyway: a share of them, chosen by their id, so that all nodes choose the same.

use opentelemetry::TraceId;

/// The share of traces that are sent, 0 to 1. It decides as OpenTelemetry's `TraceIdRatioBased` does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ratio {
    /// The lower half of an id, without its last bit, must be below this.
    bound: u64,
}

impl Ratio {
    /// A share; what is outside of 0 to 1 counts as the nearer of them.
    pub(super) fn new(share: f64) -> Self {
        let bound = share.clamp(0.0, 1.0) * (1_u64 << 63) as f64;
        Self { bound: bound as u64 }
    }

    /// Whether this trace is sent.
    pub(super) fn takes(self, trace: TraceId) -> bool {
        let [.., a, b, c, d, e, f, g, h] = trace.to_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.bound
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::SpanKind;
    use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample as _};

    use super::*;

    #[test]
    fn it_decides_as_the_standard_sampler_does() {
        let mut low = 0x9e37_79b9_7f4a_7c15_u64;
        let mut ids = vec![0, 1, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1];
        for _ in 0..2000 {
            low = low.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ids.push(low);
        }
        let cases = [("none", 0.0, 0..=0), ("a tenth", 0.1, 130..=270), ("half", 0.5, 900..=1100)];
        for (desc, share, expect) in cases.into_iter().chain([("all", 1.0, 2006..=2006)]) {
            let (ours, standard) = (Ratio::new(share), Sampler::TraceIdRatioBased(share));
            let mut taken = 0;
            for id in &ids {
                let id = TraceId::from((7_u128 << 64) | u128::from(*id));
                let decision = standard.should_sample(None, id, "x", &SpanKind::Internal, &[], &[]).decision;
                assert_eq!(ours.takes(id), decision == SamplingDecision::RecordAndSample, "{desc} {id}");
                taken += usize::from(ours.takes(id));
            }
            assert!(expect.contains(&taken), "{desc}: {taken}");
        }
        assert_eq!((Ratio::new(-1.0), Ratio::new(7.0)), (Ratio::new(0.0), Ratio::new(1.0)));
        assert_eq!(Ratio::new(f64::NAN), Ratio::new(0.0));
    }
}
