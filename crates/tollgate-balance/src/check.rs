/// After how many results of a kind an endpoint changes sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Thresholds {
    /// `unhealthyThreshold`. 3.
    pub unhealthy: u32,
    /// `healthyThreshold`. 1.
    pub healthy: u32,
}

/// What one check of an endpoint came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// As it should be.
    Passed,
    /// It counts towards the threshold.
    Failed,
    /// It answered, and said that it cannot serve: no threshold is waited for.
    Refused,
}

/// The results of one endpoint's checks so far.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// What was said of the endpoint last; `None` before the first check.
    fit: Option<bool>,
    /// Results in a row that say otherwise.
    row: u32,
}

// === impl Thresholds ===

impl Default for Thresholds {
    fn default() -> Self {
        Self { unhealthy: 3, healthy: 1 }
    }
}

// === impl Checks ===

impl Checks {
    /// Takes the next result; says whether the endpoint is fit. The first result decides by itself, as with Envoy:
    /// there is nothing that it could be weighed against.
    pub fn heard(&mut self, result: Checked, thresholds: &Thresholds) -> bool {
        let passed = result == Checked::Passed;
        let Some(fit) = self.fit else {
            self.fit = Some(passed);
            return passed;
        };
        if passed == fit {
            self.row = 0;
            return fit;
        }
        self.row = self.row.saturating_add(1);
        let most = if passed { thresholds.healthy } else { thresholds.unhealthy };
        if self.row >= most || result == Checked::Refused {
            (self.fit, self.row) = (Some(passed), 0);
            return passed;
        }
        fit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(results: &str, thresholds: Thresholds) -> String {
        let mut checks = Checks::default();
        let result = |letter| match letter {
            'p' => Checked::Passed,
            'r' => Checked::Refused,
            _ => Checked::Failed,
        };
        results.chars().map(|c| if checks.heard(result(c), &thresholds) { '+' } else { '-' }).collect()
    }

    #[test]
    fn thresholds_are_counted_in_a_row() {
        let thresholds = Thresholds { unhealthy: 3, healthy: 2 };
        assert_eq!(heard("pffpfffpfpp", thresholds), "++++++----+");
    }

    #[test]
    fn the_first_result_and_a_refusal_wait_for_no_threshold() {
        let thresholds = Thresholds::default();
        assert_eq!(heard("fffp", thresholds), "---+");
        assert_eq!(heard("prp", thresholds), "+-+");
    }
}
