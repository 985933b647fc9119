//! Inclusion and consistency proofs of RFC 6962 trees: made from leaf hashes, checked as RFC 9162 §2.1.3 and §2.1.4 say.
//!
//! Making a proof here takes all leaves; [`crate::InclusionProver`] makes the same list from a frontier and some of them.

use crate::hash::{Hash, empty_root, node_hash};
use crate::tree::tree_root;

/// The largest power of two smaller than `size`, which is at least 2.
fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}

/// The proof that leaf `index` is in the tree over `leaves`, from the leaf upwards.
///
/// # Panics
/// If there is no such leaf.
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Vec<Hash> {
    assert!(index < leaves.len(), "the leaf to prove exists");
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, other) = if index < left.len() {
        (inclusion_proof(left, index), right)
    } else {
        (inclusion_proof(right, index - left.len()), left)
    };
    proof.push(tree_root(other));
    proof
}

/// Whether `proof` shows that `leaf` is number `index` of the tree of `size` leaves with this `root`.
#[must_use]
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // A node without a right sibling moves up as it is, to the first level where it has a left one.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// The proof that the tree over the first `size` of `leaves` is the beginning of the tree over all of them.
///
/// Empty when there is nothing to prove: for the empty tree, and for a tree and itself.
///
/// # Panics
/// If `size` is more than there are leaves.
pub fn consistency_proof(leaves: &[Hash], size: usize) -> Vec<Hash> {
    assert!(size <= leaves.len(), "the older tree is not the larger");
    if size == 0 { Vec::new() } else { subproof(leaves, size, true) }
}

/// RFC 6962 §2.1.2. `whole` says that the reader knows the root of `leaves[..size]`, so it need not be in the proof.
fn subproof(leaves: &[Hash], size: usize, whole: bool) -> Vec<Hash> {
    if size == leaves.len() {
        return if whole { Vec::new() } else { vec![tree_root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, other) = if size <= left.len() {
        (subproof(left, size, whole), right)
    } else {
        (subproof(right, size - left.len(), false), left)
    };
    proof.push(tree_root(other));
    proof
}

/// Whether `proof` shows that the tree of `old_size` and `old_root` is the beginning of that of `new_size` and `new_root`.
#[must_use]
pub fn verify_consistency(old_size: u64, old_root: &Hash, new_size: u64, new_root: &Hash, proof: &[Hash]) -> bool {
    if old_size == 0 {
        return proof.is_empty() && *old_root == empty_root() && (new_size > 0 || old_root == new_root);
    }
    if old_size >= new_size {
        return old_size == new_size && proof.is_empty() && old_root == new_root;
    }
    // An older tree that is perfect is itself the first node, which the proof leaves out.
    let mut proof = proof.iter();
    let first = if old_size.is_power_of_two() { Some(old_root) } else { proof.next() };
    let Some(first) = first else { return false };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*first, *first);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old == *old_root && new == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::tests::{naive_root, some_leaves};

    const SIZES: usize = 130;

    #[test]
    fn every_inclusion_proof_holds_and_no_other() {
        let leaves = some_leaves(SIZES);
        for size in 1..SIZES {
            let root = naive_root(&leaves[..size]);
            for index in 0..size {
                let proof = inclusion_proof(&leaves[..size], index);
                let (i, n, leaf) = (index as u64, size as u64, &leaves[index]);
                assert!(verify_inclusion(i, n, leaf, &proof, &root), "{index} of {size}");
                assert!(!verify_inclusion(i, n, &leaves[index + 1], &proof, &root), "another leaf, {index} of {size}");
                assert!(!verify_inclusion(i + 1, n, leaf, &proof, &root), "another place, {index} of {size}");
                let longer = [&proof[..], &[root]].concat();
                assert!(!verify_inclusion(i, n, leaf, &longer, &root), "longer, {index} of {size}");
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!verify_inclusion(i, n, leaf, shorter, &root), "shorter, {index} of {size}");
                    let mut changed = proof.clone();
                    changed[0] = root;
                    assert!(!verify_inclusion(i, n, leaf, &changed, &root), "changed, {index} of {size}");
                }
            }
        }
        assert!(!verify_inclusion(0, 0, &leaves[0], &[], &leaves[0]), "nothing is in the empty tree");
        assert!(!verify_inclusion(u64::MAX, u64::MAX, &leaves[0], &[], &leaves[0]));
    }

    #[test]
    fn every_consistency_proof_holds_and_no_other() {
        let leaves = some_leaves(SIZES);
        let roots: Vec<_> = (0..=SIZES).map(|size| naive_root(&leaves[..size])).collect();
        for new in 0..SIZES {
            for old in 0..=new {
                let proof = consistency_proof(&leaves[..new], old);
                let (m, n) = (old as u64, new as u64);
                assert!(verify_consistency(m, &roots[old], n, &roots[new], &proof), "{old} of {new}");
                assert!(
                    !verify_consistency(m, &roots[old + 1], n, &roots[new], &proof),
                    "another old root, {old} of {new}"
                );
                if old > 0 {
                    assert!(
                        !verify_consistency(m, &roots[old], n, &roots[new + 1], &proof),
                        "another new root, {old} of {new}"
                    );
                }
                let longer = [&proof[..], &[roots[new]]].concat();
                assert!(!verify_consistency(m, &roots[old], n, &roots[new], &longer), "longer, {old} of {new}");
                for place in 0..proof.len() {
                    let mut changed = proof.clone();
                    changed[place] = leaves[0];
                    let same = changed == proof;
                    assert_eq!(
                        verify_consistency(m, &roots[old], n, &roots[new], &changed),
                        same,
                        "changed, {old} of {new}"
                    );
                }
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!verify_consistency(m, &roots[old], n, &roots[new], shorter), "shorter, {old} of {new}");
                }
                if old < new {
                    assert!(!verify_consistency(n, &roots[new], m, &roots[old], &proof), "backwards, {old} of {new}");
                }
            }
        }
    }
}
