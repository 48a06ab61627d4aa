use std::fmt;

/// Milliseconds since 1970, as the host's wall clock says; it may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

/// How long a window is. Windows are aligned to the epoch, not to the calendar: weeks begin on Thursdays (UTC),
/// a month is 30 days, a year 365 (as envoyproxy/ratelimit counts, so that counters can be shared with it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// 1 s
    Second,
    /// 60 s
    Minute,
    /// 3,600 s
    Hour,
    /// 86,400 s
    Day,
    /// 7 days
    Week,
    /// 30 days
    Month,
    /// 365 days
    Year,
}

/// So many hits (requests, tokens, or what a cost expression counts) in each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Hits; 0 refuses everything.
    pub amount: u64,
    /// The window.
    pub unit: Unit,
}

// === impl UnixMillis ===

impl UnixMillis {
    /// Whole seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

// === impl Unit ===

impl Unit {
    /// Every unit, shortest first.
    pub const ALL: [Self; 7] =
        [Self::Second, Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// The window's length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 604_800,
            Self::Month => 2_592_000,
            Self::Year => 31_536_000,
        }
    }

    /// The same in digits.
    #[must_use]
    pub(crate) const fn seconds_text(self) -> &'static str {
        match self {
            Self::Second => "1",
            Self::Minute => "60",
            Self::Hour => "3600",
            Self::Day => "86400",
            Self::Week => "604800",
            Self::Month => "2592000",
            Self::Year => "31536000",
        }
    }

    /// When the window of this moment began, in unix seconds.
    #[must_use]
    pub const fn window(self, now: UnixMillis) -> u64 {
        now.seconds() / self.seconds() * self.seconds()
    }

    /// Seconds until the next window, at least one.
    #[must_use]
    pub const fn reset(self, now: UnixMillis) -> u64 {
        self.seconds() - now.seconds() % self.seconds()
    }

    /// One byte for files.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Second => 0,
            Self::Minute => 1,
            Self::Hour => 2,
            Self::Day => 3,
            Self::Week => 4,
            Self::Month => 5,
            Self::Year => 6,
        }
    }

    /// Back from [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        })
    }
}

// === impl Limit ===

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.amount, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_those_of_the_number() {
        for unit in Unit::ALL {
            assert_eq!(unit.seconds_text(), unit.seconds().to_string());
        }
    }

    #[test]
    fn windows_are_aligned_to_the_epoch() {
        let now = UnixMillis(1_755_737_999_999);
        assert_eq!(Unit::Hour.window(now), 1_755_734_400);
        assert_eq!(Unit::Hour.reset(now), 1);
        assert_eq!(Unit::Week.window(UnixMillis(604_800_000)), 604_800);
        assert_eq!(Unit::Second.reset(now), 1);
    }

    #[test]
    fn codes_lead_back() {
        for unit in Unit::ALL {
            assert_eq!(Unit::from_code(unit.code()), Some(unit));
        }
        assert_eq!(Unit::from_code(7), None);
    }
}
