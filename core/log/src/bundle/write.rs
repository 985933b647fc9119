//! Writing bundles into a buffer, which the caller empties into a file as it goes.

use super::{FULL, TENANT};
use crate::codec::{base64_encode, decimal_into, hex_encode};
use crate::commit::CommitLeaf;
use crate::hash::Hash;
use crate::heads::{LogStatus, TenantHead};
use crate::origin::{Origin, PreviousGeneration};

/// Writes the bundle of a whole deployment. Call in the order of the log; what the order is, the verifier checks.
///
/// ```
/// use strongroom_log::{FullBundleWriter, Origin};
///
/// let mut bundle = FullBundleWriter::new(&Origin::parse("example.com/keys")?);
/// bundle.generation(1, None);
/// let mut file = bundle.take(); // and again whenever it has grown
/// file.extend(bundle.finish());
/// assert!(file.ends_with(b"generation 1 0 -\nend 0\n"));
/// # Ok::<(), strongroom_log::FormatError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FullBundleWriter(Records);

impl FullBundleWriter {
    /// Starts the bundle of the deployment of this origin.
    pub fn new(origin: &Origin) -> Self {
        let mut records = Records::new(FULL);
        records.text(&["origin ", origin.first()]);
        Self(records)
    }

    /// Generation `k` begins after what the one before ended with (`None` for generation 1).
    pub fn generation(&mut self, k: u32, previous: Option<&PreviousGeneration>) {
        self.0.generation(k, previous);
    }

    /// A log the generation starts with, before its first commit: `sys` at position 0 in the first, all in later ones.
    pub fn tenant(&mut self, position: u32, tenant_ref: &[u8; 16], status: LogStatus) {
        let (position, status) = (position.to_string(), status.code().to_string());
        self.0.text(&["tenant ", &position, " ", &hex_encode(tenant_ref), " ", &status]);
    }

    /// An epoch certificate, when as many commits are written as its `seen` says.
    pub fn epoch(&mut self, note: &[u8]) {
        self.0.text(&["epoch ", &base64_encode(note)]);
    }

    /// A commit: its leaf's data, and the blind of its statistics.
    pub fn commit(&mut self, leaf: &[u8], blind: &[u8; 16]) {
        self.0.text(&["commit ", &base64_encode(leaf), " ", &hex_encode(blind)]);
    }

    /// A line of the commit before.
    pub fn line(&mut self, line: &[u8]) {
        self.0.line(line);
    }

    /// The generation's newest checkpoint, after its last commit.
    pub fn checkpoint(&mut self, note: &[u8]) {
        self.0.text(&["checkpoint ", &base64_encode(note)]);
    }

    /// How many bytes wait to be taken.
    pub fn pending(&self) -> usize {
        self.0.out.len()
    }

    /// What was written since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0.out)
    }

    /// Ends the bundle and returns what was not taken yet.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.end();
        self.0.out
    }
}

/// That a log's head stood in the newest commit.
#[derive(Debug, Clone)]
pub struct TenantProof<'a> {
    /// The head after the last line.
    pub head: TenantHead,
    /// The heads tree's size.
    pub heads_size: u32,
    /// The head's inclusion proof in it.
    pub heads_proof: &'a [Hash],
    /// The head log's last leaf.
    pub commit: CommitLeaf,
    /// Its inclusion proof in the head log.
    pub commit_proof: &'a [Hash],
    /// The checkpoint's note.
    pub checkpoint: &'a [u8],
}

/// Writes the bundle of one log.
#[derive(Debug, Clone)]
pub struct TenantBundleWriter(Records);

impl TenantBundleWriter {
    /// Starts the bundle of the log at `position` in this generation; `epoch` is the certificate of the epoch that
    /// signed the checkpoint.
    pub fn new(
        origin: &Origin,
        previous: Option<&PreviousGeneration>,
        epoch: &[u8],
        position: u32,
        tenant_ref: &[u8; 16],
    ) -> Self {
        let mut records = Records::new(TENANT);
        records.text(&["origin ", origin.first()]);
        records.generation(origin.generation(), previous);
        records.text(&["epoch ", &base64_encode(epoch)]);
        records.text(&["log ", &position.to_string(), " ", &hex_encode(tenant_ref)]);
        Self(records)
    }

    /// A line of the log.
    pub fn line(&mut self, line: &[u8]) {
        self.0.line(line);
    }

    /// How many bytes wait to be taken.
    pub fn pending(&self) -> usize {
        self.0.out.len()
    }

    /// What was written since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0.out)
    }

    /// Ends the bundle with its proof and returns what was not taken yet.
    pub fn finish(mut self, proof: &TenantProof<'_>) -> Vec<u8> {
        let records = &mut self.0;
        let (size, status) = (proof.head.size.to_string(), proof.head.status.code().to_string());
        records.text(&["head ", &size, " ", &base64_encode(proof.head.root.as_bytes()), " ", &status]);
        records.text(&["heads-proof ", &proof.heads_size.to_string(), &hashes(proof.heads_proof)]);
        records.text(&["commit-leaf ", &base64_encode(&proof.commit.to_bytes())]);
        records.text(&["commit-proof", &hashes(proof.commit_proof)]);
        records.text(&["checkpoint ", &base64_encode(proof.checkpoint)]);
        records.end();
        self.0.out
    }
}

fn hashes(proof: &[Hash]) -> String {
    proof.iter().flat_map(|hash| [" ".to_owned(), base64_encode(hash.as_bytes())]).collect()
}

#[derive(Debug, Clone)]
struct Records {
    out: Vec<u8>,
    lines: u64,
}

impl Records {
    fn new(first: &str) -> Self {
        let mut records = Self { out: Vec::new(), lines: 0 };
        records.text(&[first]);
        records
    }

    fn text(&mut self, parts: &[&str]) {
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.out.push(b'\n');
    }

    fn generation(&mut self, k: u32, previous: Option<&PreviousGeneration>) {
        let k = k.to_string();
        match previous {
            None => self.text(&["generation ", &k, " 0 -"]),
            Some(previous) => {
                let root = base64_encode(previous.root.as_bytes());
                self.text(&["generation ", &k, " ", &previous.size.to_string(), " ", &root]);
            }
        }
    }

    fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        self.out.extend_from_slice(b"line ");
        self.out.extend_from_slice(line);
        self.out.push(b'\n');
    }

    fn end(&mut self) {
        self.out.extend_from_slice(b"end ");
        decimal_into(self.lines, &mut self.out);
        self.out.push(b'\n');
    }
}
