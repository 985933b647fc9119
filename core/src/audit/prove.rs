//! Proving single lines: the full receipt of an operation, for somebody who has nothing but the root key.
//!
//! There are no stored tree nodes beyond each log's frontier, so a proof hashes the lines of the perfect subtree that its
//! line is in, in pages: at most the whole log, for recent lines little. What is handed out was verified first.

use strongroom_log::{EntryProof, InclusionProver, Origin, ReceiptMismatch};

use super::{
    Audit, Receipt,
    head_proof::HeadProof,
    heads::{damaged, log_origin},
    view::LINES_READ,
};
use crate::{
    Code, Error, Result,
    room::{Named, Step},
};

/// Which line to prove: by its position, or by the receipt that was given for it.
///
/// ```
/// use strongroom::Prove;
///
/// let by_position = Prove::from(42);
/// ```
#[derive(Clone, Debug)]
pub struct Prove {
    seq: u64,
    receipt: Option<strongroom_log::Receipt>,
}

impl From<u64> for Prove {
    fn from(seq: u64) -> Self {
        Self { seq, receipt: None }
    }
}

impl From<strongroom_log::Receipt> for Prove {
    fn from(receipt: strongroom_log::Receipt) -> Self {
        Self { seq: receipt.seq(), receipt: Some(receipt) }
    }
}

impl TryFrom<&Receipt> for Prove {
    type Error = Error;

    fn try_from(receipt: &Receipt) -> Result<Self> {
        strongroom_log::Receipt::try_from(receipt).map(Self::from)
    }
}

/// A line's proof.
#[derive(Clone, Debug)]
pub struct AuditProof {
    /// It verifies against [`crate::Strongroom::root_key`], offline, for ever.
    pub proof: EntryProof,
    /// Proof that the proving was recorded.
    pub receipt: Receipt,
}

impl Audit {
    /// Proves that one line stands in the log, of the generation that is open, under its newest checkpoint.
    ///
    /// With a receipt, also that the line is the one that the receipt is of: a receipt is proven or contradicted, and
    /// a log that contradicts it was changed, unless the receipt was made up.
    ///
    /// # Errors
    /// `LineNotFound`; with a receipt `ReceiptInvalid` if it is another log's, `GenerationEnded`, and
    /// `ReceiptContradicted`; `LogBroken` or `StoreDamaged` if what is stored proves nothing.
    pub async fn prove(&self, line: impl Into<Prove>) -> Result<AuditProof> {
        let line = line.into();
        let (proof, receipt) =
            self.room.operate("audit.prove", &self.target, &self.context, move |step| prove(step, &line)).await?;
        Ok(AuditProof { proof, receipt })
    }
}

fn prove(step: &mut Step<'_>, line: &Prove) -> Result<EntryProof> {
    let (room, number) = (step.room, step.tenant.number);
    let log_of = |origin: &Origin| log_origin(number, step.tenant.tenant, origin);
    if let Some(receipt) = &line.receipt
        && receipt.log() != log_of(&room.origin).as_str()
    {
        let earlier = |k| receipt.log() == log_of(&room.origin.at_generation(k)).as_str();
        let code =
            if (1..room.origin.generation()).any(earlier) { Code::GenerationEnded } else { Code::ReceiptInvalid };
        return Err(code.into());
    }

    let head = HeadProof::read(step.snapshot, number)?;
    let size = head.frontier.size();
    let mut prover = InclusionProver::new(&head.frontier, line.seq).ok_or_else(|| {
        let code = if line.receipt.is_some() { Code::ReceiptContradicted } else { Code::LineNotFound };
        Error::new(code).detail(format!("line {} of {size}", line.seq))
    })?;
    let (mut next, end) = (prover.leaves().start, prover.leaves().end);
    let mut bytes = Vec::new();
    while next < end {
        let limit = usize::try_from(end - next).map_or(LINES_READ, |left| left.min(LINES_READ));
        let rows = step.snapshot.lines_of(number, head.generation, next, limit)?;
        if rows.is_empty() {
            return Err(damaged("lines are missing"));
        }
        for row in rows {
            prover.append(strongroom_log::leaf_hash(&row.line));
            if row.log_seq == line.seq {
                bytes = row.line;
            }
            next += 1;
        }
    }
    let broken = |what: String| Error::new(Code::LogBroken).detail(what);
    let entry_proof = prover.finish().map_err(|_| broken("the lines are not those of the log's head".to_owned()))?;
    let proof = EntryProof::new(&bytes, entry_proof, number.0, &head.as_proof(), &head.certificate, &room.root_key)
        .map_err(|error| broken(error.to_string()))?;
    let proven = proof.verify(&room.root_key).map_err(|error| broken(error.to_string()))?;
    let id: [u8; 16] = std::array::from_fn(|i| proven.leaf().as_bytes()[i]);
    step.line.object = Some(Named { kind: "line", id, version: Some(line.seq), pseudonym_key: None });
    if let Some(Err(mismatch)) = line.receipt.as_ref().map(|receipt| proven.matches(receipt)) {
        return Err(contradicted(mismatch));
    }
    Ok(proof)
}

/// What contradicts the log is evidence; any other receipt that does not match says nothing of it.
fn contradicted(mismatch: ReceiptMismatch) -> Error {
    let code = if mismatch.is_contradiction() { Code::ReceiptContradicted } else { Code::ReceiptInvalid };
    Error::new(code).detail(mismatch.to_string())
}
