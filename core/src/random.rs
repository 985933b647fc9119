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

    /// A fork copies all of a process's memory; a generator of our own would go on twice the same way.
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code, reason = "forking, and the pipe that the children answer through")]
    #[test]
    fn a_thousand_forked_children_share_no_nonce() {
        use std::{collections::HashSet, io::Read, os::fd::FromRawFd};

        const CHILDREN: usize = 1000;
        let mut ends = [0; 2];
        // SAFETY: writes two descriptors into our array.
        assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
        let random: &dyn Random = &SystemRandom;
        for _ in 0..CHILDREN {
            // SAFETY: the child draws, writes to the pipe and ends at once; it takes no lock.
            match unsafe { libc::fork() } {
                0 => {
                    let nonce = random.array::<24>().unwrap_or_default();
                    // SAFETY: from our own array; so few bytes are written whole. Then the child is gone.
                    unsafe {
                        libc::write(ends[1], nonce.as_ptr().cast(), nonce.len());
                        libc::_exit(0);
                    }
                }
                child => {
                    assert!(child > 0);
                    // SAFETY: waits for our own child.
                    assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child);
                }
            }
        }
        // SAFETY: the descriptors are ours, and each is owned once from here on.
        let (mut answers, writing) =
            unsafe { (std::fs::File::from_raw_fd(ends[0]), std::fs::File::from_raw_fd(ends[1])) };
        drop(writing);
        let mut bytes = Vec::new();
        answers.read_to_end(&mut bytes).unwrap();
        let nonces: HashSet<_> = bytes.chunks(24).collect();
        assert_eq!((bytes.len(), nonces.len()), (24 * CHILDREN, CHILDREN));
        assert!(!nonces.contains(&[0; 24][..]), "each child had randomness");
    }
}
