//! Randomness, as an argument. Keys, ids and nonces all come from here.

use std::fmt;

use crate::{Code, Error, Result};

/// Where randomness comes from. Sealed: a shipped program has [`SystemRandom`] and no other.
pub trait Random: sealed::Sealed + Send + Sync + fmt::Debug {
    /// Fills the whole buffer, or fails.
    ///
    /// # Errors
    /// [`Code::RandomUnavailable`]: nothing may then be done that needs it.
    fn fill(&self, bytes: &mut [u8]) -> Result<()>;
}

impl dyn Random + '_ {
    /// So many random bytes. For ids and nonces; a key is filled where it lives.
    ///
    /// # Errors
    /// As [`Random::fill`].
    pub fn array<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::SystemRandom {}
    #[cfg(any(test, feature = "testing"))]
    impl Sealed for crate::testing::SeededRandom {}
}

/// The system's random source: `getrandom`, which has no state of ours for a fork to copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes).map_err(|error| Error::new(Code::RandomUnavailable).caused_by(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let random: &dyn Random = &SystemRandom;
        assert_ne!(random.array::<32>().unwrap(), random.array::<32>().unwrap());
    }
}
