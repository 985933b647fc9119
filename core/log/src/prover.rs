//! Inclusion proofs of long logs, made from what is stored: the frontier, and some of the leaves in one pass.
//!
//! A frontier has the roots of all perfect subtrees, so only the one that the leaf falls into must be hashed again. No
//! more is held at a time than the nodes on one path. [`crate::inclusion_proof`] makes the same list from all leaves.

use crate::error::FormatError;
use crate::hash::{Hash, node_hash};
use crate::tree::{Frontier, fold};
use std::ops::Range;

/// Makes the proof that one leaf is in the tree of a frontier. Takes [`InclusionProver::leaves`], in order.
///
/// ```
/// use strongroom_log::{Frontier, InclusionProver, leaf_hash, verify_inclusion};
///
/// let leaf = |i: u64| leaf_hash(&i.to_be_bytes());
/// let mut log = Frontier::new();
/// (0..11).for_each(|i| log.append(leaf(i)));
///
/// let mut prover = InclusionProver::new(&log, 9).unwrap();
/// assert_eq!(prover.leaves(), 8..10);
/// prover.leaves().for_each(|i| prover.append(leaf(i)));
/// assert!(verify_inclusion(9, 11, &leaf(9), &prover.finish().unwrap(), &log.root()));
/// ```
#[derive(Debug, Clone)]
pub struct InclusionProver {
    /// The leaves of the subtree that the leaf is in.
    leaves: Range<u64>,
    /// The leaf's place in it.
    target: u64,
    /// How many have come.
    taken: u64,
    /// The roots of the perfect subtrees of what has come, biggest first.
    nodes: Vec<Hash>,
    proof: Vec<Hash>,
    /// The root that the subtree must have.
    peak: Hash,
    /// What joins it from the right, then from the left, nearest first.
    beside: Vec<Hash>,
}

impl InclusionProver {
    /// For leaf `index` of the tree of this frontier; `None` if it has no such leaf.
    pub fn new(frontier: &Frontier, index: u64) -> Option<Self> {
        let (mut start, mut rest) = (0, frontier.size());
        for (place, peak) in frontier.peaks().iter().enumerate() {
            let width = 1_u64 << (63 - rest.leading_zeros());
            if index - start < width {
                let (left, right) = (&frontier.peaks()[..place], &frontier.peaks()[place + 1..]);
                let right = right.split_last().map(|(last, others)| fold(others, *last));
                return Some(Self {
                    leaves: start..start + width,
                    target: index - start,
                    taken: 0,
                    nodes: Vec::new(),
                    proof: Vec::new(),
                    peak: *peak,
                    beside: right.into_iter().chain(left.iter().rev().copied()).collect(),
                });
            }
            start += width;
            rest -= width;
        }
        None
    }

    /// The leaves to hash: at most all of the log, for a leaf near its end few.
    pub fn leaves(&self) -> Range<u64> {
        self.leaves.clone()
    }

    /// Takes the next leaf, given its hash.
    pub fn append(&mut self, leaf: Hash) {
        let (mut node, mut number) = (leaf, self.taken);
        self.taken += 1;
        for height in 0..number.trailing_ones() {
            let Some(left) = self.nodes.pop() else { return };
            // The pair that has the leaf on one side gives the other side to the proof.
            match self.target >> height {
                at if at == number => self.proof.push(left),
                at if at + 1 == number => self.proof.push(node),
                _ => {}
            }
            node = node_hash(&left, &node);
            number >>= 1;
        }
        self.nodes.push(node);
    }

    /// The proof, from the leaf upwards. Refused if the leaves that came are not those of the frontier.
    pub fn finish(mut self) -> Result<Vec<Hash>, FormatError> {
        if self.taken != self.leaves.end - self.leaves.start || self.nodes != [self.peak] {
            return Err(FormatError::new("log", "has the leaves of its frontier"));
        }
        self.proof.extend(self.beside);
        Ok(self.proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::inclusion_proof;
    use crate::tree::tests::some_leaves;

    #[test]
    fn every_proof_is_the_one_from_all_leaves() {
        let leaves = some_leaves(130);
        let mut frontier = Frontier::new();
        for size in 0..130 {
            for index in 0..size {
                let mut prover = InclusionProver::new(&frontier, index as u64).unwrap();
                assert!(prover.leaves().contains(&(index as u64)), "{index} of {size}");
                prover.leaves().for_each(|leaf| prover.append(leaves[leaf as usize]));
                assert_eq!(prover.finish(), Ok(inclusion_proof(&leaves[..size], index)), "{index} of {size}");
            }
            assert!(InclusionProver::new(&frontier, size as u64).is_none(), "{size} of {size}");
            assert!(InclusionProver::new(&frontier, u64::MAX).is_none());
            frontier.append(leaves[size]);
        }
    }

    #[test]
    fn other_leaves_than_the_frontiers_give_no_proof() {
        let leaves = some_leaves(11);
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| frontier.append(*leaf));
        let good = &leaves[..8];
        let mut swapped = good.to_vec();
        swapped.swap(2, 3);
        let mut changed = good.to_vec();
        changed[7] = leaves[8];
        for (name, given) in [
            ("none", &[][..]),
            ("one missing", &good[..7]),
            ("half", &good[..4]),
            ("one more", &leaves[..9]),
            ("twice", &[good, good].concat()),
            ("swapped", &swapped),
            ("another", &changed),
        ] {
            let mut prover = InclusionProver::new(&frontier, 5).unwrap();
            given.iter().for_each(|leaf| prover.append(*leaf));
            assert!(prover.finish().is_err(), "case: {name}");
        }
    }
}
