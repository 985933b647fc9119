//! The proof of one line: a small file which shows, to whoever has the root key, that a line stands in the log.
//!
//! It leads from the line to its log's head, from there to a commit, to the checkpoint that signs it, and to the device
//! that certified the signer. [`EntryProof::verify`] goes the other way, from the root key down, so that the first link
//! that fails is the one that was changed. How it is written down is in `text.rs`.
//!
//! It says nothing of other lines, so not that the log is whole: that takes a bundle.

mod certificate;
mod error;
mod text;

pub use error::{EntryProofError, ReceiptMismatch};

use crate::bundle::TenantProof;
use crate::checkpoint::Checkpoint;
use crate::codec::hex_array;
use crate::commit::CommitLeaf;
use crate::epoch::EpochCertificate;
use crate::hash::{Hash, leaf_hash};
use crate::heads::TenantHead;
use crate::line::{Line, parse_line};
use crate::note::{Note, write_note};
use crate::origin::Origin;
use crate::proof::verify_inclusion;
use crate::receipt::Receipt;
use crate::vkey::RootKey;
use certificate::SignedEpoch;

/// What a proof takes, in bytes and without its line, up to a million lines in the log, 16,383 logs and a million commits.
///
/// A promise, not a rule: beyond those numbers a proof has a hash more each time that one of them doubles.
pub const PROOF_BYTES_MAX: usize = 3_072;

/// The longest file that is read as a proof, its line included.
pub const PROOF_FILE_BYTES_MAX: usize = 24 * 1_024;

/// A line and its way up to the root key. Nothing in it is true before [`EntryProof::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryProof {
    line: String,
    position: u32,
    head: TenantHead,
    entry_proof: Vec<Hash>,
    heads_proof: Vec<Hash>,
    commit: CommitLeaf,
    commit_proof: Vec<Hash>,
    checkpoint_size: u64,
    checkpoint_root: Hash,
    checkpoint_signature: [u8; 64],
    epoch: SignedEpoch,
}

impl EntryProof {
    /// Puts a proof together: the line and its inclusion proof in its log, then what proves the head of the log at this
    /// position, and the certificate of the epoch that signed the checkpoint.
    ///
    /// Refuses what no proof can hold. Whether it proves anything is for [`EntryProof::verify`].
    pub fn new(
        line: &[u8],
        entry_proof: Vec<Hash>,
        position: u32,
        proof: &TenantProof<'_>,
        certificate: &[u8],
        root: &RootKey,
    ) -> Result<Self, EntryProofError> {
        let origin = origin_of(parse_line(line)?.log, root)?;
        let root_key = root.for_origin(&origin).ok_or(EntryProofError::RootKey)?;
        let certificate = Note::parse(certificate)?;
        let fields = EpochCertificate::parse(certificate.verify(&[&root_key])?, &origin)?;
        let note = Note::parse(proof.checkpoint)?;
        let checkpoint = Checkpoint::parse(note.unverified_text())?;
        let signed_once = |note: &Note<'_>, key| note.signature_by(key).ok_or(EntryProofError::CheckpointSignature);
        let text = Self {
            line: String::from_utf8_lossy(line).into_owned(),
            position,
            head: proof.head,
            entry_proof,
            heads_proof: proof.heads_proof.to_vec(),
            commit: proof.commit,
            commit_proof: proof.commit_proof.to_vec(),
            checkpoint_size: checkpoint.size,
            checkpoint_root: checkpoint.root,
            checkpoint_signature: signed_once(&note, &fields.key)?,
            epoch: SignedEpoch::new(&fields, signed_once(&certificate, &root_key)?),
        }
        .write();
        Self::parse(text.as_bytes())
    }

    /// The line, which nobody has vouched for yet.
    pub fn unverified_line(&self) -> &str {
        &self.line
    }

    /// Follows the proof from the root key down to the line.
    ///
    /// What only the whole log can tell is not asked: that the epoch's opening was recorded and its end was not.
    pub fn verify(&self, root: &RootKey) -> Result<ProvenEntry<'_>, EntryProofError> {
        use EntryProofError as Broken;
        let line = parse_line(self.line.as_bytes())?;
        let origin = origin_of(line.log, root)?;
        let log = if self.position == 0 { origin.sys() } else { origin.tenant(&self.head.tenant_ref) };
        if line.log != log.as_str() {
            return Err(Broken::LineLog);
        }
        let root_key = root.for_origin(&origin).ok_or(Broken::RootKey)?;
        let epoch = self.epoch.certificate(&origin)?;
        if !root_key.verifies(epoch.text().as_bytes(), &self.epoch.signature) {
            return Err(Broken::EpochSignature);
        }
        let checkpoint = Checkpoint { origin: origin.heads(), size: self.checkpoint_size, root: self.checkpoint_root };
        if !epoch.key.verifies(checkpoint.text().as_bytes(), &self.checkpoint_signature) {
            return Err(Broken::CheckpointSignature);
        }
        // Only the last leaf says which epoch must have signed.
        let commit = &self.commit;
        let is_last = commit.n.checked_add(1) == Some(checkpoint.size);
        if !is_last
            || !verify_inclusion(commit.n, checkpoint.size, &commit.leaf(), &self.commit_proof, &checkpoint.root)
        {
            return Err(Broken::Commit);
        }
        if epoch.epoch != commit.epoch {
            return Err(Broken::EpochOther);
        }
        if !(epoch.opened..=epoch.hard_limit).contains(&commit.time) {
            return Err(Broken::EpochExpired);
        }
        let heads_size = 1_u64 << self.heads_proof.len();
        let head = self.head.leaf();
        if !verify_inclusion(self.position.into(), heads_size, &head, &self.heads_proof, &commit.heads_root) {
            return Err(Broken::Head);
        }
        let leaf = leaf_hash(self.line.as_bytes());
        if !verify_inclusion(line.seq, self.head.size, &leaf, &self.entry_proof, &self.head.root) {
            return Err(Broken::Line);
        }
        if line.ts > commit.time {
            return Err(Broken::LineTime);
        }
        let checkpoint_note = write_note(&checkpoint.text(), &epoch.key, &self.checkpoint_signature)
            .map_err(|_| Broken::CheckpointSignature)?;
        Ok(ProvenEntry { bytes: &self.line, line, leaf, commit: self.commit, checkpoint, checkpoint_note, epoch })
    }
}

/// The deployment and generation of a log, of which the root key must be.
///
/// `D/g2/sys` may be of generation 2 of `D`, or of generation 1 of a deployment called `D/g2`. What is signed is the
/// same either way, so it is the root key's name that decides, if it has one.
fn origin_of(log: &str, root: &RootKey) -> Result<Origin, EntryProofError> {
    let full = match log.rsplit_once("/t/") {
        Some((full, tenant)) if hex_array::<16>(tenant).is_some() => Some(full),
        _ => log.strip_suffix("/sys"),
    };
    let full = full.ok_or(EntryProofError::LineLog)?;
    let later = full.rsplit_once("/g").and_then(|(first, k)| {
        let generation = k.parse().ok().filter(|generation| *generation > 1)?;
        Some(Origin::parse(first).ok()?.at_generation(generation)).filter(|origin| origin.as_str() == full)
    });
    let candidates: Vec<_> = later.into_iter().chain(Origin::parse(full).ok()).collect();
    if candidates.is_empty() {
        return Err(EntryProofError::LineLog);
    }
    candidates.into_iter().find(|origin| root.for_origin(origin).is_some()).ok_or(EntryProofError::RootKey)
}

/// A line that stands in the log, with what was shown on the way.
#[derive(Debug, Clone)]
pub struct ProvenEntry<'a> {
    bytes: &'a str,
    line: Line<'a>,
    leaf: Hash,
    commit: CommitLeaf,
    checkpoint: Checkpoint,
    checkpoint_note: String,
    epoch: EpochCertificate,
}

impl<'a> ProvenEntry<'a> {
    /// The line, as it is stored and hashed.
    pub fn line(&self) -> &'a str {
        self.bytes
    }

    /// What it says.
    pub fn parsed(&self) -> &Line<'a> {
        &self.line
    }

    /// Its leaf hash.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    /// When the checkpoint's commit was written, in microseconds: the line is not younger.
    pub fn commit_time(&self) -> u64 {
        self.commit.time
    }

    /// The checkpoint that the line is under.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The same as a signed note, for a later verification to continue.
    pub fn checkpoint_note(&self) -> &str {
        &self.checkpoint_note
    }

    /// Whether this is the line that the receipt is of, and nothing in the two contradicts the other.
    ///
    /// A receipt's own signature is checked if it is by the epoch that signed the proof's checkpoint. Of any other epoch
    /// the proof has no key; the line is proven all the same.
    pub fn matches(&self, receipt: &Receipt) -> Result<(), ReceiptMismatch> {
        if receipt.log != self.line.log {
            return Err(ReceiptMismatch::Log);
        }
        if receipt.seq != self.line.seq {
            return Err(ReceiptMismatch::Seq);
        }
        let (theirs, ours) = (&receipt.head, &self.checkpoint);
        if receipt.epoch == self.epoch.epoch && !self.epoch.key.verifies(theirs.text().as_bytes(), &receipt.signature) {
            return Err(ReceiptMismatch::Signature);
        }
        if receipt.leaf != self.leaf {
            return Err(ReceiptMismatch::Line);
        }
        if theirs.size > ours.size {
            return Err(ReceiptMismatch::Older);
        }
        if theirs.size == ours.size && theirs.root != ours.root {
            return Err(ReceiptMismatch::Fork);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::hex_encode;

    #[test]
    fn an_origin_is_found_in_the_name_of_a_log() {
        let bare: RootKey =
            hex_encode(&ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes()).parse().unwrap();
        let named = |name: &str| {
            let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes();
            RootKey::of(&Origin::parse(name).unwrap(), &key).unwrap()
        };
        let tenant = format!("/t/{}", "ab".repeat(16));
        let long = "d".repeat(128);
        for (name, log, root, want) in [
            ("sys", "d/sys".to_owned(), &bare, Ok(("d", 1))),
            ("a tenant", format!("d{tenant}"), &named("d"), Ok(("d", 1))),
            ("generation 2", format!("d/g2{tenant}"), &named("d"), Ok(("d", 2))),
            ("a name like it", format!("d/g2{tenant}"), &named("d/g2"), Ok(("d/g2", 1))),
            ("generation 2 of that", format!("d/g2/g2{tenant}"), &named("d/g2"), Ok(("d/g2", 2))),
            ("no generation 1", format!("d/g1{tenant}"), &named("d/g1"), Ok(("d/g1", 1))),
            ("no generation 02", format!("d/g02{tenant}"), &named("d"), Err(EntryProofError::RootKey)),
            ("a name like a log's", format!("d{tenant}/sys"), &bare, Ok(("d/t/abababababababababababababababab", 1))),
            ("the longest", format!("{long}/g10/sys"), &named(&long), Ok((&*long, 10))),
            ("another deployment's", "e/sys".to_owned(), &named("d"), Err(EntryProofError::RootKey)),
            ("no log", "d/heads".to_owned(), &bare, Err(EntryProofError::LineLog)),
            ("a ref too short", "d/t/ab".to_owned(), &bare, Err(EntryProofError::LineLog)),
            ("no origin", "/sys".to_owned(), &bare, Err(EntryProofError::LineLog)),
        ] {
            let got = origin_of(&log, root);
            let got = got.as_ref().map(|origin| (origin.first(), origin.generation()));
            assert_eq!(got, want.as_ref().map(|want| *want), "case: {name}");
        }
    }
}
