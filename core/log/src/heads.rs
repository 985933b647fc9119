//! The heads tree: one leaf for each log of the deployment, at a place it keeps for ever.
//!
//! Its root goes into every commit, so that dropping a tenant or its tail changes what is signed. The tree is padded to a
//! power of two, with positions given out at random, so that a proof tells nobody how many tenants there are.
//!
//! All nodes are kept: an update touches one path, and a growth copies nothing but the levels' ends.

use crate::error::FormatError;
use crate::hash::{Hash, leaf_hash, node_hash};

/// The tree's size while all positions in use are below it.
pub const HEADS_LEAVES_MIN: u32 = 1_024;

/// The largest size. Sixteen million logs are 1 GiB of nodes.
pub const HEADS_LEAVES_MAX: u32 = 1 << 24;

const HEAD: &[u8] = b"sr-head/v1";
const HEAD_EMPTY: &[u8] = b"sr-head-empty/v1";

/// Whether a log still takes lines. Prints as the number that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStatus {
    /// In use.
    Open,
    /// Of a closed tenant. Its leaf stays.
    Closed,
}

impl LogStatus {
    /// The number that is stored: 1 open, 2 closed.
    pub const fn code(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Closed => 2,
        }
    }

    /// The status with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Open),
            2 => Some(Self::Closed),
            _ => None,
        }
    }
}

/// What a leaf of the heads tree says about one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantHead {
    /// Whose log it is.
    pub tenant_ref: [u8; 16],
    /// How many lines it has.
    pub size: u64,
    /// The root of the tree over its lines.
    pub root: Hash,
    /// Whether it is open.
    pub status: LogStatus,
}

impl TenantHead {
    /// The hash of the leaf.
    pub fn leaf(&self) -> Hash {
        let mut data = [0; HEAD.len() + 57];
        data[..10].copy_from_slice(HEAD);
        data[10..26].copy_from_slice(&self.tenant_ref);
        data[26..34].copy_from_slice(&self.size.to_be_bytes());
        data[34..66].copy_from_slice(self.root.as_bytes());
        data[66] = self.status.code();
        leaf_hash(&data)
    }
}

/// The heads tree with all its nodes.
#[derive(Debug, Clone)]
pub struct HeadsTree {
    /// `levels[0]` are the leaves, the last level is the root alone.
    levels: Vec<Vec<Hash>>,
    /// Bit i of word i/64: whether position i is in use.
    used: Vec<u64>,
    in_use: u32,
}

impl Default for HeadsTree {
    fn default() -> Self {
        Self::new()
    }
}

impl HeadsTree {
    /// The tree with no position in use.
    pub fn new() -> Self {
        Self::with_size(HEADS_LEAVES_MIN)
    }

    /// The tree with these leaves, built at once: for starting from stored heads.
    ///
    /// Refuses a position twice or a tree larger than its number of leaves explains: see [`HeadsTree::position_limit`].
    pub fn from_leaves(leaves: &[(u32, Hash)]) -> Result<Self, FormatError> {
        let highest = leaves.iter().map(|(position, _)| *position).max().unwrap_or(0);
        if highest >= HEADS_LEAVES_MAX {
            return Err(FormatError::new("heads tree", "a position is beyond the largest tree"));
        }
        let size = (highest + 1).next_power_of_two().max(HEADS_LEAVES_MIN);
        if u64::from(size) > (4 * leaves.len() as u64).max(u64::from(HEADS_LEAVES_MIN)) {
            return Err(FormatError::new("heads tree", "larger than its number of logs explains"));
        }
        let mut tree = Self::with_size(size);
        for (position, leaf) in leaves {
            if !tree.is_free(*position) {
                return Err(FormatError::new("heads tree", "a position is used twice"));
            }
            tree.put_leaf(*position, *leaf);
        }
        tree.rebuild(leaves.iter().map(|(position, _)| *position).collect());
        Ok(tree)
    }

    fn with_size(size: u32) -> Self {
        let mut node = empty_leaf();
        let mut levels = Vec::new();
        let mut width = size as usize;
        loop {
            levels.push(vec![node; width]);
            if width == 1 {
                break;
            }
            node = node_hash(&node, &node);
            width /= 2;
        }
        Self { levels, used: vec![0; size as usize / 64], in_use: 0 }
    }

    /// The number of leaves, used or not: a power of two.
    pub fn size(&self) -> u32 {
        self.levels[0].len() as u32
    }

    /// How many positions are in use.
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    /// The first position that may not be given out next: the size, or twice that once half of the positions are in use.
    ///
    /// So a tree is never larger than four times its number of logs, and a stranger's tree can't ask for much memory.
    pub fn position_limit(&self) -> u32 {
        let size = self.size();
        if self.in_use < size / 2 { size } else { size.saturating_mul(2).min(HEADS_LEAVES_MAX) }
    }

    /// Whether no log has this position.
    pub fn is_free(&self, position: u32) -> bool {
        let word = self.used.get(position as usize / 64).copied().unwrap_or(0);
        word >> (position % 64) & 1 == 0
    }

    /// Sets the leaf at a position, in use or below [`HeadsTree::position_limit`]; the tree grows if it must.
    pub fn set(&mut self, position: u32, leaf: Hash) -> Result<(), FormatError> {
        self.set_many(&[(position, leaf)])
    }

    /// Sets several leaves, hashing each node above them once. Nothing changes if one is refused.
    pub fn set_many(&mut self, leaves: &[(u32, Hash)]) -> Result<(), FormatError> {
        let limit = self.position_limit();
        if leaves.iter().any(|(position, _)| *position >= limit) {
            return Err(FormatError::new("heads tree", "a position is beyond the limit"));
        }
        let mut changed = Vec::with_capacity(leaves.len());
        for (position, leaf) in leaves {
            if *position >= self.size() {
                self.grow();
            }
            self.put_leaf(*position, *leaf);
            changed.push(*position);
        }
        self.rebuild(changed);
        Ok(())
    }

    fn put_leaf(&mut self, position: u32, leaf: Hash) {
        if self.is_free(position) {
            self.used[position as usize / 64] |= 1 << (position % 64);
            self.in_use += 1;
        }
        self.levels[0][position as usize] = leaf;
    }

    /// Doubles the tree: the old one becomes the left half.
    fn grow(&mut self) {
        let mut empty = empty_leaf();
        for level in &mut self.levels {
            let width = level.len() * 2;
            level.resize(width, empty);
            empty = node_hash(&empty, &empty);
        }
        let top = self.levels.last().expect("there is a root level");
        let root = node_hash(&top[0], &top[1]);
        self.levels.push(vec![root]);
        self.used.resize(self.used.len() * 2, 0);
    }

    /// Hashes again what is above the changed positions, each node once.
    fn rebuild(&mut self, mut changed: Vec<u32>) {
        changed.sort_unstable();
        for height in 1..self.levels.len() {
            for position in &mut changed {
                *position /= 2;
            }
            changed.dedup();
            let (below, here) = self.levels.split_at_mut(height);
            let below = &below[height - 1];
            for position in &changed {
                let at = *position as usize;
                here[0][at] = node_hash(&below[2 * at], &below[2 * at + 1]);
            }
        }
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.levels[self.levels.len() - 1][0]
    }

    /// The inclusion proof of a position, for [`crate::verify_inclusion`] with [`HeadsTree::size`].
    ///
    /// # Panics
    /// If the position is not below the size.
    pub fn proof(&self, position: u32) -> Vec<Hash> {
        assert!(position < self.size(), "the position is in the tree");
        let levels = &self.levels[..self.levels.len() - 1];
        levels.iter().enumerate().map(|(height, level)| level[position as usize >> height ^ 1]).collect()
    }
}

fn empty_leaf() -> Hash {
    leaf_hash(HEAD_EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::verify_inclusion;
    use crate::tree::tree_root;

    fn head(n: u32) -> Hash {
        let size = u64::from(n);
        TenantHead { tenant_ref: [n as u8; 16], size, root: leaf_hash(b""), status: LogStatus::Open }.leaf()
    }

    fn naive(size: u32, set: &[(u32, Hash)]) -> Hash {
        let mut leaves = vec![empty_leaf(); size as usize];
        for (position, leaf) in set {
            leaves[*position as usize] = *leaf;
        }
        tree_root(&leaves)
    }

    #[test]
    fn root_is_that_of_all_leaves_padded() {
        let mut tree = HeadsTree::new();
        assert_eq!((tree.size(), tree.root()), (1_024, naive(1_024, &[])));
        let set: Vec<_> = [0, 1_023, 7, 512].into_iter().map(|position| (position, head(position))).collect();
        for (position, leaf) in &set {
            tree.set(*position, *leaf).unwrap();
        }
        assert_eq!((tree.root(), tree.in_use()), (naive(1_024, &set), 4));
        let mut at_once = HeadsTree::new();
        at_once.set_many(&set).unwrap();
        assert_eq!(at_once.root(), tree.root());
        assert_eq!(HeadsTree::from_leaves(&set).unwrap().root(), tree.root());
        for (position, leaf) in &set {
            assert!(verify_inclusion(u64::from(*position), 1_024, leaf, &tree.proof(*position), &tree.root()));
        }
    }

    #[test]
    fn grows_by_doubling_once_half_full() {
        let mut tree = HeadsTree::new();
        let mut set = Vec::new();
        for position in 0..512 {
            assert_eq!(tree.position_limit(), 1_024);
            tree.set(position, head(position)).unwrap();
            set.push((position, head(position)));
        }
        assert_eq!((tree.size(), tree.position_limit()), (1_024, 2_048));
        assert!(tree.set(2_048, head(1)).is_err(), "not by more than one doubling");
        tree.set(1_500, head(9)).unwrap();
        set.push((1_500, head(9)));
        assert_eq!((tree.size(), tree.in_use()), (2_048, 513));
        assert_eq!(tree.root(), naive(2_048, &set));
        assert_eq!(HeadsTree::from_leaves(&set).unwrap().root(), tree.root());
        assert!(tree.is_free(1_501) && !tree.is_free(1_500) && tree.is_free(1 << 20));
    }

    #[test]
    fn positions_are_refused_that_would_cost_memory_or_clash() {
        let mut tree = HeadsTree::new();
        let root = tree.root();
        assert!(tree.set_many(&[(1, head(1)), (1_024, head(2))]).is_err(), "half is not in use");
        assert_eq!((tree.root(), tree.in_use()), (root, 0), "and nothing was changed");
        assert!(HeadsTree::from_leaves(&[(1_024, head(1))]).is_err());
        assert!(HeadsTree::from_leaves(&[(u32::MAX, head(1))]).is_err());
        assert!(HeadsTree::from_leaves(&[(5, head(1)), (5, head(1))]).is_err());
    }

    #[test]
    fn a_head_says_all_it_knows() {
        let head = TenantHead { tenant_ref: [1; 16], size: 2, root: leaf_hash(b"r"), status: LogStatus::Open };
        for (name, other) in [
            ("ref", TenantHead { tenant_ref: [2; 16], ..head }),
            ("size", TenantHead { size: 3, ..head }),
            ("root", TenantHead { root: leaf_hash(b"s"), ..head }),
            ("status", TenantHead { status: LogStatus::Closed, ..head }),
        ] {
            assert_ne!(head.leaf(), other.leaf(), "case: {name}");
        }
    }
}
