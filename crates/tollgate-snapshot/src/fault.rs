use std::time::Duration;

use http::StatusCode;

/// `faultInjection`: what goes wrong on purpose. It does so after callers and limits were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// `delay`: how long, and how many of a million requests.
    pub delay: Option<(Duration, u32)>,
    /// `abort`: how, and how many of a million requests.
    pub abort: Option<(Abort, u32)>,
}

/// `faultInjection.abort`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Abort {
    /// `httpStatus`
    Status(StatusCode),
    /// `grpcStatus`, in a reply that is a 200
    Grpc(u8),
}

// === impl Faults ===

impl Faults {
    /// What goes wrong with one request.
    #[must_use]
    pub fn of_request(&self, random: [u64; 2]) -> (Option<Duration>, Option<Abort>) {
        let hit = |random: u64, per_million: u32| random % 1_000_000 < u64::from(per_million);
        let [first, second] = random;
        let delay = self.delay.filter(|(_, share)| hit(first, *share)).map(|(delay, _)| delay);
        (delay, self.abort.filter(|(_, share)| hit(second, *share)).map(|(abort, _)| abort))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_drawn_apart() {
        let abort = Some((Abort::Grpc(14), 500_000));
        let faults = Faults { delay: Some((Duration::from_secs(1), 1_000_000)), abort };
        assert_eq!(faults.of_request([7, 499_999]), (faults.delay.map(|d| d.0), Some(Abort::Grpc(14))));
        assert_eq!(faults.of_request([7, 500_000]).1, None);
        assert_eq!(Faults::default().of_request([0, 0]), (None, None));
    }
}
