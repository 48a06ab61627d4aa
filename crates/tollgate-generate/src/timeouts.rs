use std::{fmt::Write, time::Duration};

/// The longest run of digits in a duration of Gateway API (GEP-2257).
const MOST: u128 = 99_999;

/// A duration as Gateway API writes it: up to four of hours, minutes, seconds and milliseconds, five digits each.
pub(crate) fn text(duration: Duration) -> String {
    // The largest that can be written is more than eleven years.
    let millis = duration.as_millis().min(MOST * 3_600_000);
    let (seconds, rest) = (millis / 1000, millis % 1000);
    let mut out = String::new();
    let units = if seconds <= MOST {
        [(0, 'h'), (0, 'm'), (seconds, 's')]
    } else {
        [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')]
    };
    for (count, unit) in units {
        if count > 0 {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "{count}{unit}");
        }
    }
    if rest > 0 {
        let _ = write!(out, "{rest}ms");
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_gateway_api_reads_them() {
        let cases = [(0, "0s"), (25, "25ms"), (60_000, "60s"), (1_500, "1s500ms"), (360_000_001, "100h1ms")];
        for (millis, want) in cases {
            assert_eq!(text(Duration::from_millis(millis)), want);
        }
        assert_eq!(text(Duration::MAX), "99999h");
    }
}
