//! The leaf that each commit adds to the head log, and the blinded statistics in it.

use crate::error::FormatError;
use crate::hash::{Hash, leaf_hash, sha256_of};

const COMMIT: &[u8; 12] = b"sr-commit/v1";
const STATS: &[u8] = b"sr-stats/v1";

/// The length of a commit's leaf.
pub const COMMIT_LEAF_BYTES: usize = 96;

/// What a commit signs: its number, time, epoch, all heads after it, and how much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitLeaf {
    /// Its place in the head log, from 0.
    pub n: u64,
    /// When it was written, in microseconds.
    pub time: u64,
    /// The epoch that signs it.
    pub epoch: u32,
    /// The root of the heads tree after it.
    pub heads_root: Hash,
    /// Blinded counts, see [`stats_hash`].
    pub stats: Hash,
}

impl CommitLeaf {
    /// The leaf's data.
    pub fn to_bytes(&self) -> [u8; COMMIT_LEAF_BYTES] {
        let mut bytes = [0; COMMIT_LEAF_BYTES];
        bytes[..12].copy_from_slice(COMMIT);
        bytes[12..20].copy_from_slice(&self.n.to_be_bytes());
        bytes[20..28].copy_from_slice(&self.time.to_be_bytes());
        bytes[28..32].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[32..64].copy_from_slice(self.heads_root.as_bytes());
        bytes[64..].copy_from_slice(self.stats.as_bytes());
        bytes
    }

    /// Reads a leaf's data: every byte string of this length and label is one leaf.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let bytes: &[u8; COMMIT_LEAF_BYTES] =
            bytes.try_into().map_err(|_| FormatError::new("commit leaf", "has 96 bytes"))?;
        if !bytes.starts_with(COMMIT) {
            return Err(FormatError::new("commit leaf", "starts with sr-commit/v1"));
        }
        let u64_at = |at: usize| bytes[at..at + 8].iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let hash_at = |at: usize| {
            let mut hash = [0; 32];
            hash.copy_from_slice(&bytes[at..at + 32]);
            Hash::from(hash)
        };
        Ok(Self {
            n: u64_at(12),
            time: u64_at(20),
            epoch: (u64_at(24) & 0xffff_ffff) as u32,
            heads_root: hash_at(32),
            stats: hash_at(64),
        })
    }

    /// The leaf's hash in the head log.
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.to_bytes())
    }
}

/// What a commit says about the size of the deployment: readable only with the blind, which a tenant is never given.
///
/// `tenants` counts the positions in use, closed ones and `sys` included; `lines` all lines of the generation. Both
/// include the commit itself.
pub fn stats_hash(blind: &[u8; 16], tenants: u64, lines: u64) -> Hash {
    sha256_of(&[STATS, blind, &tenants.to_be_bytes(), &lines.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_read_as_it_was_written() {
        let leaf = CommitLeaf {
            n: 0x0102_0304_0506_0708,
            time: 0x1112_1314_1516_1718,
            epoch: 0x2122_2324,
            heads_root: leaf_hash(b"heads"),
            stats: stats_hash(&[7; 16], 3, 4),
        };
        let bytes = leaf.to_bytes();
        assert_eq!(CommitLeaf::from_bytes(&bytes), Ok(leaf));
        assert_eq!(&bytes[12..32], b"\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18\x21\x22\x23\x24");
        assert!(CommitLeaf::from_bytes(&bytes[..95]).is_err());
        assert!(CommitLeaf::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        let mut other = bytes;
        other[11] = b'2';
        assert!(CommitLeaf::from_bytes(&other).is_err());
    }

    #[test]
    fn the_counts_are_told_apart() {
        assert_ne!(stats_hash(&[0; 16], 1, 2), stats_hash(&[0; 16], 2, 1));
        assert_ne!(stats_hash(&[0; 16], 1, 2), stats_hash(&[1; 16], 1, 2));
    }
}
