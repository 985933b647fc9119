//! Time, as an argument: the wall clock for what is recorded, a steady clock for what must not jump.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// A moment, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// In whole milliseconds, as UUIDv7 wants it.
    pub fn milliseconds(self) -> u64 {
        self.0 / 1000
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Where time comes from. Sealed: a shipped program has [`SystemClock`] and no other.
pub trait Clock: sealed::Sealed + Send + Sync + fmt::Debug {
    /// The wall clock. It may jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment. It never goes back.
    fn monotonic(&self) -> Duration;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::SystemClock {}
    #[cfg(any(test, feature = "testing"))]
    impl Sealed for crate::testing::ManualClock {}
}

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The system's clocks; the steady one starts at zero now.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock set before 1970 reads as 1970: the audit log then holds time still instead of failing.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_tells_microseconds() {
        let (clock, year_2020, year_2200) = (SystemClock::new(), 1_577_836_800_000_000, 7_258_118_400_000_000);
        assert!((year_2020..year_2200).contains(&clock.now().0));
        let before = clock.monotonic();
        assert!(clock.monotonic() >= before);
    }
}
