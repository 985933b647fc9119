//! One log's lines, one after the other: their order, the hashes that link them, and the tree they form.
//!
//! The chain goes on after damage, so that one changed line is one finding and the next damage is found too. For that the
//! newest line stays out of the tree until its successor has said what hash it saw. Where the two disagree, the signed
//! root of the tree tells who is right; failing that, the line after.

use crate::codec::hex_array;
use crate::hash::{Hash, empty_root};
use crate::report::{FindingCode, LINE_CHAIN, LINE_GENESIS, LINE_SEQ};
use crate::tree::Frontier;

/// Something found about a line of the log.
#[derive(Debug)]
pub(super) struct ChainFinding {
    pub(super) code: FindingCode,
    pub(super) place: u64,
    pub(super) seq: u64,
    pub(super) commit: u64,
    pub(super) detail: String,
}

/// A line as far as the chain cares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) seq: u64,
    /// Hex.
    pub(super) prev: &'a str,
    pub(super) leaf: Hash,
    pub(super) place: u64,
    pub(super) commit: u64,
    /// Something else is already known to be wrong with the line.
    pub(super) reported: bool,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    leaf: Hash,
    seq: u64,
    place: u64,
    commit: u64,
    reported: bool,
}

/// A line before the last, whose hash and successor disagree.
#[derive(Debug)]
struct Dispute {
    line: Last,
    /// What its successor says its hash is.
    claimed: Hash,
}

/// Who is right in a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The successor: the line was changed.
    Claimed,
    /// The line: the successor is wrong.
    Computed,
}

#[derive(Debug, Default)]
pub(super) struct LogChain {
    /// The lines before `dispute` and `last`.
    tree: Frontier,
    dispute: Option<Dispute>,
    last: Option<Last>,
    next_seq: u64,
    /// Lines are missing, so the tree can't be known any more.
    lost: bool,
}

impl LogChain {
    /// How many lines there are, by their positions.
    pub(super) fn size(&self) -> u64 {
        self.next_seq
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(super) fn is_disputed(&self) -> bool {
        self.dispute.is_some()
    }

    /// The commit that wrote the last line.
    pub(super) fn last_commit(&self) -> Option<u64> {
        self.last.map(|last| last.commit)
    }

    /// The last line's seq, and whether something is already known about it.
    pub(super) fn last(&self) -> Option<(u64, bool)> {
        self.last.map(|last| (last.seq, last.reported))
    }

    /// The tree's root, should `side` be right in a dispute.
    pub(super) fn root(&self, side: Side) -> Hash {
        let Some(last) = &self.last else { return empty_root() };
        match &self.dispute {
            None => self.tree.root_with(last.leaf),
            Some(dispute) => {
                let mut tree = self.tree.clone();
                tree.append(dispute.leaf(side));
                tree.root_with(last.leaf)
            }
        }
    }

    /// Takes the next line. `genesis` is what the first must carry, if known; `confirmed` whether a signed root has
    /// confirmed the line before. Returns false for a line that does not belong here and was left out.
    pub(super) fn follow(
        &mut self,
        link: Link<'_>,
        genesis: Option<Hash>,
        confirmed: bool,
        found: &mut impl FnMut(ChainFinding),
    ) -> bool {
        let prev: Option<[u8; 32]> = hex_array(link.prev);
        let prev = prev.map(Hash::from);
        let mut reported = link.reported;
        let mut finding = |code, seq, detail| {
            let Link { place, commit, .. } = link;
            found(ChainFinding { code, place, seq, commit, detail });
        };

        if link.seq != self.next_seq {
            // A line that carries the right hash is in its place, and only its number was changed.
            let in_place = prev.is_some() && self.last.map(|last| last.leaf) == prev;
            if !in_place && link.seq < self.next_seq {
                finding(LINE_SEQ, link.seq, format!("expected line {}", self.next_seq));
                return false;
            }
            finding(LINE_SEQ, self.next_seq, format!("found line {}", link.seq));
            reported = true;
            if !in_place {
                self.lost = true;
                self.dispute = None;
                self.start_at(link);
                return true;
            }
        }
        let seq = self.next_seq;
        match self.last {
            None => {
                if let Some(genesis) = genesis.filter(|genesis| !self.lost && Some(*genesis) != prev) {
                    finding(LINE_GENESIS, seq, format!("expected prev {genesis}"));
                    reported = true;
                }
            }
            Some(last) => {
                self.resolve(prev, found);
                let leaf = self.last.map_or(last.leaf, |last| last.leaf);
                match prev {
                    Some(prev) if prev != leaf => {
                        if confirmed {
                            found(ChainFinding {
                                code: LINE_CHAIN,
                                place: link.place,
                                seq,
                                commit: link.commit,
                                detail: format!(
                                    "it carries {prev}, but the line before hashes to {leaf}, as was signed"
                                ),
                            });
                            reported = true;
                            self.append(leaf);
                        } else {
                            self.dispute = Some(Dispute { line: Last { leaf, ..last }, claimed: prev });
                        }
                    }
                    _ => self.append(leaf),
                }
            }
        }
        self.last = Some(Last { leaf: link.leaf, seq, place: link.place, commit: link.commit, reported });
        self.next_seq = seq + 1;
        true
    }

    fn start_at(&mut self, link: Link<'_>) {
        let Link { seq, leaf, place, commit, reported, .. } = link;
        self.last = Some(Last { leaf, seq, place, commit, reported });
        self.next_seq = seq + 1;
    }

    /// Decides a dispute by the next line: if it agrees with the last line, that one is intact, and so is what it says.
    fn resolve(&mut self, prev: Option<Hash>, found: &mut impl FnMut(ChainFinding)) {
        let Some(last) = self.last.filter(|_| self.dispute.is_some()) else { return };
        if prev == Some(last.leaf) {
            self.settle(Side::Claimed, found);
        } else {
            self.settle(Side::Computed, found);
            // The last line is the changed one, and has been reported: its successor knows its hash.
            self.last = Some(Last { leaf: prev.unwrap_or(last.leaf), reported: true, ..last });
        }
    }

    /// Ends a dispute, if there is one.
    pub(super) fn settle(&mut self, side: Side, found: &mut impl FnMut(ChainFinding)) {
        let Some(dispute) = self.dispute.take() else { return };
        self.append(dispute.leaf(side));
        let (computed, claimed) = (dispute.line.leaf, dispute.claimed);
        let (line, detail) = match (side, &mut self.last) {
            (Side::Claimed, _) => {
                (dispute.line, format!("it hashes to {computed}, but the next line carries {claimed}"))
            }
            (Side::Computed, Some(last)) => {
                let line = *last;
                last.reported = true;
                (line, format!("it carries {claimed}, but the line before hashes to {computed}"))
            }
            (Side::Computed, None) => return,
        };
        if !line.reported {
            let Last { place, seq, commit, .. } = line;
            found(ChainFinding { code: LINE_CHAIN, place, seq, commit, detail });
        }
    }

    fn append(&mut self, leaf: Hash) {
        if !self.lost {
            self.tree.append(leaf);
        }
    }
}

impl Dispute {
    fn leaf(&self, side: Side) -> Hash {
        match side {
            Side::Claimed => self.claimed,
            Side::Computed => self.line.leaf,
        }
    }
}
