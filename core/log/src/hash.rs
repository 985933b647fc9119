//! The one hash of the log, SHA-256, and the two ways RFC 6962 applies it.
//!
//! A leaf starts with `00` and a node with `01`, so that neither can be passed off as the other.

use crate::codec::hex_encode;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use std::fmt;

/// A SHA-256 hash: of a leaf, a node, a tree or a document. Prints as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// A hash that was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A stored hash, if `bytes` has the length of one.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex_encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 of the parts, one after the other.
pub(crate) fn sha256_of(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// SHA-256 of `data`, without a prefix: for documents, never for leaves.
pub fn sha256(data: &[u8]) -> Hash {
    sha256_of(&[data])
}

/// RFC 6962: the hash of a leaf.
pub fn leaf_hash(data: &[u8]) -> Hash {
    sha256_of(&[&[0], data])
}

/// RFC 6962: the hash of a node.
///
/// Its 65 bytes always fill two blocks in the same way, so they are laid out at once: a verifier spends half of its time
/// here, and a fifth of that would go into buffering.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut blocks = [[0; 64]; 2];
    blocks[0][0] = 1;
    blocks[0][1..33].copy_from_slice(&left.0);
    blocks[0][33..].copy_from_slice(&right.0[..31]);
    blocks[1][0] = right.0[31];
    blocks[1][1] = 0x80;
    blocks[1][56..].copy_from_slice(&(65_u64 * 8).to_be_bytes());
    let mut state = SHA256_START;
    compress256(&mut state, &blocks);
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    Hash(hash)
}

/// The initial state of SHA-256 (FIPS 180-4, 5.3.3).
const SHA256_START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// RFC 6962: the root of a tree without leaves, SHA-256 of nothing.
pub fn empty_root() -> Hash {
    sha256(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_the_hash_of_its_bytes() {
        let mut hash = empty_root();
        for _ in 0..1_000 {
            let other = leaf_hash(hash.as_ref());
            let node = node_hash(&hash, &other);
            assert_eq!(node, sha256_of(&[&[1], hash.as_ref(), other.as_ref()]));
            hash = node;
        }
    }
}
