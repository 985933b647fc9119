//! Test kits: what every [`crate::KeyDevice`] and every store must do, whoever wrote it. And a clock,
//! randomness and a failing store that a test rules.

pub mod device;
pub mod faulty;
pub mod store;

mod clock;
mod random;

pub use clock::ManualClock;
pub use random::SeededRandom;
