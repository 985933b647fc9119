//! What somebody kept of the log: it must still hold, or the log was rolled back or forked.

use super::memory::Memory;
use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::note::{Note, NoteError};
use crate::origin::Origin;
use crate::receipt::Receipt;
use crate::report::*;
use crate::vkey::VerifyingKey;
use std::collections::HashMap;

/// The keys of the epochs of a log, by the epochs' numbers.
pub(super) type EpochKeys<'a> = HashMap<u32, &'a VerifyingKey>;

/// All that was kept, and how each piece compared.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pieces: Vec<Piece>,
    /// The pieces by the size of the head log they are of.
    by_size: HashMap<u64, Vec<usize>>,
    /// Of the receipts, the pieces by log and line.
    by_line: HashMap<String, HashMap<u64, Vec<usize>>>,
    /// How many of their signatures were found good.
    pub(super) signatures: u64,
}

#[derive(Debug)]
struct Piece {
    kept: What,
    outcome: Remembered,
    /// What the log has at that size.
    reached: Option<Reached>,
    /// Of a receipt, the line that the log has in its place: its hash, commit and record.
    line: Option<(Hash, Option<u64>, u64)>,
    /// Of a receipt, its line is in a log that is not in the bundle.
    elsewhere: bool,
    done: bool,
}

#[derive(Debug)]
enum What {
    Note(Checkpoint, Vec<u8>),
    /// A note that is none.
    Malformed,
    Receipt(Receipt),
}

/// What the log has where something was kept: the root, the epoch that signs there and its key, the record.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    pub(super) root: Hash,
    pub(super) epoch: Option<(u32, VerifyingKey)>,
    pub(super) place: u64,
}

/// How the signature of a piece fares under the keys of the log's epochs.
enum Signed {
    /// By the epoch that the log has there.
    Well,
    /// By another epoch of the log.
    ByAnother,
    /// By an epoch that this log does not have.
    ByUnknown,
    Badly(String),
}

impl What {
    fn head(&self) -> Option<&Checkpoint> {
        match self {
            Self::Note(checkpoint, _) => Some(checkpoint),
            Self::Malformed => None,
            Self::Receipt(receipt) => Some(&receipt.head),
        }
    }

    fn is_receipt(&self) -> bool {
        matches!(self, Self::Receipt(_))
    }

    /// `keys` are all the log's epochs', `own` that of the epoch the log has there.
    fn signed(&self, keys: &EpochKeys<'_>, own: Option<&(u32, VerifyingKey)>) -> Signed {
        match self {
            Self::Malformed => Signed::Badly("malformed".to_owned()),
            Self::Note(_, note) => {
                let verify = |keys: &[&VerifyingKey]| Note::parse(note).and_then(|note| note.verify(keys).map(drop));
                if own.is_some_and(|(_, own)| verify(&[own]).is_ok()) {
                    return Signed::Well;
                }
                match verify(&keys.values().copied().collect::<Vec<_>>()) {
                    Ok(()) => Signed::ByAnother,
                    Err(NoteError::UnknownKey) => Signed::ByUnknown,
                    Err(error) => Signed::Badly(error.to_string()),
                }
            }
            Self::Receipt(Receipt { head, epoch, signature, .. }) => {
                let Some(key) = keys.get(epoch) else { return Signed::ByUnknown };
                if !key.verifies(head.text().as_bytes(), signature) {
                    Signed::Badly(format!("bad signature of epoch {epoch}"))
                } else if own.is_some_and(|(number, _)| number == epoch) {
                    Signed::Well
                } else {
                    Signed::ByAnother
                }
            }
        }
    }
}

impl Kept {
    /// A malformed checkpoint is a finding and then compares with nothing.
    pub(super) fn new(memory: Memory, findings: &mut Findings) -> Self {
        let mut kept = Self::default();
        for note in memory.checkpoints {
            let parsed =
                Note::parse(&note).map_err(Into::into).and_then(|parsed| Checkpoint::parse(parsed.unverified_text()));
            kept.hold(match parsed {
                Ok(checkpoint) if checkpoint.size > 0 => What::Note(checkpoint, note),
                Ok(_) => {
                    findings.add(REMEMBERED_FORMAT, &At::default(), "no epoch signs an empty log");
                    What::Malformed
                }
                Err(error) => {
                    findings.add(REMEMBERED_FORMAT, &At::default(), error.to_string());
                    What::Malformed
                }
            });
        }
        for receipt in memory.receipts {
            let lines = kept.by_line.entry(receipt.log.clone()).or_default();
            lines.entry(receipt.seq).or_default().push(kept.pieces.len());
            kept.hold(What::Receipt(receipt));
        }
        kept
    }

    fn hold(&mut self, what: What) {
        if let Some(head) = what.head() {
            self.by_size.entry(head.size).or_default().push(self.pieces.len());
        }
        let done = matches!(what, What::Malformed);
        self.pieces.push(Piece {
            kept: what,
            outcome: Remembered::NotCompared,
            reached: None,
            line: None,
            elsewhere: false,
            done,
        });
    }

    /// Whether something was kept of the head log of that size.
    pub(super) fn is_at(&self, size: u64) -> bool {
        self.by_size.contains_key(&size)
    }

    /// Tells what the head log of that name has at that size.
    pub(super) fn reach(&mut self, heads: &str, size: u64, reached: &Reached) {
        for index in self.by_size.get(&size).into_iter().flatten() {
            let piece = &mut self.pieces[*index];
            if piece.kept.head().is_some_and(|head| head.origin == heads) {
                piece.reached = Some(reached.clone());
            }
        }
    }

    /// Tells of a line of the log.
    #[inline]
    pub(super) fn line(&mut self, log: &str, seq: u64, leaf: Hash, commit: Option<u64>, place: u64) {
        if self.by_line.is_empty() {
            return;
        }
        let lines = self.by_line.get(log).and_then(|lines| lines.get(&seq));
        for index in lines.into_iter().flatten() {
            self.pieces[*index].line.get_or_insert((leaf, commit, place));
        }
    }

    /// The head log of that name ends with `size` commits, at `place`; `keys` are all its epochs'.
    pub(super) fn end_of_log(
        &mut self,
        heads: &str,
        size: u64,
        place: u64,
        keys: &EpochKeys<'_>,
        findings: &mut Findings,
    ) {
        for piece in &mut self.pieces {
            let Some(head) = piece.kept.head().filter(|head| !piece.done && head.origin == heads) else { continue };
            let reached = piece.reached.take();
            let signed = piece.kept.signed(keys, reached.as_ref().and_then(|reached| reached.epoch.as_ref()));
            let by = match &signed {
                Signed::Well | Signed::ByAnother => "",
                Signed::ByUnknown => ", signed by an epoch that this log does not have",
                Signed::Badly(why) => {
                    piece.unsigned(why, findings);
                    continue;
                }
            };
            self.signatures += u64::from(matches!(signed, Signed::Well | Signed::ByAnother));
            match reached {
                None => {
                    let at = At { place, commit: Some(size), ..At::default() };
                    let detail = format!("it has fewer commits than were kept{by}");
                    findings.add(ROLLBACK, &at, Detail::unequal(detail, head.size, size));
                    piece.end(Remembered::Contradicted);
                }
                Some(Reached { root, place, .. }) if root != head.root => {
                    let at = At { place, after_lines: true, commit: Some(head.size - 1), ..At::default() };
                    let detail = format!("up to here it is another log than was kept{by}");
                    findings.add(FORK, &at, Detail::unequal(detail, head.root, root));
                    piece.end(Remembered::Contradicted);
                }
                Some(_) => match signed {
                    Signed::Well => piece.hold_line(place, findings),
                    _ => piece.unsigned("signed by another epoch than the log has there", findings),
                },
            }
        }
    }

    /// All that one log's bundle can tell. Of checkpoints: whether its own, signed by `key`, is older or of the same size.
    /// Of receipts also whether it has the line.
    pub(super) fn one_log(
        &mut self,
        log: &str,
        newest: &Checkpoint,
        (epoch, key): (u32, &VerifyingKey),
        place: u64,
        findings: &mut Findings,
    ) {
        let keys = EpochKeys::from([(epoch, key)]);
        let reached = Reached { root: newest.root, epoch: Some((epoch, key.clone())), place };
        self.reach(&newest.origin, newest.size, &reached);
        for piece in &mut self.pieces {
            let Some(head) = piece.kept.head().filter(|head| head.origin == newest.origin) else { continue };
            let older = head.size < newest.size;
            match &piece.kept {
                What::Receipt(receipt) if receipt.log != log => {
                    piece.elsewhere = true;
                    piece.done = older;
                }
                What::Receipt(_) if older => match piece.kept.signed(&keys, None) {
                    Signed::Badly(why) => piece.unsigned(&why, findings),
                    _ => piece.hold_line(place, findings),
                },
                // That needs a consistency proof, which such a bundle does not have.
                _ => piece.done = older,
            }
        }
        self.end_of_log(&newest.origin, newest.size, place, &keys, findings);
    }

    /// Nothing more comes. Something of a later generation than the last is a rollback too.
    pub(super) fn finish(&mut self, last: Option<&Origin>, place: u64, findings: &mut Findings) {
        let Some(last) = last else { return };
        for piece in &mut self.pieces {
            let Some(head) = piece.kept.head().filter(|_| !piece.done) else { continue };
            let generation = generation_of(&head.origin, last);
            if generation.is_some_and(|generation| generation > last.generation()) {
                let detail = Detail::unequal("a later generation was kept of it", shown(&head.origin), last.heads());
                findings.add(ROLLBACK, &At { place, ..At::default() }, detail);
                piece.end(Remembered::Contradicted);
            } else if generation.is_some() {
                // Of one that is not in the bundle, which says nothing of it.
                piece.done = true;
            } else if piece.kept.is_receipt() {
                findings.add(RECEIPT_ORIGIN, &At::default(), "it is not of a log of this deployment");
            } else {
                findings.add(REMEMBERED_ORIGIN, &At::default(), "it is not of a head log of this deployment");
            }
        }
    }

    /// How many checkpoints, or receipts, there are, and how all of them compared.
    pub(super) fn outcome(&self, receipts: bool) -> (u64, Remembered) {
        let pieces = self.pieces.iter().filter(|piece| piece.kept.is_receipt() == receipts);
        let outcomes = pieces.map(|piece| piece.outcome);
        (outcomes.clone().count() as u64, outcomes.max().unwrap_or(Remembered::NotGiven))
    }

    /// The log's end is not known, so that nothing can be said of what is not in it.
    pub(super) fn give_up(&mut self) {
        self.pieces.iter_mut().for_each(|piece| piece.done = true);
    }
}

impl Piece {
    fn end(&mut self, outcome: Remembered) {
        self.outcome = outcome;
        self.done = true;
    }

    fn unsigned(&mut self, why: &str, findings: &mut Findings) {
        if let What::Receipt(receipt) = &self.kept {
            let at = At { log: Some(receipt.log.as_str()), seq: Some(receipt.seq), ..At::default() };
            findings.add(RECEIPT_SIGNATURE, &at, why);
        } else {
            findings.add(REMEMBERED_SIGNATURE, &At::default(), why);
        }
        self.end(Remembered::NotCompared);
    }

    /// The head is as it was kept; of a receipt, so must its line be.
    fn hold_line(&mut self, end: u64, findings: &mut Findings) {
        let What::Receipt(receipt) = &self.kept else { return self.end(Remembered::Continued) };
        if self.elsewhere {
            return self.end(Remembered::NotCompared);
        }
        let last = receipt.head.size - 1;
        let at = At { place: end, log: Some(receipt.log.as_str()), seq: Some(receipt.seq), ..At::default() };
        match self.line {
            None => findings.add(RECEIPT_LINE, &at, "the log does not have it"),
            Some((leaf, commit, place)) if leaf != receipt.leaf => {
                let detail = Detail::unequal("it has another", receipt.leaf, leaf);
                findings.add(RECEIPT_LINE, &At { place, commit, ..at }, detail);
            }
            Some((_, Some(commit), place)) if commit > last => {
                let detail = Detail::unequal("it was written later than the receipt was given", last, commit);
                findings.add(RECEIPT_LINE, &At { place, commit: Some(commit), ..at }, detail);
            }
            Some(_) => return self.end(Remembered::Continued),
        }
        self.end(Remembered::Contradicted);
    }
}

/// Which generation's head log this is the name of, in the deployment that `of` belongs to.
fn generation_of(heads: &str, of: &Origin) -> Option<u32> {
    match heads.strip_prefix(of.first())?.strip_suffix("/heads")? {
        "" => Some(1),
        rest => rest.strip_prefix("/g")?.parse().ok(),
    }
}
