//! RFC 6962 trees that only grow: the compact frontier from which the next root follows.
//!
//! A [`Frontier`] is all that a writer or verifier keeps of a log, whatever its length. Proofs, which need the leaves,
//! are made in [`crate::proof`]; the tree of heads, whose leaves change, is [`crate::HeadsTree`].

use crate::error::FormatError;
use crate::hash::{Hash, empty_root, node_hash};

/// A tree's size and the roots of the perfect subtrees it consists of, biggest (leftmost) first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Hash>,
}

impl Frontier {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, given its hash.
    pub fn append(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each low bit that is set is a perfect subtree of the size now complete on the right.
        for _ in 0..self.size.trailing_ones() {
            let left = self.hashes.pop().expect("one hash for each bit of the size");
            node = node_hash(&left, &node);
        }
        self.hashes.push(node);
        self.size += 1;
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        match self.hashes.split_last() {
            None => empty_root(),
            Some((last, rest)) => fold(rest, *last),
        }
    }

    /// The root the tree would have with one more leaf.
    pub fn root_with(&self, leaf: Hash) -> Hash {
        fold(&self.hashes, leaf)
    }

    /// The roots of its perfect subtrees, biggest first.
    pub(crate) fn peaks(&self) -> &[Hash] {
        &self.hashes
    }

    /// The stored form: the size as u64, then the hashes from the biggest subtree on.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.hashes.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        for hash in &self.hashes {
            bytes.extend_from_slice(hash.as_bytes());
        }
        bytes
    }

    /// Reads the stored form. There is exactly one hash for each bit set in the size.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let (size, hashes) = bytes.split_first_chunk::<8>().ok_or(FormatError::new("frontier", "starts with a u64"))?;
        let size = u64::from_be_bytes(*size);
        if hashes.len() != 32 * size.count_ones() as usize {
            return Err(FormatError::new("frontier", "has one hash for each bit set in its size"));
        }
        let hashes = hashes.chunks_exact(32).filter_map(Hash::from_slice).collect();
        Ok(Self { size, hashes })
    }
}

/// Joins subtrees from the right. A single leaf joins the same way, since a perfect pair is what it would complete.
pub(crate) fn fold(subtrees: &[Hash], last: Hash) -> Hash {
    subtrees.iter().rfold(last, |right, left| node_hash(left, &right))
}

/// The root over all of `leaves` (their hashes).
pub fn tree_root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.append(*leaf);
    }
    frontier.root()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::codec::hex_array;
    use crate::hash::leaf_hash;

    /// RFC 6962 §2.1, word for word.
    pub(crate) fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
            }
        }
    }

    pub(crate) fn some_leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(&(i as u64).to_be_bytes())).collect()
    }

    #[test]
    fn every_root_is_the_definitions() {
        let leaves = some_leaves(130);
        let mut frontier = Frontier::new();
        for size in 0..130 {
            assert_eq!(frontier.root(), naive_root(&leaves[..size]), "size {size}");
            assert_eq!(frontier.size(), size as u64);
            assert_eq!(frontier.root_with(leaves[size]), naive_root(&leaves[..=size]), "size {size} and one");
            assert_eq!(Frontier::from_bytes(&frontier.to_bytes()).as_ref(), Ok(&frontier));
            frontier.append(leaves[size]);
        }
        assert_eq!(tree_root(&leaves), naive_root(&leaves));
    }

    #[test]
    fn the_reference_roots_of_certificate_transparency() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::new();
        for (size, root) in roots.iter().enumerate() {
            assert_eq!(frontier.root(), Hash::from(hex_array(root).unwrap()), "size {size}");
            if let Some(input) = inputs.get(size) {
                frontier.append(leaf_hash(input));
            }
        }
    }

    #[test]
    fn a_stored_frontier_is_read_strictly() {
        for (name, bytes) in [
            ("nothing", vec![]),
            ("short size", vec![0; 7]),
            ("a hash too many", vec![0; 40]),
            ("a hash missing", 3u64.to_be_bytes().iter().copied().chain([0; 32]).collect()),
            ("half a hash", 1u64.to_be_bytes().iter().copied().chain([0; 31]).collect()),
        ] {
            assert!(Frontier::from_bytes(&bytes).is_err(), "case: {name}");
        }
    }
}
