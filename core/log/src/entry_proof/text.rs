//! The proof as a file: ten lines of text, each record once and in order, as `docs/formats.md` §8 has them.
//!
//! There is one text for each proof. All that can be followed from the rest is left out, and hashes stand side by side
//! in one piece of base64: that is what makes three kilobytes enough.

use super::certificate::{EPOCH_BYTES, SignedEpoch};
use super::{EntryProof, EntryProofError, PROOF_FILE_BYTES_MAX};
use crate::codec::{base64_decode, base64_encode, hex_array, hex_encode, parse_decimal};
use crate::commit::CommitLeaf;
use crate::hash::Hash;
use crate::heads::{HEADS_LEAVES_MAX, HEADS_LEAVES_MIN, LogStatus, TenantHead};
use crate::line::parse_line;

const VERSION: &str = "strongroom-proof/v1";

/// The deepest a leaf can be in a log: positions end at 2^53.
const ENTRY_HASHES_MAX: usize = 53;

/// The most subtrees beside the last leaf of a head log.
const COMMIT_HASHES_MAX: usize = 64;

impl EntryProof {
    /// Reads a proof. There is no other text for the same one.
    pub fn parse(text: &[u8]) -> Result<Self, EntryProofError> {
        let malformed = |record, rule| EntryProofError::Record { record, rule };
        if !text.starts_with(VERSION.as_bytes()) {
            return Err(EntryProofError::Version);
        }
        if text.len() > PROOF_FILE_BYTES_MAX {
            return Err(malformed("end", "comes before 24 KiB"));
        }
        let text = std::str::from_utf8(text).map_err(|_| malformed("line", "is ASCII, as all others are"))?;
        let mut lines = text.split('\n');
        if lines.next() != Some(VERSION) {
            return Err(EntryProofError::Version);
        }
        let mut record = |tag: &'static str| {
            let found = lines.next().and_then(|line| line.strip_prefix(tag)).and_then(|line| line.strip_prefix(' '));
            found.map(|rest| Record { tag, rest }).ok_or(malformed(tag, "stands here"))
        };

        let line = record("line")?.rest;
        parse_line(line.as_bytes())?;

        let log = record("log")?;
        let [position, tenant_ref] = log.fields()?;
        let position = log.number(position)?;
        let tenant_ref = hex_array(tenant_ref).ok_or(malformed("log", "has a ref of 32 hex digits"))?;

        let head = record("head")?;
        let [size, root, status] = head.fields()?;
        let status = match status {
            "1" => LogStatus::Open,
            "2" => LogStatus::Closed,
            _ => return Err(malformed("head", "has a status of 1 or 2")),
        };
        let head = TenantHead { tenant_ref, size: head.number(size)?, root: head.hash(root)?, status };

        let entry_proof = record("entry-proof")?.hashes(0, ENTRY_HASHES_MAX)?;
        let (least, most) = (HEADS_LEAVES_MIN.trailing_zeros(), HEADS_LEAVES_MAX.trailing_zeros());
        let heads_proof = record("heads-proof")?.hashes(least as usize, most as usize)?;
        let position = u32::try_from(position).map_err(|_| malformed("log", "has a position in the heads tree"))?;

        let commit = record("commit-leaf")?;
        let commit =
            CommitLeaf::from_bytes(&commit.base64()?).map_err(|_| malformed("commit-leaf", "is a commit's leaf"))?;
        let commit_proof = record("commit-proof")?.hashes(0, COMMIT_HASHES_MAX)?;

        let checkpoint = record("checkpoint")?;
        let [size, root, signature] = checkpoint.fields()?;
        let signature = base64_decode(signature).and_then(|bytes| bytes.try_into().ok());

        let epoch = record("epoch")?.base64()?;
        let epoch: &[u8; EPOCH_BYTES] =
            epoch.as_slice().try_into().map_err(|_| malformed("epoch", "has 196 bytes in base64"))?;
        let proof = Self {
            line: line.to_owned(),
            position,
            head,
            entry_proof,
            heads_proof,
            commit,
            commit_proof,
            checkpoint_size: checkpoint.number(size)?,
            checkpoint_root: checkpoint.hash(root)?,
            checkpoint_signature: signature.ok_or(malformed("checkpoint", "has a signature of 64 bytes"))?,
            epoch: SignedEpoch::from_bytes(epoch),
        };
        match (lines.next(), lines.next()) {
            (Some(""), None) => Ok(proof),
            _ => Err(malformed("end", "comes after `epoch` and a newline")),
        }
    }

    /// The file.
    pub fn write(&self) -> String {
        let (head, checkpoint) = (&self.head, self.checkpoint_size);
        [
            format!("{VERSION}\n"),
            format!("line {}\n", self.line),
            format!("log {} {}\n", self.position, hex_encode(&head.tenant_ref)),
            format!("head {} {} {}\n", head.size, base64_encode(head.root.as_bytes()), head.status.code()),
            format!("entry-proof {}\n", hashes(&self.entry_proof)),
            format!("heads-proof {}\n", hashes(&self.heads_proof)),
            format!("commit-leaf {}\n", base64_encode(&self.commit.to_bytes())),
            format!("commit-proof {}\n", hashes(&self.commit_proof)),
            format!(
                "checkpoint {checkpoint} {} {}\n",
                base64_encode(self.checkpoint_root.as_bytes()),
                base64_encode(&self.checkpoint_signature)
            ),
            format!("epoch {}\n", base64_encode(&self.epoch.to_bytes())),
        ]
        .concat()
    }
}

/// Hashes side by side; `-` for none.
fn hashes(list: &[Hash]) -> String {
    if list.is_empty() {
        return "-".to_owned();
    }
    base64_encode(&list.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<_>>())
}

/// One record, without its tag.
#[derive(Clone, Copy)]
struct Record<'a> {
    tag: &'static str,
    rest: &'a str,
}

impl<'a> Record<'a> {
    fn malformed(&self, rule: &'static str) -> EntryProofError {
        EntryProofError::Record { record: self.tag, rule }
    }

    fn fields<const N: usize>(&self) -> Result<[&'a str; N], EntryProofError> {
        // One more than there may be, so that it shows.
        let fields: Vec<_> = self.rest.splitn(N + 1, ' ').collect();
        fields.try_into().map_err(|_| self.malformed("has its fields"))
    }

    fn number(&self, text: &str) -> Result<u64, EntryProofError> {
        parse_decimal(text).ok_or(self.malformed("has plain numbers"))
    }

    fn hash(&self, text: &str) -> Result<Hash, EntryProofError> {
        let bytes = base64_decode(text).and_then(|bytes| Hash::from_slice(&bytes));
        bytes.ok_or(self.malformed("has a root of 32 bytes"))
    }

    fn base64(&self) -> Result<Vec<u8>, EntryProofError> {
        base64_decode(self.rest).ok_or(self.malformed("is base64"))
    }

    fn hashes(&self, least: usize, most: usize) -> Result<Vec<Hash>, EntryProofError> {
        let bytes = match self.rest {
            "-" => Vec::new(),
            "" => return Err(self.malformed("is `-` for no hashes")),
            _ => self.base64()?,
        };
        let chunks = bytes.chunks_exact(32);
        if !chunks.remainder().is_empty() || !(least..=most).contains(&chunks.len()) {
            return Err(self.malformed("has whole hashes, as many as a tree can ask for"));
        }
        Ok(chunks.filter_map(Hash::from_slice).collect())
    }
}
