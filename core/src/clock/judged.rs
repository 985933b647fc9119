//! The wall clock, believed as far as the steady one agrees.
//!
//! Whoever can set the machine's clock could age every key and every epoch, or date lines into the future. So a wall
//! clock that runs ahead of what the steady clock leads to expect is not followed: time goes on at the steady pace
//! until the two agree again, the process starts anew, or an operator confirms. One that was set back is followed,
//! and the log's own time stands still until it has caught up. Both are recorded.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Clock, Timestamp, sealed};

/// A wall clock further ahead of the steady one than this is not followed.
pub(crate) const AHEAD_MAX: Duration = Duration::from_secs(10);

/// A wall clock set back by more than this is recorded.
pub(crate) const BEHIND_MAX: Duration = Duration::from_secs(2);

/// A jump of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockStep {
    /// What it said.
    pub(crate) wall: Timestamp,
    /// What the steady clock, or the log, led to expect.
    pub(crate) expected: Timestamp,
}

/// The clocks of a process, judged.
#[derive(Debug)]
pub(crate) struct JudgedClock {
    clocks: Arc<dyn Clock>,
    judged: Mutex<Judged>,
}

#[derive(Debug)]
struct Judged {
    /// What was believed last, and the steady clock then.
    wall: Timestamp,
    steady: Duration,
    /// The wall clock is ahead, and not followed.
    ahead: bool,
    /// Not recorded yet.
    step: Option<ClockStep>,
}

impl JudgedClock {
    /// Believes the wall clock as it is now: a process that starts knows no better.
    pub(crate) fn new(clocks: Arc<dyn Clock>) -> Self {
        let judged = Judged { wall: clocks.now(), steady: clocks.monotonic(), ahead: false, step: None };
        Self { clocks, judged: Mutex::new(judged) }
    }

    /// Follows the wall clock from now on, wherever it is.
    pub(crate) fn adopt(&self) {
        let mut judged = self.judged();
        judged.follow(self.clocks.now(), self.clocks.monotonic());
    }

    /// The last jump that is not recorded yet.
    pub(crate) fn step(&self) -> Option<ClockStep> {
        self.judged().step
    }

    /// That jump is recorded.
    pub(crate) fn recorded(&self, step: ClockStep) {
        let mut judged = self.judged();
        if judged.step == Some(step) {
            judged.step = None;
        }
    }

    fn judged(&self) -> MutexGuard<'_, Judged> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judged {
    fn follow(&mut self, wall: Timestamp, steady: Duration) {
        (self.wall, self.steady, self.ahead) = (wall, steady, false);
    }
}

impl sealed::Sealed for JudgedClock {}

impl Clock for JudgedClock {
    fn now(&self) -> Timestamp {
        let mut judged = self.judged();
        let (wall, steady) = (self.clocks.now(), self.clocks.monotonic());
        let expected = judged.wall.after(steady.saturating_sub(judged.steady));
        if wall > expected.after(AHEAD_MAX) {
            if !judged.ahead {
                judged.ahead = true;
                judged.step = Some(ClockStep { wall, expected });
            }
            return expected;
        }
        if wall.after(BEHIND_MAX) < expected {
            judged.step = Some(ClockStep { wall, expected });
        }
        judged.follow(wall, steady);
        wall
    }

    fn monotonic(&self) -> Duration {
        self.clocks.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ManualClock;

    const NOON: Timestamp = Timestamp(1_900_000_000_000_000);
    const MOMENT: Duration = Duration::from_micros(1);

    fn clock() -> (Arc<ManualClock>, JudgedClock) {
        let manual = Arc::new(ManualClock::at(NOON));
        let seam: Arc<dyn Clock> = Arc::<ManualClock>::clone(&manual);
        (manual, JudgedClock::new(seam))
    }

    #[test]
    fn a_clock_that_keeps_time_is_followed_and_so_is_one_that_is_corrected_a_little() {
        let (manual, clock) = clock();
        manual.advance(Duration::from_secs(3600));
        assert_eq!(clock.now(), NOON.after(Duration::from_secs(3600)));
        for (by, want) in [(AHEAD_MAX, None), (Duration::ZERO, None)] {
            let to = clock.now().after(by);
            manual.set_wall(to);
            assert_eq!((clock.now(), clock.step()), (to, want));
        }
        let back = Timestamp(clock.now().0 - BEHIND_MAX.as_micros() as u64);
        manual.set_wall(back);
        assert_eq!((clock.now(), clock.step()), (back, None));
    }

    #[test]
    fn a_clock_ahead_is_not_followed_until_it_agrees_again_or_somebody_confirms() {
        let (manual, clock) = clock();
        let ahead = NOON.after(AHEAD_MAX + MOMENT);
        manual.set_wall(ahead);
        assert_eq!(clock.now(), NOON);
        let step = ClockStep { wall: ahead, expected: NOON };
        assert_eq!(clock.step(), Some(step));
        clock.recorded(step);
        manual.advance(Duration::from_secs(60));
        assert_eq!(
            (clock.now(), clock.step()),
            (NOON.after(Duration::from_secs(60)), None),
            "at the steady pace, and said once"
        );
        manual.set_wall(NOON.after(Duration::from_secs(61)));
        assert_eq!(clock.now(), NOON.after(Duration::from_secs(61)), "it agrees again");

        manual.set_wall(NOON.after(Duration::from_secs(7200)));
        assert_eq!(clock.now(), NOON.after(Duration::from_secs(61)));
        assert!(clock.step().is_some(), "another jump");
        clock.adopt();
        assert_eq!(clock.now(), NOON.after(Duration::from_secs(7200)));
    }

    #[test]
    fn a_clock_set_back_is_followed_and_recorded() {
        let (manual, clock) = clock();
        let back = Timestamp(NOON.0 - BEHIND_MAX.as_micros() as u64 - 1);
        manual.set_wall(back);
        assert_eq!((clock.now(), clock.step()), (back, Some(ClockStep { wall: back, expected: NOON })));
        clock.recorded(ClockStep { wall: NOON, expected: back });
        assert!(clock.step().is_some(), "another one was recorded");
        clock.recorded(clock.step().unwrap());
        manual.advance(Duration::from_secs(1));
        assert_eq!((clock.now(), clock.step()), (back.after(Duration::from_secs(1)), None));
    }
}
