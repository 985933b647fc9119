//! The checkpoint someone kept: what the log must still hold, or it was rolled back or forked.

use crate::checkpoint::Checkpoint;
use crate::hash::Hash;
use crate::note::{Note, NoteError};
use crate::origin::Origin;
use crate::report::{
    At, FORK, Findings, REMEMBERED_FORMAT, REMEMBERED_ORIGIN, REMEMBERED_SIGNATURE, ROLLBACK, Remembered,
};
use crate::vkey::VerifyingKey;

/// A remembered checkpoint, and how it compared.
#[derive(Debug)]
pub(super) struct RememberedCheckpoint {
    note: Vec<u8>,
    checkpoint: Option<Checkpoint>,
    outcome: Remembered,
    /// What the log has at that size: the root, the key that its epoch certifies, the place.
    reached: Option<(Hash, Option<VerifyingKey>, u64)>,
}

impl RememberedCheckpoint {
    /// A malformed one is a finding and then compares with nothing.
    pub(super) fn new(note: Option<&[u8]>, findings: &mut Findings) -> Self {
        let Some(note) = note else {
            return Self { note: Vec::new(), checkpoint: None, outcome: Remembered::NotGiven, reached: None };
        };
        let parsed =
            Note::parse(note).map_err(Into::into).and_then(|parsed| Checkpoint::parse(parsed.unverified_text()));
        let checkpoint = match parsed {
            Ok(checkpoint) if checkpoint.size > 0 => Some(checkpoint),
            Ok(_) => {
                findings.add(REMEMBERED_FORMAT, &At::default(), "no epoch signs an empty log");
                None
            }
            Err(error) => {
                findings.add(REMEMBERED_FORMAT, &At::default(), error.to_string());
                None
            }
        };
        Self { note: note.to_vec(), checkpoint, outcome: Remembered::NotCompared, reached: None }
    }

    /// Whether it is of the head log of that name at that size, still to be compared.
    pub(super) fn is_at(&self, heads: &str, size: u64) -> bool {
        self.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.size == size && checkpoint.origin == heads)
    }

    /// Tells what the log has at its size.
    pub(super) fn reach(&mut self, root: Hash, epoch_key: Option<&VerifyingKey>, place: u64) {
        self.reached = Some((root, epoch_key.cloned(), place));
    }

    /// The head log of that name ends with `size` commits, at `place`; `keys` are all its epochs'.
    pub(super) fn end_of_log(
        &mut self,
        heads: &str,
        size: u64,
        place: u64,
        keys: &[&VerifyingKey],
        findings: &mut Findings,
    ) {
        let Some(checkpoint) = self.checkpoint.take_if(|checkpoint| checkpoint.origin == heads) else { return };
        let signed = Note::parse(&self.note).and_then(|note| note.verify(keys).map(drop));
        let by = match &signed {
            Ok(()) => "",
            Err(NoteError::UnknownKey) => "; it is signed by an epoch that this log does not have",
            Err(error) => {
                findings.add(REMEMBERED_SIGNATURE, &At::default(), error.to_string());
                return;
            }
        };
        let commit = Some(checkpoint.size - 1);
        match self.reached.take() {
            None => {
                self.outcome = Remembered::Contradicted;
                let at = At { place, commit: Some(size), ..At::default() };
                findings.add(ROLLBACK, &at, format!("it has {size} commits, and had {}{by}", checkpoint.size));
            }
            Some((root, _, place)) if root != checkpoint.root => {
                self.outcome = Remembered::Contradicted;
                let detail =
                    format!("at {} commits its root is {root}, and was {}{by}", checkpoint.size, checkpoint.root);
                findings.add(FORK, &At { place, commit, ..At::default() }, detail);
            }
            Some((_, key, _)) => {
                let own: Vec<_> = key.iter().collect();
                match Note::parse(&self.note).and_then(|note| note.verify(&own).map(drop)) {
                    Ok(()) => self.outcome = Remembered::Continued,
                    Err(error) => findings.add(REMEMBERED_SIGNATURE, &At::default(), error.to_string()),
                }
            }
        }
    }

    /// All that one log's bundle can tell: whether its own checkpoint, signed by `key`, is older or of the same size.
    pub(super) fn one_log(&mut self, newest: &Checkpoint, key: &VerifyingKey, place: u64, findings: &mut Findings) {
        let Some(size) = self.checkpoint.as_ref().filter(|own| own.origin == newest.origin).map(|own| own.size) else {
            return;
        };
        if size < newest.size {
            // That needs a consistency proof, which such a bundle does not have.
            self.checkpoint = None;
            return;
        }
        if size == newest.size {
            self.reach(newest.root, Some(key), place);
        }
        self.end_of_log(&newest.origin, newest.size, place, &[key], findings);
    }

    /// Nothing more comes. A checkpoint of a later generation than the last is a rollback too.
    pub(super) fn finish(&mut self, last: Option<&Origin>, place: u64, findings: &mut Findings) -> Remembered {
        if let (Some(checkpoint), Some(last)) = (self.checkpoint.take(), last) {
            let generation = checkpoint
                .origin
                .strip_prefix(last.first())
                .and_then(|rest| rest.strip_prefix("/g")?.strip_suffix("/heads")?.parse::<u32>().ok());
            if generation.is_some_and(|generation| generation > last.generation()) {
                self.outcome = Remembered::Contradicted;
                let detail = format!("it ends with {last}, and had reached {}", checkpoint.origin);
                findings.add(ROLLBACK, &At { place, ..At::default() }, detail);
            } else {
                findings.add(REMEMBERED_ORIGIN, &At::default(), "it is not of a head log of this deployment");
            }
        }
        self.outcome
    }

    /// The log's end is not known, so that nothing can be said of what is not in it.
    pub(super) fn give_up(&mut self) {
        self.checkpoint = None;
    }
}
