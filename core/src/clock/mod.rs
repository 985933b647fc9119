//! Time, as an argument: the wall clock for what is recorded, a steady clock for what must not jump.

mod judged;

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub(crate) use judged::{BEHIND_MAX, ClockStep, JudgedClock};

/// A moment, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// In whole milliseconds, as UUIDv7 wants it.
    pub fn milliseconds(self) -> u64 {
        self.0 / 1000
    }
}

impl Timestamp {
    /// This much later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
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

    /// Time since some fixed moment, including what the machine slept, where the system counts that. It never goes back.
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
    started: Steady,
}

/// Linux counts the time that a machine was suspended on a clock of its own.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
struct Steady(Duration);

#[cfg(target_os = "linux")]
impl Steady {
    fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Self(Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default()))
    }

    fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

#[cfg(not(target_os = "linux"))]
type Steady = std::time::Instant;

impl SystemClock {
    /// The system's clocks; the steady one starts at zero now.
    pub fn new() -> Self {
        Self { started: Steady::now() }
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
