//! One log's lines, one after the other: their order, the hashes that link them, and the tree they form.
//!
//! The chain goes on after damage, so that one changed line is one finding and the next damage is found too. For that the
//! newest line stays out of the tree until its successor has said what hash it saw. Where the two disagree, the signed
//! root of the tree tells who is right; failing that, the line after.

use crate::codec::hex_array;
use crate::hash::{Hash, empty_root};
use crate::origin::LogOrigin;
use crate::report::{At, Detail, FindingCode, Findings, LINE_CHAIN, LINE_GENESIS, LINE_SEQ, shown};
use crate::tree::Frontier;

/// Where the chain's findings go: among the others, as those of its log.
pub(super) struct LogFindings<'a> {
    pub(super) log: &'a LogOrigin,
    pub(super) findings: &'a mut Findings,
}

impl LogFindings<'_> {
    #[cfg_attr(feature = "testing", track_caller)]
    fn add(&mut self, code: FindingCode, line: &Last, detail: Detail) {
        let Last { place, seq, commit, .. } = *line;
        let at = At { place, log: Some(self.log.as_str()), seq: Some(seq), commit, ..At::default() };
        self.findings.keep(code, &at, detail);
    }
}

/// A line as far as the chain cares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) seq: u64,
    /// Hex.
    pub(super) prev: &'a str,
    pub(super) leaf: Hash,
    pub(super) place: u64,
    /// The commit that wrote it, in a full bundle.
    pub(super) commit: Option<u64>,
    /// Something else is already known to be wrong with the line.
    pub(super) reported: bool,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    leaf: Hash,
    seq: u64,
    place: u64,
    commit: Option<u64>,
    reported: bool,
}

/// A line whose hash and successor disagree. The chain's tree takes the successor's side.
#[derive(Debug)]
struct Dispute {
    line: Last,
    successor: Last,
    /// What the successor says the line's hash is.
    claimed: Hash,
    /// The tree should the line be right.
    computed_tree: Frontier,
    /// The line after the successor agrees with it.
    vouched: bool,
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
    /// The lines before the last.
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
        self.last.and_then(|last| last.commit)
    }

    /// The last line's seq, and whether something is already known about it.
    pub(super) fn last(&self) -> Option<(u64, bool)> {
        self.last.map(|last| (last.seq, last.reported))
    }

    /// The tree's root, should `side` be right in a dispute.
    pub(super) fn root(&self, side: Side) -> Hash {
        let Some(last) = &self.last else { return empty_root() };
        match (&self.dispute, side) {
            (Some(dispute), Side::Computed) => dispute.computed_tree.root_with(last.leaf),
            _ => self.tree.root_with(last.leaf),
        }
    }

    /// Takes the next line. `genesis` is what the first must carry, if known; `confirmed` whether a signed root has
    /// confirmed the line before. Returns false for a line that does not belong here and was left out.
    pub(super) fn follow(
        &mut self,
        link: Link<'_>,
        genesis: Option<Hash>,
        confirmed: bool,
        findings: &mut LogFindings<'_>,
    ) -> bool {
        let prev: Option<[u8; 32]> = hex_array(link.prev);
        let prev = prev.map(Hash::from);
        let Link { leaf, place, commit, mut reported, .. } = link;
        let here = Last { leaf, seq: link.seq, place, commit, reported };

        if link.seq != self.next_seq {
            // A line that carries the right hash is in its place, and only its number was changed.
            let in_place = prev.is_some() && self.last.map(|last| last.leaf) == prev;
            if !in_place && link.seq < self.next_seq {
                findings.add(LINE_SEQ, &here, Detail::unequal("it was there before", self.next_seq, link.seq));
                return false;
            }
            let missing = Last { seq: self.next_seq, ..here };
            findings.add(LINE_SEQ, &missing, Detail::unequal("another line stands here", self.next_seq, link.seq));
            reported = true;
            if !in_place {
                self.lost = true;
                self.dispute = None;
                self.start_at(link);
                return true;
            }
        }
        let mut line = Last { seq: self.next_seq, reported, ..here };
        if self.last.is_some() {
            self.resolve(prev, findings);
        }
        match (self.last, prev) {
            (None, _) => {
                if let Some(genesis) = genesis.filter(|genesis| !self.lost && Some(*genesis) != prev) {
                    findings.add(
                        LINE_GENESIS,
                        &line,
                        Detail::unequal("its prev is not its log's genesis", genesis, shown(link.prev)),
                    );
                    line.reported = true;
                }
            }
            (Some(last), Some(prev)) if prev != last.leaf && !confirmed => self.open_dispute(last, line, prev),
            (Some(last), Some(prev)) if prev != last.leaf => {
                let detail =
                    Detail::unequal("it carries another hash of the line before than was signed", last.leaf, prev);
                findings.add(LINE_CHAIN, &line, detail);
                line.reported = true;
                self.append(last.leaf);
            }
            (Some(last), _) => self.append(last.leaf),
        }
        self.last = Some(line);
        self.next_seq = line.seq + 1;
        true
    }

    fn start_at(&mut self, link: Link<'_>) {
        let Link { seq, leaf, place, commit, reported, .. } = link;
        self.last = Some(Last { leaf, seq, place, commit, reported });
        // A line that is none may carry any number.
        self.next_seq = seq.saturating_add(1);
    }

    fn open_dispute(&mut self, line: Last, successor: Last, claimed: Hash) {
        let mut computed_tree = self.tree.clone();
        computed_tree.append(line.leaf);
        self.append(claimed);
        self.dispute = Some(Dispute { line, successor, claimed, computed_tree, vouched: false });
    }

    /// What the next line tells of a dispute: if it disagrees with the successor, that one was changed, and what it
    /// says of the line before it is worth nothing. Else the successor is as it was written, truly or not: the signed
    /// root must tell, and failing that, it is believed.
    fn resolve(&mut self, prev: Option<Hash>, findings: &mut LogFindings<'_>) {
        let (Some(dispute), Some(last)) = (&mut self.dispute, self.last) else { return };
        if prev == Some(last.leaf) {
            dispute.vouched = true;
        } else if dispute.vouched {
            self.settle(Side::Claimed, findings);
        } else {
            self.settle(Side::Computed, findings);
            // The last line is the changed one, and was just reported: its successor knows its hash.
            self.last = Some(Last { leaf: prev.unwrap_or(last.leaf), reported: true, ..last });
        }
    }

    /// Ends a dispute, if there is one.
    pub(super) fn settle(&mut self, side: Side, findings: &mut LogFindings<'_>) {
        let Some(dispute) = self.dispute.take() else { return };
        let (computed, claimed) = (dispute.line.leaf, dispute.claimed);
        let (line, detail) = match side {
            Side::Claimed => {
                (dispute.line, Detail::unequal("its hash is not the one that the next line carries", claimed, computed))
            }
            Side::Computed => {
                self.tree = dispute.computed_tree;
                if let Some(last) = self.last.as_mut().filter(|last| last.seq == dispute.successor.seq) {
                    last.reported = true;
                }
                let detail = Detail::unequal("it carries another hash than the line before has", computed, claimed);
                (dispute.successor, detail)
            }
        };
        if !line.reported {
            findings.add(LINE_CHAIN, &line, detail);
        }
    }

    fn append(&mut self, leaf: Hash) {
        if self.lost {
            return;
        }
        self.tree.append(leaf);
        if let Some(dispute) = &mut self.dispute {
            dispute.computed_tree.append(leaf);
        }
    }
}
