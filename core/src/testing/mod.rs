//! Test kits: what every [`crate::KeyDevice`] and every store must do, whoever wrote it. And a clock,
//! randomness and a failing store that a test rules, a store that keeps what it was asked, and the parsers that nobody
//! else needs.

pub mod device;
pub mod faulty;
pub mod parsers;
pub mod store;
pub mod watched;

mod clock;
mod random;
mod reads;

use reads::reads;

pub use clock::ManualClock;
pub use random::SeededRandom;
