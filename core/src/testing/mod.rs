//! Test kits: what every [`crate::KeyDevice`] and every store must do, whoever wrote it. And a clock
//! and randomness that a test rules.

pub mod device;

mod clock;
mod random;

pub use clock::ManualClock;
pub use random::SeededRandom;
